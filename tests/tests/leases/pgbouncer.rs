//! Behind PgBouncer, which hands each transaction or statement to another session.

use pglock_driver::Loss;
use pglock_tests::{Database, Pooler, Pooling, eventually};

use crate::adapter::{Adapter, Locks, database, ms, options};

over_each_driver! {
    a_lock_is_acquired_kept_and_released,
    a_waiter_sees_the_release,
    a_dead_holder_is_replaced,
}

const SHARING: [(Pooling, usize); 4] = [
    (Pooling::Transaction, 1),
    (Pooling::Transaction, 3),
    (Pooling::Statement, 1),
    (Pooling::Statement, 3),
];

async fn handles(adapter: Adapter, pooler: &Pooler) -> [Locks; 2] {
    let options = || options().lease(ms(2_000));
    let one = adapter.unprepared(options(), pooler.url()).await;
    [one, adapter.unprepared(options(), pooler.url()).await]
}

async fn a_lock_is_acquired_kept_and_released(adapter: Adapter) {
    for (pooling, sessions) in SHARING {
        let database = database();
        let pooler = Pooler::new(&database, pooling, sessions);
        let [locks, others] = handles(adapter, &pooler).await;
        let lock = locks.acquire("a").await.unwrap();
        assert!(others.try_acquire("a").await.unwrap().is_none());
        let until = lock.valid_until();
        eventually("it is kept", async || lock.valid_until() > until).await;
        lock.heartbeat().await.unwrap();
        lock.set_data(b"17").await.unwrap();
        assert!(lock.release().await.unwrap().confirmed);
        assert!(others.try_acquire("a").await.unwrap().is_some());
    }
}

/// Nobody can listen there, and everybody looks.
async fn a_waiter_sees_the_release(adapter: Adapter) {
    for (pooling, sessions) in SHARING {
        let database = database();
        let pooler = Pooler::new(&database, pooling, sessions);
        let [locks, others] = handles(adapter, &pooler).await;
        let lock = locks.acquire("a").await.unwrap();
        let waiting = tokio::spawn(async move { others.acquire("a").await.unwrap() });
        lock.release().await.unwrap();
        assert!(waiting.await.unwrap().is_held());
        assert!(!listened(&database).await);
    }
}

async fn listened(database: &Database) -> bool {
    let listened = "SELECT EXISTS (SELECT FROM pg_stat_activity \
                    WHERE datname = current_database() AND query LIKE 'DO %LISTEN %')";
    database.connect().await.ask(listened).await.as_deref() == Some("t")
}

async fn a_dead_holder_is_replaced(adapter: Adapter) {
    for (pooling, sessions) in SHARING {
        let database = database();
        let pooler = Pooler::new(&database, pooling, sessions);
        let [_, others] = handles(adapter, &pooler).await;
        let ending = Pooler::new(&database, pooling, sessions);
        let [locks, _] = handles(adapter, &ending).await;
        let lock = locks.acquire("a").await.unwrap();
        drop(ending);
        let next = others.acquire("a").await.unwrap();
        assert!(next.token() > lock.token());
        assert_eq!(lock.lost().await, Loss::Expired);
        assert!(next.is_held());
    }
}
