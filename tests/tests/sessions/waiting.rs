//! Waiting, and giving up: nothing is left behind, and nobody else is held up.

use std::task::{Context, Waker};
use std::time::Duration;

use pglock_driver::Error;
use pglock_tests::eventually;
use tokio::time::timeout;

use crate::adapter::{Adapter, Lock, Locks, Stranger, database, ms, options, run};

over_all_adapters! {
    a_waiter_has_the_lock_when_it_is_released,
    an_acquire_that_timed_out_leaves_nothing_behind,
    times_that_pass_at_any_moment_leave_nothing_behind,
    an_index_is_built_while_many_wait,
}

async fn a_waiter_has_the_lock_when_it_is_released(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await;
    let before = others.counters().await.commands;
    let request = others.advisory("a");
    let waiting = tokio::spawn(async move { request.acquire().await });
    eventually("it has been refused", async || others.counters().await.commands > before + 2).await;
    assert!(!waiting.is_finished());
    lock.free().await;
    assert!(waiting.await.unwrap().unwrap().is_held());
}

/// Each is awaited in its turn; one that came through before would keep the lock from it.
#[test]
fn waiters_of_one_client_have_the_lock_in_the_order_of_their_coming() {
    run(async {
        let database = database();
        let locks = Adapter::TOKIO.locks(&database).await;
        let lock = locks.acquire("a").await;
        let mut waiting = Vec::new();
        for _ in 0..5 {
            let mut acquiring = Box::pin(locks.advisory("a").acquire());
            let polled = acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "it has asked");
            waiting.push(acquiring);
        }
        lock.free().await;
        for acquiring in waiting {
            acquiring.await.unwrap().free().await;
        }
    });
}

async fn an_acquire_that_timed_out_leaves_nothing_behind(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await;
    for waiter in [&locks, &others] {
        let late = waiter.advisory("a").acquire_within(ms(120)).await;
        assert_eq!(late.unwrap_err(), Error::TimedOut(None));
    }
    stranger.sees(1).await;
    lock.free().await;
    assert!(stranger.finds_free("a").await);
    assert_eq!(stranger.count().await, 0);
}

/// How acquires ended whose time passed just then, or did not.
#[derive(Debug, Default)]
pub(crate) struct Races {
    late: u32,
    granted: u32,
}

impl Races {
    pub(crate) fn note(&mut self, acquired: Result<Lock, Error>) {
        match acquired {
            Ok(_given_back) => self.granted += 1,
            Err(error) => {
                self.late += 1;
                assert_eq!(error, Error::TimedOut(None));
            }
        }
    }

    /// Some were late, and nobody has the lock `a`.
    pub(crate) async fn left_nothing_behind(self, stranger: &Stranger, handles: [&Locks; 2]) {
        assert!(self.late > 0, "{self:?}");
        stranger.sees(0).await;
        for locks in handles {
            assert!(locks.finds_free("a").await);
        }
    }
}

/// A time that passes just when the lock is granted is the one that leaks where the server keeps it.
async fn times_that_pass_at_any_moment_leave_nothing_behind(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    locks.acquire("a").await.free().await;
    let mut races = Races::default();
    for step in 0..400_u64 {
        let contended = if step % 2 == 0 { Some(others.acquire("a").await) } else { None };
        let request = locks.advisory("a");
        let span = Duration::from_micros(step % 40 * 50);
        let asking = tokio::spawn(async move { request.acquire_within(span).await });
        drop(contended);
        races.note(asking.await.unwrap());
    }
    races.left_nothing_behind(&stranger, [&locks, &others]).await;
}

#[test]
fn a_waiter_that_was_dropped_never_gets_the_lock() {
    run(async {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let adapter = Adapter::TOKIO;
        let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
        let lock = locks.acquire("a").await;
        for waiter in [&locks, &others] {
            assert!(timeout(ms(150), waiter.advisory("a").acquire()).await.is_err());
        }
        stranger.sees(1).await;
        lock.free().await;
        assert!(stranger.finds_free("a").await);
        stranger.sees(0).await;
    });
}

#[test]
fn an_acquire_dropped_at_any_moment_leaves_nothing_behind() {
    run(async {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let locks = Adapter::TOKIO.locks(&database).await;
        let mut given_up = 0;
        for step in 0..200_u64 {
            let moment = Duration::from_micros(step % 60 * 50);
            let name = format!("{}", step % 7);
            let request = locks.advisory(name.as_str());
            // What came through in time is dropped, too.
            given_up += u32::from(timeout(moment, request.acquire()).await.is_err());
        }
        assert!(given_up > 0);
        stranger.sees(0).await;
        for name in 0..7 {
            let name = format!("{name}");
            assert!(locks.finds_free(name.as_str()).await, "{name}");
        }
    });
}

/// A statement that waits for a lock keeps a snapshot, for which the server would wait in turn.
async fn an_index_is_built_while_many_wait(adapter: Adapter) {
    let database = database();
    database.execute("CREATE TABLE thing AS SELECT generate_series(1, 1000) AS number");
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let several = adapter.locks_with(options().poll(ms(5)), &database).await;
    let lock = locks.acquire("a").await;
    let mut waiting = Vec::new();
    for number in 0..50 {
        let waiter = if number % 2 == 0 { &others } else { &several };
        let request = waiter.advisory("a");
        waiting.push(tokio::spawn(async move { request.acquire().await.unwrap().free().await }));
    }
    let before = several.counters().await.commands;
    eventually("they wait", async || several.counters().await.commands > before + 3).await;
    database.execute("CREATE INDEX CONCURRENTLY ON thing (number)");
    assert!(waiting.iter().all(|task| !task.is_finished()) && lock.is_held());
    lock.free().await;
    for task in waiting {
        task.await.unwrap();
    }
}
