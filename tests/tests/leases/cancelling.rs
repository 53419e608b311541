//! Acquires that are given up: by dropping the future, or because their time has passed. They leave
//! nothing behind.

use std::time::Duration;

use pglock_driver::{Error, Wait};
use pglock_tests::{Fault, Proxy, eventually};
use tokio::time::timeout;

use crate::adapter::{Adapter, Locks, database, ms, options, run};

over_all_adapters! {
    an_acquire_that_timed_out_leaves_nothing_behind,
    an_acquire_that_timed_out_behind_a_locked_row_leaves_nothing_behind,
}

/// A text that only the statement that acquires has.
const ACQUIRE: &str = "INSERT INTO";

async fn no_row_stays_held(locks: &Locks) {
    eventually("no row is held", async || {
        locks.list("").await.unwrap().iter().all(|entry| !entry.is_held())
    })
    .await;
}

#[test]
fn a_waiter_that_was_dropped_never_gets_the_lock() {
    run(async {
        let database = database();
        let adapter = Adapter::TOKIO;
        let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
        let lock = locks.acquire("a").await.unwrap();
        for waiter in [&locks, &others] {
            assert!(timeout(ms(150), waiter.acquire("a")).await.is_err());
        }
        lock.release().await.unwrap();
        let lock = locks.try_acquire("a").await.unwrap().expect("a lock nobody waits for");
        assert!(lock.release().await.unwrap().confirmed);
        no_row_stays_held(&locks).await;
    });
}

#[test]
fn an_acquire_dropped_at_any_moment_leaves_nothing_behind() {
    run(async {
        let database = database();
        let locks = Adapter::TOKIO.locks(&database).await;
        let mut given_up = 0;
        for step in 0..60_u64 {
            let moment = Duration::from_micros(step * 50);
            let name = format!("{}", step % 7);
            let acquiring = locks.acquire(&name);
            // What came through in time is dropped, too.
            given_up += u32::from(timeout(moment, acquiring).await.is_err());
        }
        assert!(given_up > 0);
        no_row_stays_held(&locks).await;
        for name in 0..7 {
            let name = format!("{name}");
            assert!(locks.try_acquire(&name).await.unwrap().is_some(), "{name}");
        }
    });
}

#[test]
fn an_acquire_dropped_after_its_grant_was_lost_leaves_nothing_behind() {
    run(async {
        let database = database();
        let adapter = Adapter::TOKIO;
        let others = adapter.locks(&database).await;
        others.acquire("a").await.unwrap().release().await.unwrap();
        let proxy = Proxy::new(database.url());
        let locks = adapter.open(options(), proxy.url()).await.unwrap();
        for fault in [Fault::ReplyLost, Fault::RequestLost, Fault::Silence] {
            proxy.strike(ACQUIRE, fault);
            let mut acquiring = Box::pin(locks.acquire("a"));
            eventually("the fault has struck", async || {
                timeout(ms(1), &mut acquiring).await.is_ok() || proxy.has_struck()
            })
            .await;
            drop(acquiring);
            eventually("others can have it", async || {
                others.try_acquire("a").await.unwrap().is_some()
            })
            .await;
            no_row_stays_held(&others).await;
        }
    });
}

async fn an_acquire_that_timed_out_leaves_nothing_behind(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await.unwrap();
    for waiter in [&locks, &others] {
        let late = waiter.acquire_within("a", ms(120)).await;
        assert!(matches!(late, Err(Error::TimedOut(_))), "{late:?}");
    }
    lock.release().await.unwrap();
    let lock = locks.try_acquire("a").await.unwrap().expect("a lock nobody waits for");
    lock.release().await.unwrap();
    no_row_stays_held(&locks).await;
}

async fn an_acquire_that_timed_out_behind_a_locked_row_leaves_nothing_behind(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    locks.acquire("a").await.unwrap().release().await.unwrap();
    let stranger = database.connect().await;
    stranger.execute("BEGIN; SELECT FROM locks FOR UPDATE").await;
    let at_once = Wait::AtMost(ms(100));
    let late = locks.request("a").wait(at_once).acquire().await;
    assert!(matches!(late, Err(Error::TimedOut(_))), "{late:?}");
    stranger.execute("COMMIT").await;
    no_row_stays_held(&locks).await;
    let others = adapter.locks(&database).await;
    eventually("it can be had", async || others.try_acquire("a").await.unwrap().is_some()).await;
}
