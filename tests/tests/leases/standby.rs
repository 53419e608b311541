//! A standby: rows can be read there, locks cannot be had.

use pglock_driver::Error;
use pglock_tests::Private;

use crate::adapter::{Adapter, ms, options, run};

/// One server serves all adapters, since a standby takes long to make.
#[test]
fn a_standby_shows_locks_and_refuses_them() {
    run(async {
        let primary = Private::new();
        let database = primary.database();
        let locks = Adapter::TOKIO.locks(&database).await;
        let standby = primary.standby();
        let lock = locks.request("a").owner("first").data(b"one").acquire().await.unwrap();
        standby.follow(&primary);
        let replica = standby.replica_of(&database);
        for adapter in Adapter::ALL {
            let reader = adapter.locks_with(options().patience(ms(60_000)), &replica).await;
            let entry = reader.get("a").await.unwrap().unwrap();
            assert_eq!(entry.token, Some(lock.token()));
            assert_eq!(entry.owner.as_deref(), Some("first"));
            assert_eq!(entry.data.as_deref(), Some(&b"one"[..]));
            assert_eq!(reader.list("").await.unwrap(), [entry]);
            assert_eq!(reader.get("b").await.unwrap(), None);
            assert_eq!(reader.check_table().await.unwrap().problems, []);
            let refusals = [
                reader.acquire("b").await.map(drop),
                reader.try_acquire("b").await.map(drop),
                reader.probe("b").await.map(drop),
                reader.acquire_within("b", ms(60_000)).await.map(drop),
                reader.drop_table().await,
            ];
            for refusal in refusals.map(Result::unwrap_err) {
                assert!(matches!(refusal, Error::Failed(_)), "{refusal:?}");
                assert_eq!(refusal.sqlstate().unwrap().as_str(), "25006", "{refusal:?}");
                assert!(refusal.to_string().contains("connect to the primary"), "{refusal}");
            }
        }
        assert!(lock.release().await.unwrap().confirmed);
    });
}
