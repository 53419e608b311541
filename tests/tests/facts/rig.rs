//! A table of numbers, and sessions that wait for each other.

use pglock_tests::{Database, Server, Session};

/// A table `numbers` with the rows a and b, both 0, and a sequence `drawn`.
pub(crate) fn numbers() -> Database {
    let database = Server::shared().database();
    database.execute(
        "CREATE TABLE numbers (name text PRIMARY KEY, number bigint); CREATE SEQUENCE drawn; \
         INSERT INTO numbers VALUES ('a', 0), ('b', 0)",
    );
    database
}

/// Runs a statement of `second` that has to wait for `first`, does `meanwhile`, and commits what `first` has
/// begun. How many rows were changed, or the error's code.
pub(crate) async fn behind(
    first: &Session,
    meanwhile: &str,
    second: &Session,
    statement: &str,
) -> Result<u64, String> {
    let (changed, ()) = tokio::join!(execute(second, statement), async {
        second.blocked(first).await;
        first.execute(meanwhile).await;
        first.execute("COMMIT").await;
    });
    changed
}

/// How many rows a statement changed, or the error's code.
pub(crate) async fn execute(session: &Session, statement: &str) -> Result<u64, String> {
    session.client().execute(statement, &[]).await.map_err(|error| code(&error))
}

/// The number that stands in a row.
pub(crate) async fn number(session: &Session, name: &str) -> i64 {
    let query = "SELECT number FROM numbers WHERE name = $1";
    session.client().query_one(query, &[&name]).await.unwrap().get(0)
}

pub(crate) fn code(error: &tokio_postgres::Error) -> String {
    error.code().unwrap_or_else(|| panic!("{error}")).code().into()
}

/// The answer of a function that tells whether it did something.
pub(crate) async fn says(session: &Session, query: &str) -> bool {
    session.client().query_one(query, &[]).await.unwrap().get(0)
}
