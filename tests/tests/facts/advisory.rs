//! What PostgreSQL counts as an advisory lock, one session at a time.

use pglock_tests::{Private, Server};

use crate::rig::{execute, says};

/// How many advisory locks sessions of this database hold.
const HELD: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted \
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test]
async fn one_session_holds_a_key_exclusively_or_any_number_share_it() {
    let database = Server::shared().database();
    let (first, second) = (database.connect().await, database.connect().await);
    assert!(says(&first, "SELECT pg_try_advisory_lock_shared(1)").await);
    assert!(says(&second, "SELECT pg_try_advisory_lock_shared(1)").await);
    assert!(!says(&second, "SELECT pg_try_advisory_lock(1)").await);
    first.execute("SELECT pg_advisory_unlock_shared(1)").await;
    assert!(says(&second, "SELECT pg_try_advisory_lock(1)").await);
    assert!(!says(&first, "SELECT pg_try_advisory_lock_shared(1)").await);
}

#[tokio::test]
async fn a_session_counts_how_often_it_took_a_key() {
    let database = Server::shared().database();
    let (holder, other) = (database.connect().await, database.connect().await);
    for _ in 0..3 {
        assert!(says(&holder, "SELECT pg_try_advisory_lock(1)").await);
    }
    for _ in 0..3 {
        assert!(!says(&other, "SELECT pg_try_advisory_lock(1)").await);
        assert!(says(&holder, "SELECT pg_advisory_unlock(1)").await);
    }
    assert!(says(&other, "SELECT pg_try_advisory_lock(1)").await);
}

#[tokio::test]
async fn an_unlock_of_what_is_not_held_answers_false_and_changes_nothing() {
    let database = Server::shared().database();
    let (holder, other) = (database.connect().await, database.connect().await);
    assert!(!says(&holder, "SELECT pg_advisory_unlock(1)").await);
    assert!(says(&holder, "SELECT pg_try_advisory_lock(1)").await);
    assert!(!says(&other, "SELECT pg_advisory_unlock(1)").await);
    assert!(!says(&other, "SELECT pg_try_advisory_lock(1)").await);
    assert!(says(&holder, "SELECT pg_advisory_unlock(1)").await);
    assert!(!says(&holder, "SELECT pg_advisory_unlock(1)").await);
}

#[tokio::test]
async fn the_two_modes_of_a_key_are_counted_apart() {
    let database = Server::shared().database();
    let (holder, other) = (database.connect().await, database.connect().await);
    assert!(says(&holder, "SELECT pg_try_advisory_lock(1)").await);
    assert!(!says(&holder, "SELECT pg_advisory_unlock_shared(1)").await);
    assert!(says(&holder, "SELECT pg_try_advisory_lock_shared(1)").await);
    assert!(says(&holder, "SELECT pg_advisory_unlock(1)").await);
    assert!(!says(&holder, "SELECT pg_advisory_unlock(1)").await);
    assert!(says(&other, "SELECT pg_try_advisory_lock_shared(1)").await);
    assert!(!says(&other, "SELECT pg_try_advisory_lock(1)").await);
}

#[tokio::test]
async fn one_number_and_two_numbers_are_keys_apart() {
    let database = Server::shared().database();
    let (first, second) = (database.connect().await, database.connect().await);
    assert!(says(&first, "SELECT pg_try_advisory_lock(1)").await);
    assert!(says(&second, "SELECT pg_try_advisory_lock(0, 1)").await);
    assert!(!says(&second, "SELECT pg_try_advisory_lock(1::bigint)").await);
}

#[tokio::test]
async fn databases_are_apart() {
    let (one, other) = (Server::shared().database(), Server::shared().database());
    let (first, second) = (one.connect().await, other.connect().await);
    assert!(says(&first, "SELECT pg_try_advisory_lock(1)").await);
    assert!(says(&second, "SELECT pg_try_advisory_lock(1)").await);
}

