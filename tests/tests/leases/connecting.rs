//! Coming to a handle: what is wrong is said clearly, and any way to connect will do.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pglock_async::Builder;
use pglock_driver::{Error, SessionKind};
use pglock_tests::{Private, Proxy, Runtime, eventually};
use postgres::NoTls;
use tokio::time::Instant;

use crate::adapter::{Adapter, database, ms, options, run};

over_adapters_of_a_url! {
    a_bad_url_is_told,
}

over_all_adapters! {
    a_missing_server_is_told,
    a_silent_server_is_told_when_the_deadline_has_passed,
    a_missing_database_is_told,
    settings_that_cannot_be_kept_are_told,
}

async fn a_bad_url_is_told(adapter: Adapter) {
    for (url, part) in [("hots=localhost", "hots"), ("postgres://localhost:port/x", "port")] {
        let error = adapter.open(options(), url).await.unwrap_err();
        assert!(matches!(&error, Error::Url(what) if what.contains(part)), "{error:?}");
        assert!(error.to_string().contains("connection string"), "{error}");
    }
}

async fn a_missing_server_is_told(adapter: Adapter) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let error = adapter.open(options(), &url).await.unwrap_err();
    assert!(matches!(&error, Error::Connect(error) if error.server.is_none()), "{error:?}");
    assert!(error.to_string().contains("cannot connect to the server"), "{error}");
}

/// The driver's own time-out would outlast the test.
async fn a_silent_server_is_told_when_the_deadline_has_passed(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    proxy.fall_silent();
    let begun = Instant::now();
    let hasty = options().connect_deadline(ms(300));
    let url = format!("{}?connect_timeout=600", proxy.url());
    let error = adapter.open(hasty, &url).await.unwrap_err();
    assert!(begun.elapsed() >= ms(300));
    assert!(matches!(&error, Error::Connect(_)), "{error:?}");
    assert!(error.to_string().contains("no answer in 300ms"), "{error}");
}

