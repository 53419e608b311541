//! A server that has no connection left to give.

use pglock_driver::Error;
use pglock_tests::{Database, Private, eventually};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};
use url::Url;

use crate::adapter::{Adapter, Stranger, ms, options, run};

const CONNECTIONS: usize = 6;

/// Each of two has one from the beginning, and one of them one for its lock.
const HANDLES_HAVE: usize = 3;

/// A server of its own, since the role is the whole server's; it serves all adapters but that for sqlx, which tries again
/// by itself while a server is full.
#[test]
fn without_a_connection_locks_are_waited_for_and_tries_are_told_why() {
    run(async {
        let server = Private::new();
        let database = server.database();
        database.execute(&format!("CREATE ROLE few LOGIN CONNECTION LIMIT {CONNECTIONS}"));
        let says_why = |adapter: &Adapter| !matches!(adapter, Adapter::Sqlx);
        for adapter in Adapter::ALL.into_iter().filter(says_why) {
            shortage(adapter, &database).await;
        }
    });
}

async fn shortage(adapter: Adapter, database: &Database) {
    let mut url = Url::parse(database.url()).unwrap();
    url.set_username("few").unwrap();
    let open = async || adapter.locks_at(options().patience(ms(500)), url.as_str()).await;
    let (locks, others) = (open().await, open().await);
    let lock = locks.acquire("a").await;
    let taken = all_that_are_left(url.as_str()).await;

    let refused = others.advisory("b").try_acquire().await.unwrap_err();
    assert_eq!(refused.sqlstate().map(|code| code.to_string()).as_deref(), Some("53300"));
    let late = locks.advisory("b").in_line().acquire_within(ms(500)).await.unwrap_err();
    assert_eq!(late, Error::TimedOut(None));
    assert!(locks.finds_free("b").await && lock.is_held(), "one connection serves many locks");

    let requests = [others.advisory("b"), locks.advisory("c").in_line()];
    let waiting = requests.map(|request| tokio::spawn(async move { request.acquire().await }));
    drop(taken);
    for waiting in waiting {
        waiting.await.unwrap().unwrap().free().await;
    }
    lock.free().await;
    Stranger::of(database).await.sees(0).await;
    locks.shut_down().await;
    others.shut_down().await;
}

/// Takes connections until the server gives no more. Some may only just be on their way out.
async fn all_that_are_left(url: &str) -> Vec<Client> {
    let mut taken = Vec::new();
    eventually("no connection is left", async || match tokio_postgres::connect(url, NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            taken.push(client);
            false
        }
        Err(refused) => {
            assert_eq!(refused.code().map(SqlState::code), Some("53300"), "{refused}");
            taken.len() + HANDLES_HAVE == CONNECTIONS
        }
    })
    .await;
    taken
}
