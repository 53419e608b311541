//! Names that look like SQL, on a real server: it reads them as they are meant, and so does the tokenizer that
//! the fuzz target `identifiers` trusts in.

use std::sync::Arc;

use pglock_core::{Owner, Sql, Statement, Table};
use pglock_fuzz::lexer::{Strings, Token, tokens};
use pglock_tests::{Database, Server, Session};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use tokio_postgres::SimpleQueryMessage;

use crate::actor::{Actor, acquire, with_data};
use crate::schema::COMPLETE;

/// What statements are made of, and what quotes, comments and escapes begin and end with.
const NASTY: [&str; 28] = [
    "\"",
    "\"\"",
    "'",
    "''",
    "\\",
    "\\\\",
    "$",
    "$$",
    "$pglock",
    "$pglock_$",
    ".",
    ";",
    "--",
    "/*",
    "*/",
    "\n",
    "\t",
    " ",
    "a",
    "A",
    "E'",
    "U&\"",
    "%",
    "{",
    "_",
    "é",
    "🔒",
    "DROP",
];

/// One to six of them, which is as long as the name of a table may be.
fn nasty() -> impl Strategy<Value = String> {
    vec(prop::sample::select(NASTY.to_vec()), 1..=6).prop_map(|pieces| pieces.concat())
}

/// Runs a check with random values; a value for which it fails is made small and told.
fn for_any<S: Strategy>(cases: u32, values: &S, mut check: impl AsyncFnMut(S::Value)) {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let check = std::cell::RefCell::new(&mut check);
    let result = TestRunner::new(config).run(values, |value| {
        runtime.block_on((check.borrow_mut())(value));
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, _)) => panic!("{reason}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

async fn session(database: &Database, strings: Strings) -> Session {
    let session = database.connect().await;
    if strings == Strings::Escaping {
        session.execute("SET standard_conforming_strings = off; SET backslash_quote = off").await;
    }
    session
}

fn strings() -> impl Strategy<Value = Strings> {
    prop::sample::select(vec![Strings::Conforming, Strings::Escaping])
}

#[test]
fn whatever_a_table_and_a_lock_are_called_they_are_called_so() {
    let database = Server::shared().database();
    let names = (nasty(), prop::option::of(nasty()), nasty(), strings());
    for_any(40, &names, async |(table, schema, lock, strings)| {
        println!("table {table:?}, schema {schema:?}, lock {lock:?}, {strings:?}");
        let session = session(&database, strings).await;
        if let Some(schema) = &schema {
            let create = "SELECT format('CREATE SCHEMA IF NOT EXISTS %I', $1::text)";
            let row = session.client().query_one(create, &[schema]).await.unwrap();
            session.execute(row.get(0)).await;
        }
        let named = Table::new(&table).unwrap();
        let named = match &schema {
            Some(schema) => named.in_schema(schema).unwrap(),
            None => named,
        };
        let actor = Actor::new(session, &Arc::new(Sql::new(&named)));
        serves(&actor, &lock).await;
        let schema = schema.unwrap_or_else(|| "public".into());
        let made = [table.clone(), format!("{table}_rvn"), format!("{table}_token")];
        assert_eq!(relations(&actor, &schema).await, made);
        actor.run(&Statement::DropTable).await.unwrap();
        assert_eq!(relations(&actor, &schema).await, [""; 0]);
    });
}

/// The table is made and checked, and everything in the row comes back as it went in.
async fn serves(actor: &Actor, lock: &str) {
    for _ in 0..2 {
        actor.create_table().await.unwrap();
    }
    assert_eq!(actor.run(&Statement::CheckTable).await.unwrap().len(), COMPLETE.len());
    let mut first = acquire(lock, 1);
    first.owner = Owner::new(lock).unwrap();
    first.content = with_data(lock.as_bytes(), true);
    let granted = actor.acquire(first.clone()).await.unwrap().granted();
    let token = match granted {
        Some(token) => token,
        None => actor.acquire(first).await.unwrap().granted().expect("a grant"),
    };
    let row = actor.read(lock).await.expect("a row");
    assert_eq!((row.owner.as_deref(), row.token), (Some(lock), Some(token)));
    assert_eq!(row.data.as_deref(), Some(lock.as_bytes()));
    assert_eq!(actor.list(lock).await, [lock]);
}

/// The tables and sequences in a schema, as the server calls them.
async fn relations(actor: &Actor, schema: &str) -> Vec<String> {
    let query = "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'S') \
                 AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) \
                 ORDER BY relname COLLATE \"C\"";
    let rows = actor.session.client().query(query, &[&schema]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Between quotes of one kind and before some of the other.
fn soup() -> impl Strategy<Value = String> {
    let quoted =
        |quote: &'static str| nasty().prop_map(move |text| format!("{quote}{text}{quote}"));
    (prop::sample::select(vec!["", "E"]), quoted("'"), prop::option::of(quoted("\"")))
        .prop_map(|(e, text, name)| format!("{e}{text}\n{}", name.unwrap_or_default()))
}

#[test]
fn the_server_reads_what_the_tokenizer_reads() {
    let database = Server::shared().database();
    let mut seen = [0, 0];
    for_any(1_000, &(soup(), strings()), async |(soup, strings)| {
        let (text, name) = match tokens(&soup, strings).as_deref() {
            Ok([Token::Text(text)]) => (text.clone(), None),
            Ok([Token::Text(text), Token::Identifier(name)]) => (text.clone(), Some(name.clone())),
            Ok(_) | Err(_) => return,
        };
        let session = session(&database, strings).await;
        let answer = session.client().simple_query(&format!("SELECT {soup}")).await;
        let answer = answer.unwrap_or_else(|error| panic!("{soup} is no value: {error:?}"));
        let row = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let row = row.expect("a row");
        assert_eq!(row.get(0), Some(text.as_str()), "{soup}, {strings:?}");
        if let Some(name) = &name {
            assert_eq!(row.columns()[0].name(), name, "{soup}, {strings:?}");
        }
        seen[usize::from(name.is_some())] += 1;
    });
    assert!(seen.iter().all(|seen| *seen > 10), "too few were values: {seen:?}");
}
