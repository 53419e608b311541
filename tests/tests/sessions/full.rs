//! A server whose lock table is full, and a client that has as many locks as it may.

use pglock_driver::{AskError, Error, Failure};
use pglock_tests::Private;

use crate::adapter::{Adapter, Stranger, database, options, run};

over_all_adapters! {
    a_client_holds_no_more_locks_than_it_may,
}

/// A server of its own, since its lock table is filled; it serves two adapters.
#[test]
fn a_full_lock_table_is_an_error_and_leaves_nothing_behind() {
    run(async {
        let server = Private::new();
        let database = server.database();
        for adapter in [Adapter::TOKIO, Adapter::Postgres] {
            let locks = adapter.locks(&database).await;
            let newcomer = adapter.locks(&database).await;
            let lock = locks.acquire(-1).await;
            let stranger = Stranger::of(&database).await;
            let fill = "SELECT pg_try_advisory_lock(key) FROM generate_series(1, 10000000) key";
            stranger.client().batch_execute(fill).await.unwrap_err();
            for refused in [
                locks.advisory(-2).try_acquire().await.map(drop),
                locks.advisory(-2).acquire().await.map(drop),
                locks.advisory(-2).shared().acquire().await.map(drop),
                newcomer.advisory(-2).acquire().await.map(drop),
            ] {
                let refused = refused.unwrap_err();
                assert!(matches!(refused, Error::Failed(Failure::LockTableFull(_))), "{refused:?}");
                assert!(refused.to_string().contains("max_locks_per_transaction"), "{refused}");
            }
            assert!(lock.is_held());
            stranger.execute("SELECT pg_advisory_unlock_all()").await;
            stranger.sees(1).await;
            assert!(locks.finds_free(-2).await && newcomer.finds_free(-2).await);
            lock.free().await;
        }
    });
}

async fn a_client_holds_no_more_locks_than_it_may(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks_with(options().advisory_places(2), &database).await;
    let held = [locks.acquire("a").await, locks.acquire("b").await];
    let refused = locks.advisory("c").acquire().await.unwrap_err();
    assert_eq!(refused, Error::Ask(AskError::TooManyPlaces { budget: 2 }));
    let again = held[0].again().await.unwrap();
    let [a, b] = held;
    drop(a);
    b.free().await;
    assert!(again.is_held() && locks.finds_free("c").await);
}