async fn a_missing_database_is_told(adapter: Adapter) {
    let database = database();
    let url = database.url().replace(database.name(), "nowhere");
    let error = adapter.open(options(), &url).await.unwrap_err();
    assert_eq!(error.sqlstate().unwrap().as_str(), "3D000", "{error:?}");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

async fn settings_that_cannot_be_kept_are_told(adapter: Adapter) {
    let database = database();
    let nonsense = [
        options().lease(ms(1)),
        options().poll(ms(0)),
        options().work_sessions(0),
        options().lease(ms(1_000_000)),
    ];
    for options in nonsense {
        let error = adapter.open(options, database.url()).await.unwrap_err();
        assert!(matches!(&error, Error::Config(_)), "{error:?}");
    }
}

const BACKENDS: &str = "FROM pg_stat_activity WHERE usename = 'app'";

/// A server that asks for passwords.
#[test]
fn a_wrong_password_is_told() {
    run(async {
        let server = Private::new();
        let database = server.database();
        database.execute(
            "CREATE ROLE app LOGIN PASSWORD 'right' SUPERUSER;
             DO $$ BEGIN EXECUTE format(
                 'COPY (VALUES (''host all postgres all trust''), (''host all all all scram-sha-256'')) TO %L',
                 current_setting('hba_file')); END $$;
             SELECT pg_reload_conf()",
        );
        let watcher = database.connect().await;
        let url = |password: &str| database.url().replace("postgres@", &format!("app:{password}@"));
        for adapter in Adapter::ALL {
            let error = adapter.open(options(), &url("wrong")).await.unwrap_err();
            assert_eq!(error.sqlstate().unwrap().as_str(), "28P01", "{error:?}");
            assert!(error.to_string().contains("password"), "{error}");
            let alone = options().work_sessions(1);
            let locks = adapter.open(alone, &url("right")).await.unwrap();
            assert!(locks.try_acquire("a").await.unwrap().is_some());
            // Whoever is refused later is told, too, and so is whoever asks for a lock.
            database.execute("ALTER ROLE app PASSWORD 'other'");
            database.execute(&format!("SELECT pg_terminate_backend(pid) {BACKENDS}"));
            eventually("its connections have ended", async || {
                let backends = watcher.ask(&format!("SELECT count(*) {BACKENDS}")).await;
                backends.as_deref() == Some("0")
            })
            .await;
            let error = locks.acquire("a").await.unwrap_err();
            assert_eq!(error.sqlstate().unwrap().as_str(), "28P01", "{error:?}");
            database.execute("ALTER ROLE app PASSWORD 'right'");
            eventually("it can connect again", async || locks.acquire("a").await.is_ok()).await;
        }
    });
}

#[test]
fn async_adapters_take_connections_of_the_users_own_making() {
    run(async {
        for runtime in Runtime::ALL {
            match runtime {
                Runtime::Tokio => takes(pglock_tokio::Locks::builder, runtime).await,
                Runtime::AsyncStd => takes(pglock_async_std::Locks::builder, runtime).await,
                Runtime::Smol => takes(pglock_smol::Locks::builder, runtime).await,
            }
        }
    });
}

async fn takes<R: pglock_async::Runtime>(builder: impl Fn() -> Builder<R>, runtime: Runtime) {
    let database = database();
    let opened = Arc::new(AtomicUsize::new(0));
    let (count, url) = (Arc::clone(&opened), database.url().to_owned());
    let open = move |_: SessionKind| {
        let (count, url) = (Arc::clone(&count), url.clone());
        async move {
            let client = runtime.client(&url).await?;
            count.fetch_add(1, Ordering::SeqCst);
            Ok::<_, tokio_postgres::Error>(Box::new(client))
        }
    };
    for prepared in [true, false] {
        let builder = builder().options(options()).prepared(prepared);
        let locks = runtime.run(builder.connect_with(open.clone())).await.unwrap();
        let lock = locks.acquire("a").await.unwrap();
        lock.heartbeat().await.unwrap();
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        lock.heartbeat().await.unwrap();
        assert!(lock.release().await.unwrap().confirmed);
    }
    assert!(opened.load(Ordering::SeqCst) >= 6, "{opened:?}");
}

#[test]
fn postgres_takes_connections_of_the_users_own_making() {
    let database = database();
    let opened = Arc::new(AtomicUsize::new(0));
    let (count, url) = (Arc::clone(&opened), database.url().to_owned());
    let open = move |_: SessionKind| {
        count.fetch_add(1, Ordering::SeqCst);
        postgres::Client::connect(&url, NoTls).map(Box::new)
    };
    for prepared in [true, false] {
        let builder = pglock_postgres::Locks::builder().options(options()).prepared(prepared);
        let locks = builder.connect_with(open.clone()).unwrap();
        let lock = locks.acquire("a").unwrap();
        lock.heartbeat().unwrap();
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        lock.heartbeat().unwrap();
        assert!(lock.release().unwrap().confirmed);
    }
    assert!(opened.load(Ordering::SeqCst) >= 6, "{opened:?}");
}

#[test]
fn a_factory_that_fails_is_told() {
    let refuse =
        |_: SessionKind| Err::<Box<postgres::Client>, _>(std::io::Error::other("pool is dry"));
    let error = pglock_postgres::Locks::builder().connect_with(refuse).unwrap_err();
    assert!(error.to_string().contains("pool is dry"), "{error}");
}

/// The sync driver panics there unless it lives on threads of its own.
#[test]
fn the_sync_adapter_works_inside_a_tokio_program() {
    let database = database();
    let work = async {
        let locks = pglock_postgres::Locks::connect(database.url()).unwrap();
        let lock = locks.acquire("a").unwrap();
        assert!(locks.try_acquire("a").unwrap().is_none());
        lock.heartbeat().unwrap();
        assert!(lock.release().unwrap().confirmed);
        drop(locks.acquire("b").unwrap());
        locks.shut_down();
        let too_long = pglock_postgres::Locks::builder().lease(ms(3_600_000));
        assert!(matches!(too_long.connect(database.url()), Err(Error::Config(_))));
        let no_table = pglock_postgres::Locks::builder().table("none").create_table(false);
        assert!(matches!(no_table.connect(database.url()), Err(Error::Table(_))));
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

#[test]
fn tokio_locks_need_a_runtime_and_say_so() {
    let database = database();
    let mut connecting = Box::pin(pglock_tokio::Locks::connect(database.url()));
    let waker = std::task::Waker::noop();
    let polled = connecting.as_mut().poll(&mut std::task::Context::from_waker(waker));
    let std::task::Poll::Ready(Err(error)) = polled else { panic!("{polled:?}") };
    assert!(matches!(&error, Error::System(_)), "{error:?}");
}
