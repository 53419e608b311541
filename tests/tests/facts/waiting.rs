//! What a statement does again once the row it waited for has changed.

use crate::rig::{behind, execute, number, numbers};

const CHANGE: &str = "BEGIN; UPDATE numbers SET number = 1 WHERE name = 'a'";

#[tokio::test]
async fn a_predicate_in_the_where_clause_is_checked_again_after_the_wait() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let swap = "UPDATE numbers SET number = 2 WHERE name = 'a' AND number = 0";
    assert_eq!(behind(&first, "", &second, swap).await, Ok(0));
    assert_eq!(number(&first, "a").await, 1);
}

#[tokio::test]
async fn the_same_predicate_in_a_subselect_is_not() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let swap = "UPDATE numbers SET number = 2 \
                WHERE name = (SELECT name FROM numbers WHERE name = 'a' AND number = 0)";
    assert_eq!(behind(&first, "", &second, swap).await, Ok(1));
    assert_eq!(number(&first, "a").await, 2);
}

#[tokio::test]
async fn the_same_predicate_in_a_common_table_expression_is_not() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let swap = "WITH seen AS (SELECT name FROM numbers WHERE name = 'a' AND number = 0) \
                UPDATE numbers SET number = 2 FROM seen WHERE numbers.name = seen.name";
    assert_eq!(behind(&first, "", &second, swap).await, Ok(1));
    assert_eq!(number(&first, "a").await, 2);
}

#[tokio::test]
async fn the_condition_of_an_upsert_is_checked_after_the_wait() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let swap = "INSERT INTO numbers AS n VALUES ('a', 2) \
                ON CONFLICT (name) DO UPDATE SET number = 2 WHERE n.number = 0";
    assert_eq!(behind(&first, "", &second, swap).await, Ok(0));
    assert_eq!(number(&first, "a").await, 1);
}

#[tokio::test]
async fn nextval_in_set_is_evaluated_again_after_the_wait() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let draw = "UPDATE numbers SET number = nextval('drawn') WHERE name = 'a'";
    assert_eq!(behind(&first, "SELECT nextval('drawn')", &second, draw).await, Ok(1));
    assert_eq!(number(&first, "a").await, 3, "drawn before the wait, meanwhile, and after it");
}

#[tokio::test]
async fn nextval_in_the_set_of_an_upsert_is_evaluated_only_after_the_wait() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let draw = "INSERT INTO numbers VALUES ('a', 0) \
                ON CONFLICT (name) DO UPDATE SET number = nextval('drawn')";
    assert_eq!(behind(&first, "SELECT nextval('drawn')", &second, draw).await, Ok(1));
    assert_eq!(number(&first, "a").await, 2, "drawn meanwhile, and after the wait");
}

/// An older number comes after a newer one.
#[tokio::test]
async fn nextval_in_values_is_not() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let draw = "INSERT INTO numbers VALUES ('a', nextval('drawn')) \
                ON CONFLICT (name) DO UPDATE SET number = EXCLUDED.number";
    let meanwhile = "UPDATE numbers SET number = nextval('drawn') WHERE name = 'a'";
    assert_eq!(behind(&first, meanwhile, &second, draw).await, Ok(1));
    assert_eq!(number(&first, "a").await, 1, "2 was drawn later, and committed earlier");
}

#[tokio::test]
async fn stricter_isolation_turns_losing_into_40001() {
    for isolation in ["repeatable read", "serializable"] {
        let database = numbers();
        let (first, second) = (database.connect().await, database.connect().await);
        second.execute(&format!("SET default_transaction_isolation = '{isolation}'")).await;
        first.execute(CHANGE).await;
        let swap = "UPDATE numbers SET number = 2 WHERE name = 'a' AND number = 0";
        assert_eq!(behind(&first, "", &second, swap).await, Err("40001".into()), "{isolation}");
    }
}

#[tokio::test]
async fn a_statement_about_many_rows_leaves_out_the_stale_one_and_commits_the_others() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let swap = "UPDATE numbers SET number = 2 WHERE name IN ('a', 'b') AND number = 0";
    assert_eq!(behind(&first, "", &second, swap).await, Ok(1));
    assert_eq!((number(&first, "a").await, number(&first, "b").await), (1, 2));
}

#[tokio::test]
async fn a_row_that_is_inserted_meanwhile_is_waited_for_by_who_inserts_it_and_unseen_by_others() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute("BEGIN; INSERT INTO numbers VALUES ('c', 1)").await;
    assert_eq!(execute(&second, "UPDATE numbers SET number = 2 WHERE name = 'c'").await, Ok(0));
    let insert = "INSERT INTO numbers VALUES ('c', 2) ON CONFLICT (name) DO NOTHING";
    assert_eq!(behind(&first, "", &second, insert).await, Ok(0));
    assert_eq!(number(&first, "c").await, 1);
}

#[tokio::test]
async fn a_row_that_is_locked_can_be_skipped() {
    let database = numbers();
    let (first, second) = (database.connect().await, database.connect().await);
    first.execute(CHANGE).await;
    let swap = "UPDATE numbers SET number = 2 WHERE name IN \
                (SELECT name FROM numbers WHERE number = 0 FOR UPDATE SKIP LOCKED)";
    assert_eq!(execute(&second, swap).await, Ok(1));
    first.execute("COMMIT").await;
    assert_eq!((number(&first, "a").await, number(&first, "b").await), (1, 2));
}
