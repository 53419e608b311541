//! The blocking loop: that no connection holds up another, and that nobody is left waiting. What the
//! guards promise is the async loop's to show; they are the same.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod support;

use std::thread;
use std::time::{Duration, Instant};

use pglock_core::Statement;
use pglock_driver::blocking::Locks;
use pglock_driver::{BootClock, Error, Loss, Options};
use pglock_testkit::Server;
use support::{Fate, World};

/// Short, for the tests that wait until one has passed.
const SHORT: Duration = Duration::from_secs(1);

fn locks(world: &World) -> Locks {
    Locks::start(Options::default(), world.clone(), BootClock).unwrap()
}

fn is_acquire(statement: &Statement) -> bool {
    matches!(statement, Statement::Acquire(_))
}

/// Waits until it is so.
fn wait_until(so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came to be");
        thread::yield_now();
    }
}

#[test]
fn a_lock_is_acquired_amended_and_released() {
    let world = World::new();
    let locks = locks(&world);
    let lock = locks.request("a").data("first").acquire().unwrap();
    assert!(lock.is_held());
    lock.heartbeat().unwrap();
    lock.extend(Duration::from_secs(60)).unwrap();
    assert!(lock.remaining() > Duration::from_secs(30));
    lock.set_data("second").unwrap();
    assert_eq!(locks.get("a").unwrap().unwrap().data.as_deref(), Some(&b"second"[..]));
    lock.clear_data().unwrap();
    assert!(locks.try_acquire("a").unwrap().is_none());
    let patience = Duration::from_millis(10);
    assert!(matches!(locks.acquire_within("a", patience), Err(Error::TimedOut(_))));
    assert!(lock.release().unwrap().confirmed);
    assert!(world.is_free("a"));
    assert_eq!(locks.list("").unwrap().len(), 1);
}

#[test]
fn a_silent_network_does_not_hold_up_the_deadline() {
    let world = World::new();
    let locks = locks(&world);
    let lock = locks.request("a").lease(SHORT).acquire().unwrap();
    world.decide(|_| Fate::Silence);
    assert_eq!(lock.lost(), Loss::Expired);
    assert!(!lock.is_held());
    assert_eq!(lock.release(), Err(Error::Lost(Loss::Expired)));
}

#[test]
fn a_driver_that_panics_strands_nobody() {
    let world = World::new();
    let locks = locks(&world);
    world.once(Fate::DriverPanics, is_acquire);
    let lock = locks.acquire("a").unwrap();
    assert!(lock.is_held());
}

#[test]
fn work_sees_that_its_lock_is_lost() {
    let world = World::new();
    let locks = locks(&world);
    let done = locks.request("a").lease(SHORT).run(|lock| {
        world.take_from_outside("a");
        lock.lost()
    });
    assert!(matches!(done, Err(Error::Lost(_))), "{done:?}");
    assert_eq!(locks.run("b", |lock| lock.is_held()), Ok(true));
    assert!(world.is_free("b"));
}

#[test]
fn a_shut_down_ends_all_threads() {
    let world = World::new();
    let locks = locks(&world);
    let held = locks.acquire("a").unwrap();
    let waiting = thread::spawn({
        let locks = locks.clone();
        move || locks.acquire("a").map(|_| ())
    });
    locks.shut_down();
    assert_eq!(held.ensure_held(), Err(Error::Lost(Loss::Released)));
    assert_eq!(waiting.join().unwrap(), Err(Error::Closed));
    assert!(world.is_free("a"));
    wait_until(|| world.open_sessions() == 0);
    assert_eq!(locks.get("a"), Err(Error::Closed));
}

#[test]
fn dropping_all_handles_gives_everything_back() {
    let world = World::new();
    let locks = locks(&world);
    let lock = locks.acquire("a").unwrap();
    drop(locks);
    assert!(lock.is_held(), "a guard keeps the loop running");
    drop(lock);
    wait_until(|| world.is_free("a") && world.open_sessions() == 0);
}

#[test]
fn opening_makes_the_table_unless_told_not_to() {
    let world = World::with_server(Server::without_table());
    let open = |options| Locks::open(options, world.clone(), BootClock).map(|_| ());
    let refused = open(Options::default().create_table(false));
    assert!(matches!(refused, Err(Error::Table(_))), "{refused:?}");
    assert_eq!(open(Options::default()), Ok(()));
    assert_eq!(open(Options::default().create_table(false)), Ok(()));
    world.refuse_connections(true);
    let refused = open(Options::default());
    assert!(matches!(refused, Err(Error::Connect(_))), "{refused:?}");
}
