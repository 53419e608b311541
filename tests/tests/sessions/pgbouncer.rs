//! Behind PgBouncer, which keeps a session for a client or does not.

use pglock_driver::{Error, Failure, Unfit};
use pglock_tests::{Pooler, Pooling};

use crate::adapter::{Adapter, Stranger, database, ms, options};

over_all_adapters! {
    sessions_that_are_shared_are_refused,
    a_session_of_ones_own_will_do,
    a_session_of_ones_own_can_wait_in_line,
}

over_each_driver! {
    of_clients_at_once_none_gets_a_session_that_is_shared,
}

/// Where sessions are shared, and how many there are.
const SHARING: [(Pooling, usize); 4] = [
    (Pooling::Transaction, 1),
    (Pooling::Transaction, 3),
    (Pooling::Statement, 1),
    (Pooling::Statement, 3),
];

fn is_refusal(refused: &Error) -> bool {
    let shared = Error::Failed(Failure::Unfit(Unfit::SharedSession));
    *refused == shared && refused.to_string().contains("behind a pooler in transaction mode")
}

async fn sessions_that_are_shared_are_refused(adapter: Adapter) {
    for (pooling, sessions) in SHARING {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let pooler = Pooler::new(&database, pooling, sessions);
        for prepared in [true, false] {
            let locks = adapter.connect(options(), pooler.url(), prepared).await;
            for refused in [
                locks.advisory("a").acquire().await.map(drop),
                locks.advisory("a").try_acquire().await.map(drop),
                locks.advisory("b").shared().acquire().await.map(drop),
                locks.advisory("a").in_line().acquire().await.map(drop),
                locks.advisory("a").in_line().acquire_within(ms(60_000)).await.map(drop),
                locks.advisory("b").shared().in_line().acquire().await.map(drop),
            ] {
                let refused = refused.unwrap_err();
                assert!(is_refusal(&refused), "{pooling:?} {sessions} {prepared}: {refused:?}");
            }
            assert_eq!(stranger.count().await, 0, "{pooling:?} {sessions} {prepared}");
        }
    }
}

async fn of_clients_at_once_none_gets_a_session_that_is_shared(adapter: Adapter) {
    for (pooling, sessions) in SHARING {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let pooler = Pooler::new(&database, pooling, sessions);
        for round in 0..25 {
            let one = adapter.connect(options(), pooler.url(), round % 2 == 0).await;
            let other = adapter.connect(options(), pooler.url(), false).await;
            let (one, other) =
                tokio::join!(one.advisory("a").acquire(), other.advisory("a").acquire());
            for refused in [one.unwrap_err(), other.unwrap_err()] {
                assert!(is_refusal(&refused), "{pooling:?} {sessions} {round}: {refused:?}");
            }
            assert_eq!(stranger.count().await, 0, "{pooling:?} {sessions} {round}");
        }
    }
}

async fn a_session_of_ones_own_will_do(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let pooler = Pooler::new(&database, Pooling::Session, 4);
    for prepared in [true, false] {
        let locks = adapter.connect(options(), pooler.url(), prepared).await;
        let others = adapter.connect(options(), pooler.url(), prepared).await;
        let lock = locks.acquire("a").await;
        assert!(others.advisory("a").try_acquire().await.unwrap().is_none());
        lock.free().await;
        others.acquire("a").await.free().await;
        let _held = locks.acquire("a").await;
        assert!(!stranger.finds_free("a").await);
        locks.shut_down().await;
        stranger.sees(0).await;
        assert!(others.finds_free("a").await);
    }
}

async fn a_session_of_ones_own_can_wait_in_line(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let pooler = Pooler::new(&database, Pooling::Session, 8);
    for prepared in [true, false] {
        let locks = adapter.connect(options(), pooler.url(), prepared).await;
        stranger.takes("a").await;
        let request = locks.advisory("a").in_line();
        let waiting = tokio::spawn(async move { request.acquire().await.unwrap() });
        stranger.sees_waiting(1).await;
        stranger.gives_back("a").await;
        let lock = waiting.await.unwrap();
        assert!(lock.is_held() && !stranger.finds_free("a").await);
        lock.free().await;
        stranger.sees(0).await;
    }
}
