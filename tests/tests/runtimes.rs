//! Adapters for other runtimes than tokio need none of tokio's, neither at work nor to be built.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "these are tests")]

use std::process::Command;
use std::time::Duration;

use futures::join;
use pglock_async::{Dial, Locks, xact};
use pglock_async_std::AsyncStd;
use pglock_driver::{BootClock, Clock, Instant, Options};
use pglock_smol::Smol;
use pglock_tests::{Database, Runtime, Server, in_time};
use tokio_postgres::NoTls;

#[test]
fn async_std_needs_no_tokio() {
    in_time(|| async_std::task::block_on(is_alone::<AsyncStd>(Runtime::AsyncStd)));
}

#[test]
fn smol_needs_no_tokio() {
    in_time(|| smol::block_on(is_alone::<Smol>(Runtime::Smol)));
}

/// A clock that nobody reads on a tokio runtime.
struct Alone;

impl Clock for Alone {
    fn now(&self) -> Instant {
        assert!(tokio::runtime::Handle::try_current().is_err());
        BootClock.now()
    }
}

/// The clock is read by the loop and by guards. Nobody looks again, and no lease passes, before the test has failed.
async fn open<R: Dial<NoTls>>(database: &Database) -> Locks<R> {
    let hour = Duration::from_secs(3_600);
    let options = Options::default().lease(hour / 6).poll(hour).patience(hour);
    Locks::builder().options(options).clock(Alone).connect(database.url()).await.expect("locks")
}

/// A lock is had, waited for, handed on by a notification, and given back; in each family.
async fn is_alone<R: Dial<NoTls>>(runtime: Runtime) {
    const UNTIL_IN_LINE: &str = "DO $$ BEGIN WHILE (SELECT count(*) FROM locks, unnest(waiters)) = 0 LOOP \
                                PERFORM pg_sleep(0.001); COMMIT; END LOOP; END $$";
    let database = Server::shared().database();
    let (locks, others) = (open::<R>(&database).await, open::<R>(&database).await);
    let lock = locks.acquire("a").await.unwrap();
    lock.heartbeat().await.unwrap();
    let handing_on = async {
        database.execute(UNTIL_IN_LINE);
        lock.release().await.unwrap()
    };
    let (next, released) = join!(others.acquire("a"), handing_on);
    assert!(released.confirmed && next.unwrap().is_held());

    let reading = locks.advisory("a").shared().acquire().await.unwrap();
    assert!(others.advisory("a").try_acquire().await.unwrap().is_none());
    assert!(reading.release().await.unwrap().confirmed);
    let stand_in_line = async |locks: &Locks<R>| {
        let lock = locks.advisory("a").in_line().acquire().await.unwrap();
        lock.release().await.unwrap().confirmed
    };
    assert_eq!(join!(stand_in_line(&locks), stand_in_line(&others)), (true, true));

    let mut client = runtime.client(database.url()).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    xact::lock(&transaction, "a").await.unwrap();
    assert!(locks.advisory("a").try_acquire().await.unwrap().is_none());
    transaction.rollback().await.unwrap();

    locks.shut_down().await;
    others.shut_down().await;
    assert!(tokio::runtime::Handle::try_current().is_err());
}

/// Built by themselves, they have `tokio-postgres` without its feature `runtime`, and nothing of tokio that runs.
#[test]
fn other_adapters_do_not_ask_for_a_runtime() {
    for (package, asks) in
        [("pglock-async-std", false), ("pglock-smol", false), ("pglock-tokio", true)]
    {
        let driver = features(package, "tokio-postgres");
        assert_eq!(driver.contains(&"runtime".into()), asks, "{package}: {driver:?}");
        let tokio = features(package, "tokio");
        for feature in ["net", "rt", "time"] {
            assert_eq!(tokio.contains(&feature.into()), asks, "{package}: {tokio:?}");
        }
    }
}

/// Those of a dependency, when nothing but the package is built.
fn features(package: &str, dependency: &str) -> Vec<String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges=normal", "--prefix=none", "--format={p} {f}"]);
    let output = tree.args(["--package", package]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let mut lines = tree.lines().map(|line| line.split(' '));
    let mut found = lines.find(|words| words.clone().next() == Some(dependency)).expect(&tree);
    found.nth(2).unwrap().split(',').map(String::from).collect()
}
