//! Reading rows without acquiring anything.

use pglock_core::Table;
use pglock_tests::{Private, Server};

use crate::actor::{Locks, acquire};

#[tokio::test]
async fn an_unknown_name_has_no_row() {
    assert_eq!(Locks::new().await.actor().await.read("nobody").await, None);
}

#[tokio::test]
async fn a_list_is_sorted_by_bytes_and_begins_with_the_prefix_as_it_stands() {
    let actor = Locks::new().await.actor().await;
    let mut names = ["a", "a%", "a_", "a\\", "ab", "aB", "A", "a ", "a'", "äb", "b", "%", "🔒a"];
    for (number, name) in (0..).zip(names) {
        actor.take(name, number).await;
    }
    names.sort_unstable();
    for prefix in ["", "a", "a%", "%", "_", "a_", "a\\", "a'", "A", "a ", "ä", "🔒", "zz"] {
        let wanted: Vec<_> = names.iter().filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(actor.list(prefix).await.iter().collect::<Vec<_>>(), wanted, "{prefix:?}");
    }
}

/// Go clients may have written what no name of this library is, and no owner at all.
#[tokio::test]
async fn rows_of_other_clients_can_be_read() {
    let actor = Locks::new().await.actor().await;
    actor
        .session
        .execute("INSERT INTO locks (name, record_version_number, owner) VALUES ('', 7, NULL)")
        .await;
    assert_eq!(actor.list("").await, [""]);
}

#[tokio::test]
async fn a_standby_can_be_read_and_grants_nothing() {
    let primary = Private::new();
    let locks = Locks::on(primary.database()).await;
    let standby = primary.standby();
    let token = locks.actor().await.take("a", 1).await;
    standby.follow(&primary);
    let replica = locks.as_actor(standby.replica_of(&locks.database).connect().await);
    assert_eq!(replica.read("a").await.unwrap().token, Some(token));
    assert_eq!(replica.list("").await, ["a"]);
    let error = replica.acquire(acquire("b", 2)).await.unwrap_err();
    assert_eq!(error.sqlstate.as_str(), "25006");
}

#[tokio::test]
async fn a_table_that_is_not_there_is_an_error_that_says_so() {
    let locks = Locks::without_table(Server::shared().database(), &Table::default());
    let error = locks.actor().await.acquire(acquire("a", 1)).await.unwrap_err();
    assert_eq!(error.sqlstate.as_str(), "42P01");
}

/// In whatever order the locale sorts, the list goes by bytes.
#[tokio::test]
async fn the_locale_does_not_sort_the_list() {
    let database = Server::shared().database();
    let session = database.connect().await;
    let icu = "SELECT count(*) FROM pg_collation WHERE collname = 'en-x-icu'";
    let collation = match session.ask(icu).await.as_deref() {
        Some("0") => "ucs_basic",
        _ => "en-x-icu",
    };
    let locks = Locks::on(database).await;
    let actor = locks.actor().await;
    let alter =
        format!("ALTER TABLE locks ALTER COLUMN name TYPE varchar(255) COLLATE \"{collation}\"");
    actor.session.execute(&alter).await;
    for (number, name) in (0..).zip(["b", "A", "a", "B"]) {
        actor.take(name, number).await;
    }
    assert_eq!(actor.list("").await, ["A", "B", "a", "b"]);
}