#[tokio::test]
async fn a_sessions_lock_survives_the_rollback_of_the_transaction_that_took_it() {
    let database = Server::shared().database();
    let (holder, other) = (database.connect().await, database.connect().await);
    holder.execute("BEGIN; SELECT pg_advisory_lock(1); ROLLBACK").await;
    assert!(!says(&other, "SELECT pg_try_advisory_lock(1)").await);
}

#[tokio::test]
async fn an_unlock_is_not_undone_by_a_rollback() {
    let database = Server::shared().database();
    let (holder, other) = (database.connect().await, database.connect().await);
    holder.execute("SELECT pg_advisory_lock(1)").await;
    holder.execute("BEGIN; SELECT pg_advisory_unlock(1); ROLLBACK").await;
    assert!(says(&other, "SELECT pg_try_advisory_lock(1)").await);
}

#[tokio::test]
async fn a_transactions_lock_cannot_be_unlocked_early_and_ends_with_it() {
    let database = Server::shared().database();
    let (holder, other) = (database.connect().await, database.connect().await);
    holder.execute("BEGIN; SELECT pg_advisory_xact_lock(1)").await;
    assert!(!says(&holder, "SELECT pg_advisory_unlock(1)").await);
    holder.execute("SELECT pg_advisory_unlock_all()").await;
    assert!(!says(&other, "SELECT pg_try_advisory_lock(1)").await);
    holder.execute("COMMIT").await;
    assert!(says(&other, "SELECT pg_try_advisory_lock(1)").await);
}

#[tokio::test]
async fn a_transactions_lock_outlives_the_savepoint_that_is_kept_and_no_other() {
    let database = Server::shared().database();
    let (holder, other) = (database.connect().await, database.connect().await);
    holder.execute("BEGIN; SAVEPOINT kept; SELECT pg_advisory_xact_lock(1); RELEASE kept").await;
    holder.execute("SAVEPOINT undone; SELECT pg_advisory_xact_lock(2); ROLLBACK TO undone").await;
    assert!(!says(&other, "SELECT pg_try_advisory_lock(1)").await);
    assert!(says(&other, "SELECT pg_try_advisory_lock(2)").await);
}

#[tokio::test]
async fn discarding_all_frees_all() {
    let database = Server::shared().database();
    let holder = database.connect().await;
    let take = "SELECT pg_advisory_lock(1), pg_advisory_lock(1), pg_advisory_lock_shared(2, 3)";
    holder.execute(take).await;
    assert_eq!(holder.ask(HELD).await.as_deref(), Some("2"));
    holder.execute("DISCARD ALL").await;
    assert_eq!(holder.ask(HELD).await.as_deref(), Some("0"));
}

/// A server of its own, since its lock table is filled.
#[tokio::test]
async fn a_full_lock_table_is_an_error_and_what_was_taken_before_stays() {
    let server = Private::new();
    let database = server.database();
    let holder = database.connect().await;
    holder.execute("SELECT pg_advisory_lock(-1)").await;
    let take = "SELECT pg_try_advisory_lock(key) FROM generate_series(1, 10000000) key";
    assert_eq!(execute(&holder, take).await, Err("53200".into()));
    assert!(says(&holder, "SELECT pg_advisory_unlock(-1)").await);
    assert!(says(&holder, "SELECT pg_advisory_unlock(1)").await);
    holder.execute("SELECT pg_advisory_unlock_all()").await;
    assert_eq!(holder.ask(HELD).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_standby_has_locks_of_its_own() {
    let primary = Private::new();
    let database = primary.database();
    let standby = primary.standby();
    standby.follow(&primary);
    let (one, other) = (database.connect().await, standby.replica_of(&database).connect().await);
    assert!(says(&one, "SELECT pg_try_advisory_lock(1)").await);
    assert!(says(&other, "SELECT pg_try_advisory_lock(1)").await);
}
