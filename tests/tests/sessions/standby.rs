//! A standby, whose lock space is its own.

use pglock_driver::{Error, Failure, Unfit};
use pglock_tests::Private;

use crate::adapter::{Adapter, ms, run};

/// One server serves all adapters, since a standby takes long to make.
#[test]
fn a_standby_is_refused() {
    run(async {
        let primary = Private::new();
        let database = primary.database();
        let standby = primary.standby();
        standby.follow(&primary);
        let replica = standby.replica_of(&database);
        for adapter in Adapter::ALL {
            let locks = adapter.locks(&replica).await;
            for refused in [
                locks.advisory("a").acquire().await.map(drop),
                locks.advisory("a").shared().try_acquire().await.map(drop),
                locks.advisory("a").acquire_within(ms(60_000)).await.map(drop),
            ] {
                let refused = refused.unwrap_err();
                assert_eq!(refused, Error::Failed(Failure::Unfit(Unfit::Standby)));
                assert!(refused.to_string().contains("connect to the primary"), "{refused}");
            }
        }
    });
}
