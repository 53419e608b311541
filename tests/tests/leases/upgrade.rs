//! A table that the Go library cirello.io/pglock has made becomes fit for use in place.

use pglock_driver::Error;
use pglock_tests::{Database, eventually};
use tokio::time::timeout;
use url::Url;

use crate::adapter::{Adapter, database, ms, options};

over_all_adapters! {
    a_table_of_the_go_library_is_upgraded_in_place,
    an_upgrade_waits_for_whoever_uses_the_table,
    a_client_that_does_not_own_the_table_is_told_so,
    a_table_that_cannot_be_mended_in_passing_is_refused,
    an_owner_who_mends_the_sequence_by_hand_does_not_turn_tokens_back,
    a_client_that_owns_nothing_uses_a_table_that_is_fit,
}

/// What the Go library makes, with a lock that is held and one that is not.
const GO: &str = "
    CREATE TABLE locks (name varchar(255) PRIMARY KEY, record_version_number bigint, data bytea,
        owner varchar(255));
    CREATE SEQUENCE locks_rvn CYCLE OWNED BY locks.record_version_number;
    INSERT INTO locks VALUES
        ('held', nextval('locks_rvn'), 'theirs', 'gopher'), ('free', NULL, 'kept', 'gopher');";

async fn a_table_of_the_go_library_is_upgraded_in_place(adapter: Adapter) {
    let database = database();
    database.execute(GO);
    let refused = adapter.open(options().create_table(false), database.url()).await.unwrap_err();
    assert!(matches!(&refused, Error::Table(_)), "{refused:?}");
    assert!(refused.to_string().contains("ADD COLUMN fencing_token bigint"), "{refused}");

    let locks = adapter.locks(&database).await;
    assert_eq!(locks.check_table().await.unwrap().problems, []);
    let held = locks.get("held").await.unwrap().unwrap();
    assert_eq!(held.rvn.unwrap().as_i64(), 1);
    assert_eq!(held.owner.as_deref(), Some("gopher"));
    assert!(locks.try_acquire("held").await.unwrap().is_none(), "their lock counts");
    let lock = locks.acquire("free").await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"kept"[..]));
    assert!(lock.release().await.unwrap().confirmed);
    database
        .execute("SELECT nextval('locks_rvn'); INSERT INTO locks VALUES ('go', 3, '', 'gopher')");
}

async fn an_upgrade_waits_for_whoever_uses_the_table(adapter: Adapter) {
    let database = database();
    database.execute(GO);
    let user = database.connect().await;
    user.execute("BEGIN; UPDATE locks SET data = 'new' WHERE name = 'held'").await;
    let patient = options().patience(ms(60_000));
    let opening = adapter.open(patient, database.url());
    let mut opening = std::pin::pin!(opening);
    // Each attempt that waits for the table is given up after a while, so as not to hold up others.
    let attempts = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name = 'pglock' AND cardinality(pg_blocking_pids(pid)) > 0";
    let watcher = database.connect().await;
    for blocked in ["1", "0", "1"] {
        eventually("an attempt begins or ends", async || {
            assert!(timeout(ms(1), &mut opening).await.is_err());
            watcher.ask(attempts).await.as_deref() == Some(blocked)
        })
        .await;
    }
    user.execute("COMMIT").await;
    let locks = opening.await.unwrap();
    assert_eq!(locks.check_table().await.unwrap().problems, []);
    assert_eq!(locks.get("held").await.unwrap().unwrap().data.as_deref(), Some(&b"new"[..]));
}

/// A role that may use the table but does not own it.
struct Guest<'a> {
    database: &'a Database,
    name: String,
    url: Url,
}

impl<'a> Guest<'a> {
    fn new(database: &'a Database) -> Self {
        let name = format!("guest_{}", database.name());
        database.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'guest'"));
        let mut url = Url::parse(database.url()).unwrap();
        url.set_username(&name).unwrap();
        url.set_password(Some("guest")).unwrap();
        Self { database, name, url }
    }

    fn may_use_the_table(&self) {
        let name = &self.name;
        self.database.execute(&format!(
            "GRANT SELECT, INSERT, UPDATE ON locks TO {name};
             DO $$ BEGIN GRANT USAGE ON SEQUENCE locks_token TO {name};
             EXCEPTION WHEN undefined_table THEN END $$"
        ));
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let name = &self.name;
        self.database.execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"));
    }
}

async fn a_client_that_does_not_own_the_table_is_told_so(adapter: Adapter) {
    let database = database();
    database.execute(GO);
    let guest = Guest::new(&database);
    let refused = adapter.open(options(), guest.url.as_str()).await.unwrap_err();
    assert!(refused.to_string().contains("owner"), "{refused}");
    guest.may_use_the_table();
    let refused = adapter.open(options(), guest.url.as_str()).await.unwrap_err();
    let Error::Table(report) = &refused else { panic!("{refused:?}") };
    // What it says is all that an owner has to run.
    for problem in &report.problems {
        assert!(refused.to_string().contains(&problem.mend), "{refused}");
        database.execute(&problem.mend);
    }
    guest.may_use_the_table();
    adapter.open(options(), guest.url.as_str()).await.unwrap().acquire("a").await.unwrap();
}

async fn a_table_that_cannot_be_mended_in_passing_is_refused(adapter: Adapter) {
    let database = database();
    database.execute("CREATE TABLE locks (name varchar(255), record_version_number integer)");
    let refused = adapter.open(options(), database.url()).await.unwrap_err();
    let Error::Table(report) = &refused else { panic!("{refused:?}") };
    for what in ["column record_version_number has type integer", "no unique index"] {
        assert!(report.problems.iter().any(|problem| problem.what.contains(what)), "{refused}");
    }
}

async fn an_owner_who_mends_the_sequence_by_hand_does_not_turn_tokens_back(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let token = locks.acquire("a").await.unwrap().token();
    database.execute("DROP SEQUENCE locks_token");
    let report = locks.check_table().await.unwrap();
    let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
    database.execute(&problem.mend);
    let locks = adapter.open(options().create_table(false), database.url()).await.unwrap();
    assert!(locks.acquire("b").await.unwrap().token() > token);
}

async fn a_client_that_owns_nothing_uses_a_table_that_is_fit(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let guest = Guest::new(&database);
    let refused = adapter.open(options(), guest.url.as_str()).await.unwrap();
    let denied = refused.acquire("a").await.unwrap_err();
    assert_eq!(denied.sqlstate().unwrap().as_str(), "42501");
    assert!(denied.to_string().contains("privilege"), "{denied}");
    guest.may_use_the_table();
    let used = adapter.open(options(), guest.url.as_str()).await.unwrap();
    let lock = used.acquire("a").await.unwrap();
    assert!(locks.try_acquire("a").await.unwrap().is_none());
    lock.heartbeat().await.unwrap();
    lock.set_data(b"one").await.unwrap();
    assert!(lock.release().await.unwrap().confirmed);
}
