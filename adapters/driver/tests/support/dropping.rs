//! Futures that are dropped after every poll they can be dropped after, and before or after the loop has
//! gone on: nothing stays locked and nothing stays under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, LocalBoxFuture};
use pglock_driver::{Clock, Hold, Instant, Lock, LockName, Locks, Options, Rvn};

use super::World;

/// A loop that is polled by hand, beside what is dropped.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) locks: Locks,
    drive: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
    /// All that was granted, wanted or not.
    granted: Arc<Mutex<Vec<Hold>>>,
    /// How long cleaning up may take: no time at all unless connections break.
    pub(crate) cleaning: Duration,
    /// When a stranger gives back the advisory lock that it has, if ever.
    pub(crate) freed_at: Option<Instant>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let world = World::new();
        world.hesitate();
        let granted: Arc<Mutex<Vec<Hold>>> = Arc::default();
        let told = Arc::clone(&granted);
        let options = options
            .owner("bench")
            .seed(1)
            .on_granted(move |hold| told.lock().unwrap().push(hold.clone()));
        let (locks, drive) = Locks::start(options, world.clone(), world.clock.clone()).unwrap();
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let (drive, cleaning) = (drive.boxed(), Duration::ZERO);
        Self { world, locks, drive, woken, granted, cleaning, freed_at: None }
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
    pub(crate) fn settle(&mut self) {
        while self.step() {}
    }

    /// Takes turns with the loop, and lets time pass when neither has anything to do; drops the future
    /// after so many turns unless it has come to its end.
    pub(crate) fn turns<T>(
        &mut self,
        turns: usize,
        mut future: LocalBoxFuture<'_, T>,
    ) -> Option<T> {
        for turn in 0..turns {
            if turn % 2 == 1 {
                if !self.step() {
                    self.pass_a_second();
                }
            } else if let Poll::Ready(value) = poll(&mut future) {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn finish<T>(&mut self, future: impl Future<Output = T>) -> T {
        self.turns(100_000, future.boxed_local()).expect("it does not come to its end")
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        for _ in 0..span.as_secs() {
            self.pass_a_second();
            self.settle();
        }
    }

    fn pass_a_second(&mut self) {
        self.world.clock.advance(Duration::from_secs(1));
        if self.freed_at.take_if(|at| *at <= self.world.clock.now()).is_some() {
            self.world.advisory.lock().unwrap().freed_by_stranger();
        }
    }

    pub(crate) fn acquire(&mut self) -> Lock {
        let locks = self.locks.clone();
        self.finish(async move { locks.acquire("a").await }).unwrap()
    }

    pub(crate) fn is_ours(&self) -> bool {
        let server = self.world.server.lock().unwrap();
        let row = server.row(&LockName::new("a").unwrap());
        row.and_then(|row| row.rvn).is_some_and(Rvn::is_marked)
    }

    /// Nothing is locked and nobody waits, so that a stranger can have the lock. A shut-down finds nothing to do: every
    /// lock has had its end, which the desk sees to be the only one.
    pub(crate) fn assert_nothing_is_left(mut self, turns: usize) {
        self.settle();
        self.pass(self.cleaning);
        assert!(!self.is_ours(), "after {turns} turns the row stays held");
        self.assert_a_stranger_gets_the_lock(turns);
        let believed = self.granted.lock().unwrap().iter().any(|hold| hold.is_held());
        assert!(!believed, "after {turns} turns a lock is believed in that was given back");
        let before = (self.world.log().len(), self.world.clock.now());
        let locks = self.locks.clone();
        self.finish(async move { locks.shut_down().await });
        let after = (self.world.log().len(), self.world.clock.now());
        assert_eq!(after, before, "after {turns} turns something was under way");
    }

    fn assert_a_stranger_gets_the_lock(&self, turns: usize) {
        let mut advisory = self.world.advisory.lock().unwrap();
        assert_eq!(advisory.held(), 0, "after {turns} turns an advisory lock is held or awaited");
        advisory.freed_by_stranger();
        assert!(advisory.taken_by_stranger("a"), "after {turns} turns others do not get the lock");
    }
}

fn poll<T>(future: &mut LocalBoxFuture<'_, T>) -> Poll<T> {
    future.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

/// Drops the future in a world of its own after every number of turns until it comes to its end; answers
/// how many turns that takes.
pub(crate) fn drop_everywhere<T: 'static>(
    mut begin: impl FnMut() -> Bench,
    task: impl Fn(Locks) -> LocalBoxFuture<'static, T>,
) -> usize {
    for turns in 0.. {
        let mut bench = begin();
        let task = task(bench.locks.clone());
        let done = bench.turns(turns, task).is_some();
        bench.assert_nothing_is_left(turns);
        if done {
            return all(turns);
        }
    }
    unreachable!("the futures come to their ends")
}

/// Says at how many points a future was dropped that comes to its end after so many turns.
pub(crate) fn all(turns: usize) -> usize {
    println!("dropped at {} points", turns + 1);
    turns
}
