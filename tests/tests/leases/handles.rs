//! Handles and guards at the end of their lives.

use pglock_driver::{Error, Loss};
use pglock_tests::eventually;

use crate::adapter::{Adapter, database, ms};

over_all_adapters! {
    a_shut_down_gives_all_locks_back,
    a_second_clean_up_is_harmless,
    a_guard_keeps_its_handle_alive,
    dropped_handles_close_their_connections,
}

const BACKENDS: &str = "SELECT count(*) FROM pg_stat_activity \
                        WHERE datname = current_database() AND application_name = 'pglock'";

async fn a_shut_down_gives_all_locks_back(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let held = [locks.acquire("a").await.unwrap(), locks.acquire("b").await.unwrap()];
    let waiting = {
        let locks = locks.clone();
        tokio::spawn(async move { locks.acquire("a").await })
    };
    locks.shut_down().await;
    assert!(others.list("").await.unwrap().iter().all(|entry| !entry.is_held()));
    for lock in &held {
        assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::Released)));
        assert_eq!(lock.heartbeat().await, Err(Error::Lost(Loss::Released)));
        assert_eq!(lock.set_data(b"late").await, Err(Error::Lost(Loss::Released)));
    }
    assert_eq!(waiting.await.unwrap().unwrap_err(), Error::Closed);
    assert_eq!(locks.acquire("a").await.unwrap_err(), Error::Closed);
    assert_eq!(locks.get("a").await, Err(Error::Closed));
}

async fn a_second_clean_up_is_harmless(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let (lock, dropped) = (locks.acquire("a").await.unwrap(), locks.acquire("b").await.unwrap());
    locks.shut_down().await;
    locks.shut_down().await;
    drop(dropped);
    assert!(lock.release().await.unwrap().confirmed, "the shut-down has released it");
    locks.shut_down().await;
    drop(locks);
}

async fn a_guard_keeps_its_handle_alive(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    drop(locks);
    lock.heartbeat().await.unwrap();
    assert!(lock.release().await.unwrap().confirmed);
}

async fn dropped_handles_close_their_connections(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    lock.heartbeat().await.unwrap();
    assert_ne!(session.ask(BACKENDS).await.as_deref(), Some("0"));
    drop(locks.clone());
    assert!(lock.remaining() > ms(0), "another clone lives");
    drop(lock);
    drop(locks);
    eventually("all connections are closed", async || {
        session.ask(BACKENDS).await.as_deref() == Some("0")
    })
    .await;
    let held = "SELECT count(*) FROM locks WHERE record_version_number IS NOT NULL";
    assert_eq!(session.ask(held).await.as_deref(), Some("0"));
}
