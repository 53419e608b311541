//! Futures that are dropped after every poll they can be dropped after, and before or after the loop has
//! gone on: nothing stays locked and nothing stays under way.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use pglock_core::Statement;
use pglock_driver::{AdvisoryLock, Clock, Error, Hold, Lock, LockName, Locks, Loss, Options, Rvn};
use support::{Fate, World};

const LEASE: Duration = Duration::from_secs(20);

/// A loop that is polled by hand, beside what is dropped.
struct Bench {
    world: World,
    locks: Locks,
    drive: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
    /// All that was granted, wanted or not.
    granted: Arc<Mutex<Vec<Hold>>>,
    /// How long cleaning up may take: no time at all unless connections break.
    cleaning: Duration,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Bench {
    fn new() -> Self {
        let world = World::new();
        world.hesitate();
        let granted: Arc<Mutex<Vec<Hold>>> = Arc::default();
        let told = Arc::clone(&granted);
        let options = Options::default()
            .owner("bench")
            .seed(1)
            .on_granted(move |hold| told.lock().unwrap().push(hold.clone()));
        let (locks, drive) = Locks::start(options, world.clone(), world.clock.clone()).unwrap();
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { world, locks, drive: drive.boxed(), woken, granted, cleaning: Duration::ZERO }
    }

    /// Polls the loop once if it has anything to do.
    fn step(&mut self) -> bool {
        let has_work = self.woken.0.swap(false, Ordering::SeqCst);
        if has_work {
            let waker = Waker::from(Arc::clone(&self.woken));
            let _over = self.drive.poll_unpin(&mut Context::from_waker(&waker)).is_ready();
        }
        has_work
    }

    /// Lets the loop go on as far as it gets without time passing.
    fn settle(&mut self) {
        while self.step() {}
    }

    /// Takes turns with the loop, and lets time pass when neither has anything to do; drops the future
    /// after so many turns unless it has come to its end.
    fn turns<T>(&mut self, turns: usize, mut future: LocalBoxFuture<'_, T>) -> Option<T> {
        for turn in 0..turns {
            if turn % 2 == 1 {
                if !self.step() {
                    self.world.clock.advance(Duration::from_secs(1));
                }
            } else if let Poll::Ready(value) = poll(&mut future) {
                return Some(value);
            }
        }
        None
    }

    fn finish<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.turns(100_000, future.boxed_local()).expect("it does not come to its end")
    }

    fn pass(&mut self, span: Duration) {
        for _ in 0..span.as_secs() {
            self.world.clock.advance(Duration::from_secs(1));
            self.settle();
        }
    }

    fn acquire(&mut self) -> Lock {
        let locks = self.locks.clone();
        self.finish(async move { locks.acquire("a").await }).unwrap()
    }

    fn is_ours(&self) -> bool {
        let server = self.world.server.lock().unwrap();
        let row = server.row(&LockName::new("a").unwrap());
        row.and_then(|row| row.rvn).is_some_and(Rvn::is_marked)
    }

    /// Nothing is locked, and a shut-down finds nothing to do: every lock has had its end, which the desk
    /// sees to be the only one.
    fn assert_nothing_is_left(mut self, turns: usize) {
        self.settle();
        self.pass(self.cleaning);
        assert!(!self.is_ours(), "after {turns} turns the row stays held");
        let advisory = self.world.advisory.lock().unwrap().held();
        assert_eq!(advisory, 0, "after {turns} turns an advisory lock stays held");
        let believed = self.granted.lock().unwrap().iter().any(|hold| hold.is_held());
        assert!(!believed, "after {turns} turns a lock is believed in that was given back");
        let before = (self.world.log().len(), self.world.clock.now());
        let locks = self.locks.clone();
        self.finish(async move { locks.shut_down().await });
        let after = (self.world.log().len(), self.world.clock.now());
        assert_eq!(after, before, "after {turns} turns something was under way");
    }
}

fn poll<T>(future: &mut LocalBoxFuture<'_, T>) -> Poll<T> {
    future.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

/// Drops the future in a world of its own after every number of turns until it comes to its end; answers
/// how many turns that takes.
fn drop_everywhere<T: 'static>(
    mut begin: impl FnMut() -> Bench,
    task: impl Fn(Locks) -> LocalBoxFuture<'static, T>,
) -> usize {
    for turns in 0.. {
        let mut bench = begin();
        let task = task(bench.locks.clone());
        let done = bench.turns(turns, task).is_some();
        bench.assert_nothing_is_left(turns);
        if done {
            return turns;
        }
    }
    unreachable!("the futures come to their ends")
}

fn acquire(locks: Locks) -> LocalBoxFuture<'static, Result<Lock, Error>> {
    async move { locks.acquire("a").await }.boxed_local()
}

fn is_acquire(statement: &Statement) -> bool {
    matches!(statement, Statement::Acquire(_))
}

fn is_release(statement: &Statement) -> bool {
    matches!(statement, Statement::Release(_))
}

#[test]
fn an_acquire_of_a_free_lock() {
    let turns = drop_everywhere(Bench::new, acquire);
    assert!(turns > 10, "{turns}: connecting, two statements, each with hesitations");
}

#[test]
fn an_acquire_whose_answers_are_lost() {
    for fate in [Fate::NotSent, Fate::AnswerLost] {
        let begin = || {
            let mut bench = Bench::new();
            bench.cleaning = Duration::from_secs(1);
            bench.world.first(3, fate, is_acquire);
            bench
        };
        let turns = drop_everywhere(begin, acquire);
        assert!(turns > 20, "{turns}: three connections break");
    }
}

