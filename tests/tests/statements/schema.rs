//! Making the table, upgrading one of the Go library, checking and dropping it.

use std::str::FromStr;

use pglock_core::{Row, Statement, Table, Value};
use pglock_tests::{Database, Server};

use crate::actor::{Locks, acquire, release, renewal};

/// As the Go library makes it.
const GO_TABLE: &str = "CREATE TABLE locks (name CHARACTER VARYING(255) PRIMARY KEY, record_version_number BIGINT, \
                        data BYTEA, owner CHARACTER VARYING(255)); \
                        CREATE SEQUENCE locks_rvn CYCLE OWNED BY locks.record_version_number";

fn locks_in(database: Database) -> Locks {
    Locks::without_table(database, &Table::default())
}

/// What a check answers, in words and sorted.
async fn check(locks: &Locks) -> Vec<String> {
    let rows = locks.actor().await.run(&Statement::CheckTable).await.unwrap();
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?} is no text"),
    };
    let words = |Row(values): &Row| values.iter().map(text).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<_> = rows.iter().map(|row| words(row).trim_end().to_owned()).collect();
    lines.sort();
    lines
}

pub(crate) const COMPLETE: [&str; 10] = [
    "column data bytea",
    "column fencing_token bigint",
    "column lease_ms bigint",
    "column name character varying(255)",
    "column owner character varying(255)",
    "column record_version_number bigint",
    "column waiters bigint[]",
    "key name",
    "sequence _rvn",
    "sequence _token",
];

#[tokio::test]
async fn a_table_is_made_and_can_be_made_again() {
    let locks = locks_in(Server::shared().database());
    assert_eq!(check(&locks).await, [""; 0]);
    for _ in 0..2 {
        locks.actor().await.create_table().await.unwrap();
        assert_eq!(check(&locks).await, COMPLETE);
    }
}

#[tokio::test]
async fn making_a_complete_table_again_waits_for_nobody() {
    let locks = Locks::new().await;
    let stranger = locks.database.connect().await;
    stranger.execute("BEGIN; LOCK TABLE locks; SELECT pg_advisory_lock(1)").await;
    let actor = locks.actor().await;
    actor.session.execute("SET lock_timeout = '10ms'").await;
    actor.create_table().await.unwrap();
}

#[tokio::test]
async fn two_hundred_clients_may_make_it_at_once() {
    let locks = locks_in(Server::shared().database());
    let mut makers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let actor = locks.actor().await;
        makers.spawn(async move { actor.create_table().await });
    }
    for made in makers.join_all().await {
        made.unwrap();
    }
    assert_eq!(check(&locks).await, COMPLETE);
}

#[tokio::test]
async fn a_table_of_the_go_library_is_upgraded_in_place() {
    let database = Server::shared().database();
    database.execute(GO_TABLE);
    database.execute("INSERT INTO locks VALUES ('go', nextval('locks_rvn'), 'data', 'go')");
    let locks = locks_in(database);
    let mut makers = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let actor = locks.actor().await;
        makers.spawn(async move { actor.create_table().await });
    }
    for made in makers.join_all().await {
        made.unwrap();
    }
    assert_eq!(check(&locks).await, COMPLETE);
    let actor = locks.actor().await;
    let row = actor.read("go").await.unwrap();
    assert_eq!(row.rvn.map(pglock_core::Rvn::as_i64), Some(1));
    assert_eq!((row.data.as_deref(), row.owner.as_deref()), (Some(&b"data"[..]), Some("go")));
    actor.take("ours", 1).await;
}

#[tokio::test]
async fn an_upgrade_gives_up_soon_when_somebody_uses_the_table() {
    let database = Server::shared().database();
    database.execute(GO_TABLE);
    let locks = locks_in(database);
    let go = locks.database.connect().await;
    go.execute("BEGIN; SELECT FROM locks").await;
    let error = locks.actor().await.create_table().await.unwrap_err();
    assert_eq!(error.sqlstate.as_str(), "55P03");
    go.execute("COMMIT").await;
    locks.actor().await.create_table().await.unwrap();
}

