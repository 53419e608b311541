//! Who waits is told of releases, by either loop, and looks at the row where it is told nothing.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use pglock_core::Statement;
use pglock_driver::{BootClock, Lock, Locks, Options, blocking};
use support::World;

/// Nobody looks again, and no lease passes, before a test is over.
fn patient() -> Options {
    let hour = Duration::from_secs(3_600);
    Options::default().lease(hour / 6).poll(hour).patience(hour * 2)
}

fn listens(world: &World) -> bool {
    world.log().contains(&Statement::Listen)
}

/// Two clients of the async loop, on a clock that stands still.
struct Bench {
    world: World,
    pool: LocalPool,
    holder: Locks,
    waiter: Locks,
}

impl Bench {
    fn new(options: Options) -> Self {
        let (world, pool) = (World::new(), LocalPool::new());
        let client = |options: Options| {
            let (locks, drive) = Locks::start(options, world.clone(), world.clock.clone()).unwrap();
            pool.spawner().spawn_local(drive).unwrap();
            locks
        };
        let (holder, waiter) = (client(patient()), client(options));
        Self { world, pool, holder, waiter }
    }

    fn hold(&mut self, name: &str) -> Lock {
        self.pool.run_until(self.holder.acquire(name)).unwrap()
    }

    /// What comes of waiting for it.
    fn wait_for(&mut self, name: &str) -> Rc<RefCell<Option<Lock>>> {
        let slot = Rc::new(RefCell::new(None));
        let (filled, acquiring) = (Rc::clone(&slot), self.waiter.request(name).acquire());
        let waiting = acquiring.map(move |lock| *filled.borrow_mut() = lock.ok());
        self.pool.spawner().spawn_local(waiting).unwrap();
        self.pool.run_until_stalled();
        slot
    }

    fn release(&mut self, lock: Lock) {
        self.pool.run_until(lock.release()).unwrap();
        self.pool.run_until_stalled();
    }
}

#[test]
fn a_waiter_has_the_lock_as_soon_as_it_is_released() {
    let mut bench = Bench::new(patient());
    let held = bench.hold("a");
    assert!(!listens(&bench.world), "nobody waits");
    let waited = bench.wait_for("a");
    assert!(bench.world.has_line("a"));
    bench.release(held);
    assert!(waited.borrow().as_ref().is_some_and(|lock| lock.is_held()));
}

#[test]
fn notifications_that_come_together_are_all_heard() {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let mut bench = Bench::new(patient());
    let held = NAMES.map(|name| bench.hold(name));
    let waited = NAMES.map(|name| bench.wait_for(name));
    // All are released before either loop has its turn again.
    drop(held);
    bench.pool.run_until_stalled();
    assert!(waited.iter().all(|slot| slot.borrow().is_some()));
}

#[test]
fn without_hints_nobody_listens() {
    let mut bench = Bench::new(patient().hints(false).poll(Duration::from_secs(1)));
    let held = bench.hold("a");
    let sessions = bench.world.open_sessions();
    let waited = bench.wait_for("a");
    assert_eq!(bench.world.open_sessions(), sessions + 1);
    bench.release(held);
    assert!(!listens(&bench.world) && waited.borrow().is_none());
    bench.world.clock.advance(Duration::from_secs(1));
    bench.pool.run_until_stalled();
    assert!(waited.borrow().is_some());
}

#[test]
fn who_is_told_nothing_looks() {
    let mut bench = Bench::new(patient().poll(Duration::from_secs(1)));
    let held = bench.hold("a");
    let waited = bench.wait_for("a");
    bench.world.forget_listeners();
    bench.release(held);
    assert!(waited.borrow().is_none());
    bench.world.clock.advance(Duration::from_secs(1));
    bench.pool.run_until_stalled();
    assert!(waited.borrow().is_some());
}

fn blocking_locks(world: &World, options: Options) -> blocking::Locks {
    blocking::Locks::start(options, world.clone(), BootClock).unwrap()
}

fn wait_until(so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came to be");
        thread::yield_now();
    }
}

#[test]
fn a_blocked_waiter_has_the_lock_as_soon_as_it_is_released() {
    let world = World::new();
    let (holder, waiter) = (blocking_locks(&world, patient()), blocking_locks(&world, patient()));
    let held = holder.acquire("a").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire("a"));
        wait_until(|| world.has_line("a"));
        held.release().unwrap();
        assert!(waiting.join().unwrap().unwrap().is_held());
    });
    waiter.shut_down();
    holder.shut_down();
    wait_until(|| world.open_sessions() == 0);
}

#[test]
fn a_blocked_waiter_without_hints_does_not_listen() {
    let world = World::new();
    let looks = patient().hints(false).poll(Duration::from_millis(10));
    let (holder, waiter) = (blocking_locks(&world, patient()), blocking_locks(&world, looks));
    let held = holder.acquire("a").unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| waiter.acquire("a"));
        wait_until(|| world.log().iter().any(|sent| matches!(sent, Statement::Look(_))));
        held.release().unwrap();
        assert!(waiting.join().unwrap().is_ok());
    });
    assert!(!listens(&world) && !world.has_line("a"));
}