#[test]
fn an_acquire_that_waits_for_a_dead_holder() {
    let begin = || {
        let bench = Bench::new();
        bench.world.take_from_outside("a");
        bench
    };
    let turns = drop_everywhere(begin, acquire);
    assert!(turns > 60, "{turns}: the holder is watched for thirty seconds");
}

#[test]
fn an_acquire_whose_give_back_is_lost_too() {
    let begin = || {
        let bench = Bench::new();
        bench.world.first(1, Fate::AnswerLost, is_release);
        bench
    };
    drop_everywhere(begin, acquire);
}

#[test]
fn a_try_and_a_probe() {
    drop_everywhere(Bench::new, |locks| async move { locks.try_acquire("a").await }.boxed_local());
    drop_everywhere(Bench::new, |locks| async move { locks.probe("a").await }.boxed_local());
}

#[test]
fn a_run_in_all_its_parts() {
    let turns = drop_everywhere(Bench::new, |locks| {
        let work = async {
            for _ in 0..5 {
                support::hesitate().await;
            }
        };
        async move { locks.run("a", |_| work).await }.boxed_local()
    });
    assert!(turns > 25, "{turns}: acquire, work, release");
}

#[test]
fn a_release() {
    drop_everywhere(Bench::new, |locks| {
        async move {
            let lock = locks.acquire("a").await.unwrap();
            lock.release().await
        }
        .boxed_local()
    });
}

fn acquire_advisory(locks: Locks) -> LocalBoxFuture<'static, Result<AdvisoryLock, Error>> {
    async move { locks.advisory("a").acquire().await }.boxed_local()
}

#[test]
fn an_acquire_of_a_free_advisory_lock() {
    let turns = drop_everywhere(Bench::new, acquire_advisory);
    assert!(turns > 10, "{turns}: connecting, two statements, each with hesitations");
}

#[test]
fn an_acquire_of_an_advisory_lock_whose_answers_are_lost() {
    for fate in [Fate::NotSent, Fate::AnswerLost] {
        let begin = || {
            let mut bench = Bench::new();
            bench.cleaning = Duration::from_secs(1);
            bench.world.first(3, fate, |statement| matches!(statement, Statement::Advisory(_)));
            bench
        };
        let turns = drop_everywhere(begin, acquire_advisory);
        assert!(turns > 20, "{turns}: three connections break");
    }
}

#[test]
fn an_acquire_of_an_advisory_lock_that_waits() {
    let begin = || {
        let bench = Bench::new();
        assert!(bench.world.advisory.lock().unwrap().taken_by_stranger("a"));
        bench
    };
    drop_everywhere(begin, |locks| {
        let patience = Duration::from_secs(10);
        async move { locks.advisory("a").acquire_within(patience).await }.boxed_local()
    });
}

#[test]
fn a_try_a_run_and_a_release_of_an_advisory_lock() {
    drop_everywhere(Bench::new, |locks| {
        async move { locks.advisory("a").shared().try_acquire().await }.boxed_local()
    });
    drop_everywhere(Bench::new, |locks| {
        async move { locks.advisory("a").run(|_| support::hesitate()).await }.boxed_local()
    });
    drop_everywhere(Bench::new, |locks| {
        async move {
            let lock = locks.advisory("a").acquire().await.unwrap();
            let again = lock.again().await.unwrap();
            (lock.release().await, again.release().await)
        }
        .boxed_local()
    });
}

/// Belief ends with the first poll, or with the future if there is none.
#[test]
fn a_release_ends_belief_however_often_it_is_polled() {
    for turns in 0..20 {
        let mut bench = Bench::new();
        let lock = bench.acquire();
        let hold = lock.hold();
        let done = bench.turns(turns, lock.release().boxed_local());
        assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
        bench.assert_nothing_is_left(turns);
        if let Some(released) = done {
            assert!(released.unwrap().confirmed);
            return assert!(turns > 2);
        }
    }
    panic!("it does not come to its end");
}

#[test]
fn whatever_is_asked_of_a_held_lock_does_not_end_it() {
    type Ask = fn(&Lock) -> LocalBoxFuture<'_, Result<(), Error>>;
    let asks: [Ask; 4] = [
        |lock| lock.heartbeat().boxed_local(),
        |lock| lock.set_data("new").boxed_local(),
        |lock| lock.clear_data().boxed_local(),
        |lock| lock.extend(LEASE * 2).boxed_local(),
    ];
    for ask in asks {
        assert!(ask_everywhere(ask) > 2);
    }
}

fn ask_everywhere(ask: fn(&Lock) -> LocalBoxFuture<'_, Result<(), Error>>) -> usize {
    for turns in 0.. {
        let mut bench = Bench::new();
        let lock = bench.acquire();
        let done = bench.turns(turns, ask(&lock));
        bench.settle();
        assert!(lock.is_held() && bench.is_ours(), "lost after {turns} turns");
        bench.pass(LEASE * 3);
        assert!(lock.is_held(), "not renewed after {turns} turns");
        drop(lock);
        bench.assert_nothing_is_left(turns);
        if let Some(answer) = done {
            assert_eq!(answer, Ok(()));
            return turns;
        }
    }
    unreachable!("the futures come to their ends")
}
