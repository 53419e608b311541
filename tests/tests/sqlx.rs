//! What only the adapter beside a pool of sqlx has. All else is tested with the other adapters, in `leases`, `sessions`
//! and `advisory`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pglock_driver::{AdvisoryMode, Error, Options};
use pglock_sqlx::{Locks, key_of, xact};
use pglock_tests::{Database, Server, eventually, pool, run};
use sqlx::Executor;
use sqlx::postgres::{PgAdvisoryLock, PgAdvisoryLockKey, PgPoolOptions};

fn database() -> Database {
    Server::shared().database()
}

fn options() -> Options {
    Options::default().poll(Duration::from_millis(50))
}

async fn locks(database: &Database) -> Locks {
    Locks::builder().options(options()).connect(&pool(database.url())).await.unwrap()
}

/// How many connections the library has.
async fn connections(database: &Database, name: &str) -> usize {
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = '{name}'"
    );
    database.connect().await.ask(&query).await.unwrap().parse().unwrap()
}

#[test]
fn the_pool_keeps_all_its_connections() {
    run(async {
        let database = database();
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy(database.url()).unwrap();
        let (mut only, others) = (pool.acquire().await.unwrap(), locks(&database).await);
        let locks = Locks::builder().options(options()).connect(&pool).await.unwrap();
        let held = others.acquire("waited for").await.unwrap();
        let (lock, advisory) = (locks.acquire("a").await.unwrap(), locks.advisory("a"));
        let advisory = advisory.acquire().await.unwrap();
        let waiting = locks.request("waited for");
        let waiting = tokio::spawn(async move { waiting.acquire().await });
        eventually("it is told of releases", async || connections(&database, "pglock").await >= 4)
            .await;
        assert_eq!((pool.size(), pool.num_idle()), (1, 0));
        assert!(only.execute("SELECT 1").await.is_ok());
        held.release().await.unwrap();
        assert!(waiting.await.unwrap().unwrap().is_held() && lock.is_held() && advisory.is_held());
    });
}

#[test]
fn connections_that_are_given_up_are_closed() {
    run(async {
        let database = database();
        let locks = locks(&database).await;
        let lease = locks.acquire("a").await.unwrap();
        let advisory = locks.advisory("a").acquire().await.unwrap();
        assert!(connections(&database, "pglock").await >= 2);
        drop((lease, advisory, locks));
        eventually("all are closed", async || connections(&database, "pglock").await == 0).await;
    });
}

#[test]
fn what_the_pool_is_told_later_counts() {
    run(async {
        let database = database();
        let pool = pool(database.url());
        let told = |name: &str| {
            let options: sqlx::postgres::PgConnectOptions = database.url().parse().unwrap();
            pool.set_connect_options(options.application_name(name));
        };
        told("first");
        let locks = Locks::builder().options(options()).connect(&pool).await.unwrap();
        let lock = locks.acquire("a").await.unwrap();
        assert!(connections(&database, "first").await > 0);
        told("second");
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'first' \
             AND datname = current_database()",
        );
        lock.heartbeat().await.unwrap();
        assert!(connections(&database, "second").await > 0);
        assert_eq!(connections(&database, "first").await, 0);
    });
}

#[test]
fn sqlxs_own_advisory_locks_and_ours_exclude_each_other() {
    run(async {
        let database = database();
        let (locks, pool) = (locks(&database).await, pool(database.url()));
        for theirs in [
            PgAdvisoryLock::new("migrations"),
            PgAdvisoryLock::with_key(PgAdvisoryLockKey::BigInt(-7)),
            PgAdvisoryLock::with_key(PgAdvisoryLockKey::IntPair(1, -2)),
        ] {
            let key = key_of(&theirs).unwrap();
            let guard = theirs.acquire(pool.acquire().await.unwrap()).await.unwrap();
            assert!(locks.advisory(key.clone()).try_acquire().await.unwrap().is_none());
            let mut transaction = pool.begin().await.unwrap();
            assert_eq!(xact::try_lock(&mut transaction, key.clone()).await, Ok(false));
            drop(guard.release_now().await.unwrap());

            let ours = locks.advisory(key.clone()).acquire().await.unwrap();
            let refused = theirs.try_acquire(pool.acquire().await.unwrap()).await.unwrap();
            assert!(refused.is_right());
            drop(refused);
            ours.release().await.unwrap();

            assert_eq!(xact::try_lock(&mut transaction, key).await, Ok(true));
            let refused = theirs.try_acquire(pool.acquire().await.unwrap()).await.unwrap();
            assert!(refused.is_right());
        }
    });
}

/// The mapping of names stands in two places, this being the other.
#[test]
fn names_become_the_keys_that_the_mapping_says() {
    for name in ["", "migrations", "ключ 🔒"] {
        let ours = pglock_wire::sqlx_key(name);
        assert_eq!(key_of(&PgAdvisoryLock::new(name)).unwrap().place(), ours.place());
    }
}

/// As behind a pooler: parameters go inside the text, and must come out as they went in.
#[test]
fn parameters_survive_the_way_inside_a_text() {
    run(async {
        for conforming in ["on", "off"] {
            let database = database();
            database.set_default("standard_conforming_strings", conforming);
            let builder = Locks::builder().options(options().table("lo$1ck'\"s")).prepared(false);
            let locks = builder.connect(&pool(database.url())).await.unwrap();
            let names =
                ["a", "'", "''", "\\", "\\'; DROP", "$1", "\"$2\"", "E'\\x'", "ключ 🔒", "{,}"];
            for name in names {
                let data: Vec<u8> = (0..=255).chain(*b"'\\$1").collect();
                let request = locks.request(name).owner(name).data(&data).keep_data();
                let lock = request.acquire().await.unwrap();
                lock.heartbeat().await.unwrap();
                let entry = locks.get(name).await.unwrap().unwrap();
                assert_eq!(entry.data.as_deref(), Some(data.as_slice()), "{name:?}");
                assert_eq!(entry.name.as_str(), name);
                assert!(lock.release().await.unwrap().confirmed, "{name:?}");
            }
            assert_eq!(locks.list("").await.unwrap().len(), names.len());
            let mode = locks.advisory("a").acquire().await.unwrap().mode();
            assert_eq!(mode, AdvisoryMode::Exclusive);
        }
    });
}

#[test]
fn locks_need_a_runtime_and_say_so() {
    let pool = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(async { pool("postgres://nobody@localhost/nowhere") });
    let mut connecting = Box::pin(Locks::connect(&pool));
    let polled = connecting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Err(error)) = polled else { panic!("{polled:?}") };
    assert!(matches!(&error, Error::System(_)), "{error:?}");
}
