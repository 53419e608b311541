//! What the server is told, so that it notices a client that is gone and frees its locks.

use pglock_driver::Loss;
use pglock_tests::{Database, Proxy};

use crate::adapter::{Adapter, Stranger, database, ms, options};

over_all_adapters! {
    the_server_is_as_patient_as_the_client,
    what_the_user_says_stays,
    the_server_frees_what_a_silent_client_held,
}

/// The database's URL with a setting of the user's own.
fn url_with(database: &Database, setting: &str, value: &str) -> String {
    format!("{}?options=-c%20{setting}%3D{value}", database.url())
}

/// Has each session that takes a lock write down its settings.
async fn spied_upon() -> (Database, Stranger) {
    let database = database();
    database.execute(
        "CREATE TABLE seen (name text, setting text); \
         CREATE FUNCTION pg_try_advisory_lock(key bigint) RETURNS boolean LANGUAGE sql AS $$ \
         INSERT INTO seen SELECT name, setting FROM pg_settings; \
         SELECT pg_catalog.pg_try_advisory_lock(key) $$",
    );
    let name = database.name();
    database.execute(&format!("ALTER DATABASE {name} SET search_path = public, pg_catalog"));
    let stranger = Stranger::of(&database).await;
    (database, stranger)
}

async fn seen(stranger: &Stranger, name: &str) -> String {
    let query = format!("SELECT setting FROM seen WHERE name = '{name}'");
    stranger.ask(&query).await.expect("a setting")
}

async fn the_server_is_as_patient_as_the_client(adapter: Adapter) {
    let (database, stranger) = spied_upon().await;
    database.set_default("idle_session_timeout", "1min");
    let _lock = adapter.locks(&database).await.acquire("a").await;
    for (name, setting) in [
        ("idle_session_timeout", "0"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "15000"),
        ("lock_timeout", "2000"),
    ] {
        assert_eq!(seen(&stranger, name).await, setting, "{name}");
    }
}

async fn what_the_user_says_stays(adapter: Adapter) {
    let (database, stranger) = spied_upon().await;
    let url = url_with(&database, "tcp_keepalives_idle", "7");
    let locks = adapter.locks_at(options().silence(ms(4_001)), &url).await;
    let _lock = locks.acquire("a").await;
    for (name, setting) in [
        ("tcp_keepalives_idle", "7"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_user_timeout", "4001"),
    ] {
        assert_eq!(seen(&stranger, name).await, setting, "{name}");
    }
}

/// What lies between keeps the server's connection open, so that only the session's own silence tells.
async fn the_server_frees_what_a_silent_client_held(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(&url_with(&database, "idle_session_timeout", "4s"));
    let locks = adapter.locks_at(options().silence(ms(2_000)), proxy.url()).await;
    let others = adapter.locks(&database).await;
    let lock = locks.acquire("a").await;
    assert!(others.advisory("a").try_acquire().await.unwrap().is_none());
    proxy.fall_silent();
    let next = others.advisory("a");
    let waiting = tokio::spawn(async move { next.acquire().await.unwrap() });
    assert_eq!(lock.lost().await, Loss::SessionEnded);
    assert!(waiting.await.unwrap().is_held());
}
