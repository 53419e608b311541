//! What a refusal costs, by how it is written. A new page would bring an image of itself, so each is measured
//! after a first one.

use pglock_tests::Session;

use crate::rig::{execute, numbers};

const SELECT: &str = "SELECT number FROM numbers WHERE name = 'a' AND number = 7";
const GUARDED: &str = "INSERT INTO numbers AS n VALUES ('a', 1) \
                       ON CONFLICT (name) DO UPDATE SET number = 1 WHERE n.number = 7";
const CASE: &str = "INSERT INTO numbers AS n VALUES ('a', 1) \
                    ON CONFLICT (name) DO UPDATE SET number = CASE WHEN n.number = 7 THEN 1 ELSE n.number END";

/// Bytes of the write-ahead log, and whether the row was written anew.
async fn cost(statement: &str) -> (u64, bool) {
    let session = numbers().connect().await;
    execute(&session, statement).await.unwrap();
    let before = place(&session).await;
    let bytes = wal(&session, statement).await;
    (bytes, place(&session).await != before)
}

async fn place(session: &Session) -> Option<String> {
    session.ask("SELECT ctid FROM numbers WHERE name = 'a'").await
}

async fn wal(session: &Session, statement: &str) -> u64 {
    let explain = format!("EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, FORMAT JSON) {statement}");
    let plan = session.ask(&explain).await.unwrap();
    let (_, bytes) = plan.split_once("\"WAL Bytes\": ").expect("bytes of the log");
    let digits: String = bytes.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test]
async fn a_select_that_refuses_writes_no_wal() {
    assert_eq!(cost(SELECT).await, (0, false));
}

#[tokio::test]
async fn an_upsert_that_refuses_by_its_condition_locks_the_row_and_so_writes() {
    let (bytes, anew) = cost(GUARDED).await;
    assert!(bytes > 0 && !anew, "{bytes} {anew}");
}

#[tokio::test]
async fn an_upsert_that_refuses_by_writing_what_was_there_writes_the_row() {
    let (bytes, anew) = cost(CASE).await;
    let (guarded, _) = cost(GUARDED).await;
    assert!(bytes > guarded && anew, "{bytes} {guarded} {anew}");
}
