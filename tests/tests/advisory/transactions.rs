//! Locks of the user's own transaction.

use pglock_driver::{AdvisoryKey, AdvisoryPlace, Error};
use pglock_tests::{Database, Server, Session};

use crate::adapter::{Adapter, Transaction};

over_all_adapters! {
    it_excludes_a_session_and_the_reverse,
    it_ends_with_a_commit_and_with_a_rollback,
    shared_locks_go_together_and_with_no_exclusive_one,
    whoever_waits_gets_it_in_turn,
    it_ends_early_only_with_a_savepoint_from_before_it,
    a_deadlock_is_an_error_of_one_of_the_two,
    a_time_out_and_a_cancellation_are_errors,
    a_lost_connection_is_an_error,
    each_key_stands_where_the_server_shows_it,
    it_changes_no_setting,
}

fn database() -> Database {
    Server::shared().database()
}

/// Tries to take a key by hand, and gives it back.
async fn is_free(session: &Session, arguments: &str) -> bool {
    let free = session.ask(&format!("SELECT pg_try_advisory_lock({arguments})")).await;
    if free.as_deref() == Some("t") {
        session.execute(&format!("SELECT pg_advisory_unlock({arguments})")).await;
    }
    free.as_deref() == Some("t")
}

fn code(refused: &Error) -> String {
    assert!(matches!(refused, Error::Failed(_)), "{refused:?}");
    refused.sqlstate().unwrap_or_else(|| panic!("{refused:?}")).as_str().into()
}

async fn it_excludes_a_session_and_the_reverse(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    let transaction = adapter.begin(database.url()).await;
    session.execute("SELECT pg_advisory_lock(7)").await;
    assert_eq!(transaction.try_lock(7).await, Ok(false));
    assert_eq!(transaction.try_lock_shared(7).await, Ok(false));
    session.execute("SELECT pg_advisory_unlock(7)").await;
    assert_eq!(transaction.try_lock(7).await, Ok(true));
    assert!(!is_free(&session, "7").await);
    assert_eq!(transaction.try_lock(7).await, Ok(true), "its own lock is not in its way");
}

async fn it_ends_with_a_commit_and_with_a_rollback(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    for commit in [true, false] {
        let transaction = adapter.begin(database.url()).await;
        transaction.lock("a").await.unwrap();
        let number = number_of("a");
        assert!(!is_free(&session, &number).await);
        if commit {
            transaction.commit().await
        } else {
            transaction.roll_back().await
        }
        assert!(is_free(&session, &number).await);
    }
}

fn number_of(name: &str) -> String {
    match AdvisoryKey::from(name).place() {
        AdvisoryPlace::Bigint(number) => format!("{number}::bigint"),
        AdvisoryPlace::Pair(..) => panic!("{name:?} is not mapped to a bigint"),
    }
}

async fn shared_locks_go_together_and_with_no_exclusive_one(adapter: Adapter) {
    let database = database();
    let (first, second) =
        (adapter.begin(database.url()).await, adapter.begin(database.url()).await);
    first.lock_shared((1, 2)).await.unwrap();
    assert_eq!(second.try_lock((1, 2)).await, Ok(false));
    second.lock_shared((1, 2)).await.unwrap();
    first.commit().await;
    let third = adapter.begin(database.url()).await;
    assert_eq!(third.try_lock((1, 2)).await, Ok(false));
    assert_eq!(third.try_lock_shared((1, 2)).await, Ok(true));
    second.commit().await;
    assert_eq!(third.try_lock((1, 2)).await, Ok(true), "nobody else has it any more");
}

async fn whoever_waits_gets_it_in_turn(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    session.execute("SELECT pg_advisory_lock(1)").await;
    let (first, second) =
        (adapter.begin(database.url()).await, adapter.begin(database.url()).await);
    let one = async {
        first.lock(1).await.unwrap();
        assert_eq!(second.pid, waits_behind(&session, first.pid).await);
        first.commit().await;
    };
    let other = async {
        first.blocked(&session).await;
        second.lock_shared(1).await.unwrap();
    };
    let end = async {
        first.blocked(&session).await;
        second.blocked(&session).await;
        session.execute("SELECT pg_advisory_unlock(1)").await;
    };
    tokio::join!(one, other, end);
}

/// Who waits for what the process holds.
async fn waits_behind(watcher: &Session, pid: i32) -> i32 {
    let query = "SELECT pid FROM pg_locks WHERE NOT granted AND $1 = ANY(pg_blocking_pids(pid))";
    watcher.client().query_one(query, &[&pid]).await.unwrap().get(0)
}

