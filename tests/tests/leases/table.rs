//! Making the table, under any name, and living without it.

use std::sync::Arc;

use pglock_driver::{Error, TableError};

use crate::adapter::{Adapter, database, ms, options};
use crate::crowd;

over_all_adapters! {
    connecting_creates_the_table,
    creating_the_table_again_changes_nothing,
    a_dropped_table_can_be_created_again,
    a_table_can_be_called_anything,
    a_table_that_cannot_be_called_so_is_refused,
    tables_are_apart,
    a_missing_table_is_told_when_connecting,
    a_missing_table_is_told_by_every_ask,
    a_missing_schema_is_told,
}

over_each_driver! {
    two_hundred_clients_create_the_table_at_once,
}

async fn connecting_creates_the_table(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    assert_eq!(session.ask("SELECT to_regclass('locks')").await, None);
    let locks = adapter.locks(&database).await;
    assert_eq!(locks.check_table().await.unwrap().problems, []);
    assert_eq!(session.ask("SELECT count(*) FROM locks").await.as_deref(), Some("0"));
    assert!(session.ask("SELECT to_regclass('locks_rvn')").await.is_some());
    assert!(session.ask("SELECT to_regclass('locks_token')").await.is_some());
}

async fn creating_the_table_again_changes_nothing(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").data(b"one").acquire().await.unwrap();
    let before = locks.list("").await.unwrap();
    for _ in 0..3 {
        locks.create_table().await.unwrap();
        adapter.locks(&database).await;
    }
    assert_eq!(locks.list("").await.unwrap(), before);
    assert!(lock.release().await.unwrap().confirmed);
}

async fn a_dropped_table_can_be_created_again(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    locks.acquire("a").await.unwrap().release().await.unwrap();
    locks.drop_table().await.unwrap();
    let session = database.connect().await;
    let left = "SELECT count(*) FROM pg_class WHERE relname LIKE 'locks%'";
    assert_eq!(session.ask(left).await.as_deref(), Some("0"));
    locks.drop_table().await.expect("nothing to do");
    let report = locks.check_table().await.unwrap();
    assert_eq!(report.problems[0].what, "there is no table \"locks\"");
    locks.create_table().await.unwrap();
    assert_eq!(locks.check_table().await.unwrap().problems, []);
    assert!(locks.try_acquire("a").await.unwrap().is_some());
}

async fn a_table_can_be_called_anything(adapter: Adapter) {
    let database = database();
    database.execute("CREATE SCHEMA app; CREATE SCHEMA \"My.\"\"Schema\"");
    let long = "x".repeat(57);
    let strange = "\"My.\"\"Schema\".\"a.b$pglock$'; \\ DROP TABLE locks -- ключ\"";
    for table in ["jobs", "Jobs", "app.locks", strange, &long, "select", "a b", "ключ"] {
        let locks = adapter.locks_with(options().table(table), &database).await;
        assert_eq!(locks.check_table().await.unwrap().problems, [], "{table}");
        let lock = locks.request("a").data(b"one").acquire().await.unwrap();
        lock.heartbeat().await.unwrap();
        lock.set_data(b"two").await.unwrap();
        assert!(locks.try_acquire("a").await.unwrap().is_none());
        assert_eq!(locks.list("").await.unwrap().len(), 1);
        assert!(lock.release().await.unwrap().confirmed);
        locks.create_table().await.unwrap();
        locks.drop_table().await.unwrap();
        assert_ne!(locks.check_table().await.unwrap().problems, [], "{table}");
    }
    let session = database.connect().await;
    let left = "SELECT count(*) FROM pg_class WHERE relnamespace NOT IN \
                ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)";
    assert_eq!(session.ask(left).await.as_deref(), Some("0"));
}

async fn a_table_that_cannot_be_called_so_is_refused(adapter: Adapter) {
    let database = database();
    let long = "x".repeat(58);
    let refused = [
        ("", TableError::Empty),
        ("a\0", TableError::Nul),
        ("a.b.c", TableError::TooManyParts),
        (&long, TableError::TooLong { bytes: 58 }),
    ];
    for (table, reason) in refused {
        let refusal = adapter.open(options().table(table), database.url()).await.unwrap_err();
        assert_eq!(refusal, Error::TableName(reason));
    }
}

async fn tables_are_apart(adapter: Adapter) {
    let database = database();
    let mut held = Vec::new();
    for table in ["locks", "jobs", "Jobs"] {
        let locks = adapter.locks_with(options().table(table), &database).await;
        held.push(locks.try_acquire("a").await.unwrap().expect("a free lock"));
    }
    assert!(held.iter().all(|lock| lock.is_held()));
}

async fn a_missing_table_is_told_when_connecting(adapter: Adapter) {
    let database = database();
    let without = options().create_table(false);
    let missing = adapter.open(without.clone(), database.url()).await.unwrap_err();
    let Error::Table(report) = &missing else { panic!("{missing:?}") };
    let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
    assert!(!report.exists);
    assert_eq!(problem.what, "there is no table \"locks\"");
    assert!(missing.to_string().contains("create the table"), "{missing}");
    database.execute(&problem.mend);
    drop(adapter.open(without.clone(), database.url()).await.expect("a table made as told"));

    database.execute("DROP SEQUENCE locks_token");
    let missing = adapter.open(without.clone(), database.url()).await.unwrap_err();
    let Error::Table(report) = &missing else { panic!("{missing:?}") };
    let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
    assert!(report.exists);
    assert!(problem.what.contains("\"locks_token\" is missing"), "{problem}");
    assert!(missing.to_string().contains(&problem.mend), "{missing}");
    database.execute(&problem.mend);
    let locks = adapter.open(without, database.url()).await.unwrap();
    assert!(locks.try_acquire("a").await.unwrap().is_some());
}

async fn a_missing_table_is_told_by_every_ask(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    database.execute("DROP TABLE locks");
    let errors = [
        locks.acquire("a").await.map(drop),
        locks.try_acquire("a").await.map(drop),
        locks.probe("a").await.map(drop),
        locks.acquire_within("a", ms(60_000)).await.map(drop),
        locks.get("a").await.map(drop),
        locks.list("").await.map(drop),
    ];
    for error in errors.map(Result::unwrap_err) {
        assert_eq!(error.sqlstate().unwrap().as_str(), "42P01");
        assert!(error.to_string().contains("create the lock table first"), "{error}");
    }
}

async fn a_missing_schema_is_told(adapter: Adapter) {
    let database = database();
    let table = options().table("nowhere.locks");
    let error = adapter.open(table, database.url()).await.unwrap_err();
    assert_eq!(error.sqlstate().unwrap().as_str(), "3F000", "{error:?}");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

async fn two_hundred_clients_create_the_table_at_once(adapter: Adapter) {
    let _turn = crowd::turn().await;
    let database = Arc::new(database());
    let mut starting = Vec::new();
    for client in 0..200 {
        let database = Arc::clone(&database);
        starting.push(tokio::spawn(async move {
            let options =
                options().work_sessions(1).patience(ms(60_000)).connect_deadline(ms(120_000));
            let locks = adapter.locks_with(options, &database).await;
            let lock = locks.acquire(&format!("{client}")).await.unwrap();
            assert!(lock.release().await.unwrap().confirmed);
            locks.shut_down().await;
        }));
    }
    for start in starting {
        start.await.unwrap();
    }
    assert_eq!(adapter.locks(&database).await.list("").await.unwrap().len(), 200);
}
