//! Who locks in opposite orders.

use crate::rig::{execute, numbers, says};

#[tokio::test]
async fn opposite_orders_deadlock_and_one_of_the_two_goes_on() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    let watcher = database.connect().await;
    first.execute("BEGIN; UPDATE numbers SET number = 1 WHERE name = 'a'").await;
    second.execute("BEGIN; UPDATE numbers SET number = 2 WHERE name = 'b'").await;
    let (one, other) =
        tokio::join!(execute(&first, "UPDATE numbers SET number = 1 WHERE name = 'b'"), async {
            first.blocked(&watcher).await;
            execute(&second, "UPDATE numbers SET number = 2 WHERE name = 'a'").await
        });
    let mut done = [one, other];
    done.sort();
    assert_eq!(done, [Ok(1), Err("40P01".into())]);
}

#[tokio::test]
async fn the_same_order_does_not() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute("BEGIN; UPDATE numbers SET number = 1 WHERE name = 'a'").await;
    let both = "UPDATE numbers SET number = 2 WHERE name IN ('a', 'b')";
    let meanwhile = "UPDATE numbers SET number = 1 WHERE name = 'b'";
    assert_eq!(crate::rig::behind(&first, meanwhile, &second, both).await, Ok(2));
}

/// Its transaction is undone, its session's locks are not.
#[tokio::test]
async fn the_victim_of_a_deadlock_keeps_the_advisory_locks_it_had() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    let watcher = database.connect().await;
    // Whose time-out passes first is the victim.
    first.execute("SET deadlock_timeout = '1h'; SELECT pg_advisory_lock(1)").await;
    second.execute("SET deadlock_timeout = '10ms'; SELECT pg_advisory_lock(2)").await;
    let ((), victim) = tokio::join!(first.execute("SELECT pg_advisory_lock(2)"), async {
        first.blocked(&watcher).await;
        let victim = execute(&second, "SELECT pg_advisory_lock(1)").await;
        assert!(!says(&watcher, "SELECT pg_try_advisory_lock(2)").await);
        assert!(says(&second, "SELECT pg_advisory_unlock(2)").await);
        victim
    });
    assert_eq!(victim, Err("40P01".into()));
}