async fn it_ends_early_only_with_a_savepoint_from_before_it(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    let transaction = adapter.begin(database.url()).await;
    transaction.lock(1).await.unwrap();
    transaction.execute("SAVEPOINT undone").await;
    transaction.lock(2).await.unwrap();
    transaction.lock(1).await.unwrap();
    transaction.execute("ROLLBACK TO undone").await;
    assert!(!is_free(&session, "1").await, "it was taken before");
    assert!(is_free(&session, "2").await);
    transaction.execute("SAVEPOINT kept").await;
    transaction.lock(2).await.unwrap();
    transaction.execute("RELEASE kept").await;
    assert!(!is_free(&session, "2").await);
}

async fn a_deadlock_is_an_error_of_one_of_the_two(adapter: Adapter) {
    let database = database();
    database.set_default("deadlock_timeout", "10ms");
    let (first, second) =
        (adapter.begin(database.url()).await, adapter.begin(database.url()).await);
    first.lock(1).await.unwrap();
    second.lock(2).await.unwrap();
    let (one, other) = tokio::join!(lock_or_roll_back(first, 2), lock_or_roll_back(second, 1),);
    let victims: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
    assert_eq!(victims.iter().map(code).collect::<Vec<_>>(), ["40P01"]);
}

async fn lock_or_roll_back(transaction: Transaction, key: i64) -> Result<(), Error> {
    let taken = transaction.lock(key).await;
    transaction.roll_back().await;
    taken
}

async fn a_time_out_and_a_cancellation_are_errors(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    session.execute("SELECT pg_advisory_lock(1)").await;
    let transaction = adapter.begin(database.url()).await;
    transaction.execute("SAVEPOINT before; SET LOCAL lock_timeout = '1ms'").await;
    assert_eq!(code(&transaction.lock(1).await.unwrap_err()), "55P03");
    transaction.execute("ROLLBACK TO before").await;
    let (cancelled, ()) = tokio::join!(transaction.lock_shared(1), async {
        transaction.blocked(&session).await;
        session.execute(&format!("SELECT pg_cancel_backend({})", transaction.pid)).await;
    });
    assert_eq!(code(&cancelled.unwrap_err()), "57014");
    assert_eq!(code(&transaction.try_lock(2).await.unwrap_err()), "25P02", "it has failed");
    transaction.execute("ROLLBACK TO before").await;
    assert_eq!(transaction.try_lock(1).await, Ok(false));
}

async fn a_lost_connection_is_an_error(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    let transaction = adapter.begin(database.url()).await;
    transaction.lock(1).await.unwrap();
    session.execute(&format!("SELECT pg_terminate_backend({})", transaction.pid)).await;
    pglock_tests::eventually("the lock is free", async || is_free(&session, "1").await).await;
    let lost = transaction.try_lock(2).await.unwrap_err();
    assert!(matches!(lost, Error::Failed(_)), "{lost:?}");
}

async fn each_key_stands_where_the_server_shows_it(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    let keys: [(AdvisoryKey, String); 9] = [
        ("invoice-42".into(), number_of("invoice-42")),
        ("".into(), number_of("")),
        (0.into(), "0".into()),
        ((-1).into(), "-1".into()),
        (i64::MIN.into(), "'-9223372036854775808'::bigint".into()),
        (i64::MAX.into(), i64::MAX.to_string()),
        ((0, 1).into(), "0, 1".into()),
        ((-1, i32::MIN).into(), format!("-1, {}", i32::MIN)),
        ((i32::MAX, -2).into(), format!("{}, -2", i32::MAX)),
    ];
    for (key, arguments) in keys {
        let transaction = adapter.begin(database.url()).await;
        assert_eq!(transaction.try_lock(key.clone()).await, Ok(true));
        assert!(!is_free(&session, &arguments).await, "{key}");
        let taken = session.ask(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND \
             database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        assert_eq!(taken.await.as_deref(), Some("1"), "{key}");
        transaction.roll_back().await;
    }
}

async fn it_changes_no_setting(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    let transaction = adapter.begin(database.url()).await;
    transaction
        .execute("CREATE TEMPORARY TABLE before AS SELECT name, setting FROM pg_settings")
        .await;
    transaction.lock("a").await.unwrap();
    transaction.try_lock_shared((1, 2)).await.unwrap();
    transaction
        .execute(
            "CREATE TABLE changed AS SELECT name, setting FROM pg_settings EXCEPT TABLE before; \
             CREATE TABLE prepared AS SELECT name FROM pg_prepared_statements WHERE statement LIKE '%advisory%'",
        )
        .await;
    transaction.commit().await;
    for table in ["changed", "prepared"] {
        let rows = session.ask(&format!("SELECT string_agg(name, ' ') FROM {table}")).await;
        assert_eq!(rows, None, "{table}");
    }
}
