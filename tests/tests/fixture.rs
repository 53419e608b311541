//! The fixture itself: servers start, crash, replicate, and leave nothing behind.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use pglock_tests::{Private, Server, eventually};

#[tokio::test]
async fn each_test_has_a_database_of_its_own() {
    let (one, other) = (Server::shared().database(), Server::shared().database());
    one.execute("CREATE TABLE here ()");
    let there = other.connect().await.ask("SELECT to_regclass('here')").await;
    assert_eq!(there, None);
}

#[tokio::test]
async fn a_default_counts_from_the_next_session_on() {
    let database = Server::shared().database();
    database.set_default("default_transaction_isolation", "serializable");
    let isolation = database.connect().await.ask("SHOW transaction_isolation").await;
    assert_eq!(isolation.as_deref(), Some("serializable"));
}

#[tokio::test]
async fn a_private_server_keeps_what_was_committed_through_a_crash() {
    let server = Private::new();
    let database = server.database();
    database.execute("CREATE TABLE kept AS SELECT 1 AS number");
    for end in [Private::crash, Private::kill, Private::stop] {
        let session = database.connect().await;
        end(&server);
        eventually("the session has ended", async || session.client().is_closed()).await;
        server.start();
        let kept = database.connect().await.ask("SELECT number FROM kept").await;
        assert_eq!(kept.as_deref(), Some("1"));
    }
}

#[tokio::test]
async fn a_standby_follows_and_can_be_promoted() {
    let primary = Private::new();
    let database = primary.database();
    let standby = primary.standby();
    database.execute("CREATE TABLE copied AS SELECT 1 AS number");
    standby.follow(&primary);
    let replica = standby.replica_of(&database);
    let session = replica.connect().await;
    assert_eq!(session.ask("SELECT number FROM copied").await.as_deref(), Some("1"));
    assert_eq!(session.ask("SELECT pg_is_in_recovery()").await.as_deref(), Some("t"));
    primary.crash();
    standby.promote();
    replica.execute("INSERT INTO copied VALUES (2)");
}

#[tokio::test]
async fn waiting_for_a_row_is_seen_from_outside() {
    let database = Server::shared().database();
    database.execute("CREATE TABLE thing AS SELECT 1 AS number");
    let (holder, waiter) = (database.connect().await, database.connect().await);
    holder.execute("BEGIN; UPDATE thing SET number = 2").await;
    assert!(holder.has_transaction_id().await);
    tokio::join!(waiter.execute("UPDATE thing SET number = 3"), async {
        waiter.blocked(&holder).await;
        holder.execute("COMMIT").await;
    });
    assert_eq!(waiter.ask("SELECT number FROM thing").await.as_deref(), Some("3"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_dropped_server_leaves_nothing() {
    let server = Private::new();
    let port = url::Url::parse(&server.url()).unwrap().port().unwrap();
    drop(server);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