#[tokio::test]
async fn who_does_not_own_the_table_can_use_it_but_not_upgrade_it() {
    let database = Server::shared().database();
    database.execute(GO_TABLE);
    let role = format!("{}_user", database.name());
    database.execute(&format!(
        "CREATE ROLE {role}; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; \
         GRANT CREATE ON SCHEMA public TO {role}"
    ));
    let locks = locks_in(database);
    let user = locks.actor().await;
    user.session.execute(&format!("SET ROLE {role}")).await;
    assert_eq!(user.create_table().await.unwrap_err().sqlstate.as_str(), "42501");
    locks.actor().await.create_table().await.unwrap();
    locks.database.execute(&format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}"));
    user.create_table().await.unwrap();
    user.take("a", 1).await;
    user.session.execute("RESET ROLE").await;
    locks.database.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[tokio::test]
async fn tables_and_schemas_of_any_name_work() {
    let longest = "x".repeat(57);
    let names = [
        "plain",
        "Upper",
        "with space",
        "\"quote\"\"d\"",
        "it's",
        "back\\slash",
        "$pglock$",
        "select",
        "ключ",
        "\"a.b\"",
        "\"x\"\"; DROP TABLE y --\"",
        &longest,
        "Other.locks",
        "\"sch'ema\".\"ta\\ble\"",
    ];
    let database = Server::shared().database();
    database.execute("CREATE SCHEMA \"Other\"; CREATE SCHEMA \"sch'ema\"");
    let mut tables = Vec::new();
    for (number, name) in (0..).zip(names) {
        let sql = pglock_core::Sql::new(&Table::from_str(name).unwrap());
        tables.push((number, name, std::sync::Arc::new(sql)));
    }
    for (number, name, sql) in &tables {
        let actor = crate::actor::Actor::new(database.connect().await, sql);
        actor.create_table().await.unwrap();
        actor.create_table().await.unwrap();
        let rows = actor.run(&Statement::CheckTable).await.unwrap();
        assert_eq!(rows.len(), COMPLETE.len(), "{name}");
        actor.take("a", *number).await;
        let verdicts = actor.renew(vec![renewal("a", *number, 100 + number)]).await.unwrap();
        assert_eq!(verdicts[0].1, "renewed", "{name}");
    }
    for (number, name, sql) in &tables {
        let actor = crate::actor::Actor::new(database.connect().await, sql);
        assert_eq!(actor.list("").await, ["a"], "{name}");
        assert_eq!(actor.release(release("a", 100 + number)).await.unwrap(), Some(1), "{name}");
        actor.run(&Statement::DropTable).await.unwrap();
        assert_eq!(actor.run(&Statement::CheckTable).await.unwrap(), [], "{name}");
    }
}

#[tokio::test]
async fn dropping_leaves_nothing_and_can_be_done_again() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    for _ in 0..2 {
        actor.run(&Statement::DropTable).await.unwrap();
        let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'locks%'";
        assert_eq!(actor.session.ask(left).await.as_deref(), Some("0"));
    }
    assert_eq!(actor.acquire(acquire("a", 1)).await.unwrap_err().sqlstate.as_str(), "42P01");
}

/// Whoever clears away the table alone leaves the sequence of tokens, and no token comes twice.
#[tokio::test]
async fn tokens_grow_on_across_a_table_dropped_by_hand() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    let mut last = actor.take("a", 1).await;
    for number in 2..5 {
        locks.database.execute("DROP TABLE locks");
        actor.create_table().await.unwrap();
        assert_eq!(check(&locks).await, COMPLETE);
        let token = actor.take("a", number).await;
        assert!(token > last, "{token} after {last}");
        last = token;
    }
}

#[tokio::test]
async fn a_check_names_what_differs() {
    let database = Server::shared().database();
    database.execute("CREATE TABLE locks (name text, record_version_number integer)");
    database.execute("CREATE SEQUENCE locks_rvn; SELECT setval('locks_rvn', 4611686018427387904)");
    let found = check(&locks_in(database)).await;
    let wanted = [
        "column name text",
        "column record_version_number integer",
        "marked rvn 4611686018427387904",
        "sequence _rvn",
    ];
    assert_eq!(found, wanted);
}

/// The sequence of tokens is not the table's own: a dump of the table, or its move to another schema, leaves it
/// behind.
#[tokio::test]
async fn tokens_go_on_after_those_of_a_table_that_came_without_its_sequence() {
    let locks = Locks::new().await;
    let before = locks.actor().await;
    for number in 1..=5 {
        before.take("a", number).await;
        before.release(release("a", number)).await.unwrap();
    }
    locks.database.execute("DROP SEQUENCE locks_token");
    let actor = locks.actor().await;
    actor.create_table().await.unwrap();
    assert_eq!(actor.take("b", 6).await, 6);
}

/// As after a restore over a table whose sequence has drawn less.
#[tokio::test]
async fn a_row_that_has_seen_a_later_token_counts_too() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    locks.database.execute("INSERT INTO locks (name, fencing_token) VALUES ('a', 1000)");
    assert_eq!(actor.take("a", 1).await, 1001);
    assert_eq!(actor.take("b", 2).await, 2);
}

#[tokio::test]
async fn dropping_leaves_the_sequences_of_others_alone() {
    let database = Server::shared().database();
    database
        .execute("CREATE SCHEMA first; CREATE SCHEMA second; CREATE SEQUENCE first.locks_token");
    let locks = locks_in(database);
    let actor = locks.actor().await;
    actor.session.execute("SET search_path = second").await;
    actor.create_table().await.unwrap();
    actor.session.execute("SET search_path = first, second").await;
    for _ in 0..2 {
        actor.run(&Statement::DropTable).await.unwrap();
        let left = "SELECT string_agg(relnamespace::regnamespace || '.' || relname, ',') \
                    FROM pg_class WHERE relname LIKE 'locks%'";
        assert_eq!(actor.session.ask(left).await.as_deref(), Some("first.locks_token"));
    }
}

/// Two sequences for one table would let tokens go backwards from one role to another.
#[tokio::test]
async fn the_sequences_stand_beside_the_table_whatever_the_search_path() {
    let locks = locks_in(Server::shared().database());
    locks.database.execute(&format!("CREATE SCHEMA other; {GO_TABLE}"));
    let elsewhere = locks.actor().await;
    elsewhere.session.execute("SET search_path = other, public").await;
    elsewhere.create_table().await.unwrap();
    assert_eq!(elsewhere.session.ask("SHOW search_path").await.as_deref(), Some("other, public"));
    assert_eq!(check(&locks).await, COMPLETE);
    let token = elsewhere.take("a", 1).await;
    elsewhere.release(release("a", 1)).await.unwrap();
    assert!(locks.actor().await.take("a", 2).await > token);

    elsewhere.session.execute("CREATE SEQUENCE other.locks_token").await;
    let rows = elsewhere.run(&Statement::CheckTable).await.unwrap();
    let sequence = |Row(values): &Row| values.get(1) == Some(&Value::Text("_token".into()));
    assert!(!rows.iter().any(sequence), "another sequence comes first: {rows:?}");
}
