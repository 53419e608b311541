//! What is left after a crash.

use pglock_tests::Private;

#[tokio::test]
async fn unlogged_tables_are_empty_after_a_crash() {
    let server = Private::new();
    let database = server.database();
    database.execute("CREATE TABLE logged AS SELECT 1; CREATE UNLOGGED TABLE unlogged AS SELECT 1");
    let count = "SELECT (SELECT count(*) FROM logged) || ' ' || (SELECT count(*) FROM unlogged)";
    assert_eq!(database.connect().await.ask(count).await.as_deref(), Some("1 1"));
    server.restart();
    assert_eq!(database.connect().await.ask(count).await.as_deref(), Some("1 1"));
    server.crash();
    server.start();
    assert_eq!(database.connect().await.ask(count).await.as_deref(), Some("1 0"));
}

#[tokio::test]
async fn advisory_locks_are_free_after_a_crash() {
    let server = Private::new();
    let database = server.database();
    let holder = database.connect().await;
    holder.execute("SELECT pg_advisory_lock(1)").await;
    server.crash();
    server.start();
    let session = database.connect().await;
    assert_eq!(session.ask("SELECT pg_try_advisory_lock(1)").await.as_deref(), Some("t"));
}
