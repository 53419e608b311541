//! What `IF NOT EXISTS` is worth when two create at once.

use crate::rig::execute;
use pglock_tests::Server;

#[tokio::test]
async fn create_if_not_exists_races() {
    let database = Server::shared().database();
    let (first, second) = (database.connect().await, database.connect().await);
    let create = "CREATE TABLE IF NOT EXISTS made (name text)";
    first.execute(&format!("BEGIN; {create}")).await;
    let done = crate::rig::behind(&first, "", &second, create).await;
    assert_eq!(done, Err("23505".into()));
    assert_eq!(execute(&second, create).await, Ok(0));
}

#[tokio::test]
async fn an_advisory_lock_of_the_transaction_keeps_it_from_racing() {
    let database = Server::shared().database();
    let (first, second) = (database.connect().await, database.connect().await);
    let create =
        "BEGIN; SELECT pg_advisory_xact_lock(1); CREATE TABLE IF NOT EXISTS made (name text)";
    first.execute(create).await;
    tokio::join!(second.execute(create), async {
        second.blocked(&first).await;
        first.execute("COMMIT").await;
    });
    second.execute("COMMIT").await;
    assert_eq!(second.ask("SELECT count(*) FROM made").await.as_deref(), Some("0"));
}
