//! Sessions opened by hand, with the server's own functions: they and we exclude each other.

use pglock_driver::{AdvisoryKey, KeyMapping};
use pglock_tests::eventually;

use crate::adapter::{Adapter, Stranger, arguments, database};

over_all_adapters! {
    a_key_is_where_a_session_opened_by_hand_finds_it,
    a_session_opened_by_hand_is_waited_for,
}

fn keys() -> [AdvisoryKey; 6] {
    [
        "invoice-42".into(),
        KeyMapping::WithAdvisoryLock { prefix: 7 }.key("invoice-42"),
        KeyMapping::SqlxMigrations.key("app"),
        42.into(),
        i64::MIN.into(),
        (-1, 2).into(),
    ]
}

async fn a_key_is_where_a_session_opened_by_hand_finds_it(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    for key in keys() {
        let lock = locks.acquire(key.clone()).await;
        assert!(!stranger.finds_free(key.clone()).await, "{key}");
        lock.free().await;
        assert!(stranger.finds_free(key.clone()).await, "{key}");
        let share = locks.advisory(key.clone()).shared().acquire().await.unwrap();
        assert!(!stranger.finds_free(key.clone()).await, "{key}");
        let place = arguments(&key);
        assert!(stranger.says(&format!("SELECT pg_try_advisory_lock_shared({place})")).await);
        share.free().await;
        assert!(stranger.says(&format!("SELECT pg_advisory_unlock_shared({place})")).await);
    }
}

async fn a_session_opened_by_hand_is_waited_for(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    for key in keys() {
        let place = arguments(&key);
        stranger.execute(&format!("SELECT pg_advisory_lock({place})")).await;
        assert!(!locks.finds_free(key.clone()).await, "{key}");
        assert!(locks.advisory(key.clone()).shared().try_acquire().await.unwrap().is_none());
        let before = locks.counters().await.commands;
        let request = locks.advisory(key.clone());
        let waiting = tokio::spawn(async move { request.acquire().await });
        eventually("it waits", async || locks.counters().await.commands > before).await;
        stranger.execute("SELECT pg_advisory_unlock_all()").await;
        waiting.await.unwrap().unwrap().free().await;
    }
}
