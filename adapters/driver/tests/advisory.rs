//! Advisory locks over both loops, on a server in memory.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use pglock_core::{Call, Statement};
use pglock_driver::{
    AdvisoryKey, AdvisoryLock, AdvisoryMode, AskError, BootClock, Clock, Error, Failure, Locks,
    Loss, Options, Wait, blocking,
};
use support::{Fate, World};

const SILENCE: Duration = Duration::from_secs(15);

/// A world, and locks in it whose loop runs until nothing is left to do whenever `settle` is called.
struct Bench {
    world: World,
    locks: Locks,
    pool: LocalPool,
}

impl Bench {
    fn new() -> Self {
        Self::with(Options::default().seed(1))
    }

    fn with(options: Options) -> Self {
        let world = World::new();
        let (locks, drive) = Locks::start(options, world.clone(), world.clock.clone()).unwrap();
        let pool = LocalPool::new();
        pool.spawner().spawn_local(drive).unwrap();
        Self { world, locks, pool }
    }

    fn settle(&mut self) {
        self.pool.run_until_stalled();
    }

    /// Lets time pass, in steps of a tenth of a second.
    fn pass(&mut self, span: Duration) {
        let step = Duration::from_millis(100);
        for _ in 0..span.as_millis() / step.as_millis() {
            self.world.clock.advance(step);
            self.settle();
        }
    }

    /// Starts something; its result stands in the answer once it is there.
    fn start<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> Rc<RefCell<Option<T>>> {
        let slot = Rc::new(RefCell::new(None));
        let filled = Rc::clone(&slot);
        let task = task.map(move |value| *filled.borrow_mut() = Some(value));
        self.pool.spawner().spawn_local(task).unwrap();
        slot
    }

    fn result<T: 'static>(&mut self, task: impl Future<Output = T> + 'static) -> T {
        let slot = self.start(task);
        self.settle();
        slot.take().expect("it waits for time to pass")
    }

    fn acquire(&mut self, name: &str) -> AdvisoryLock {
        let request = self.locks.advisory(name);
        self.result(request.acquire()).unwrap()
    }

    fn held(&self) -> usize {
        self.world.advisory.lock().unwrap().held()
    }

    fn asked(&self) -> usize {
        self.world.log().len()
    }
}

fn is_look(statement: &Statement) -> bool {
    matches!(statement, Statement::Advisory(advisory) if advisory.call == Call::Look)
}

fn is_unlock(statement: &Statement) -> bool {
    matches!(statement, Statement::Advisory(advisory) if matches!(advisory.call, Call::Unlock(..)))
}

fn is_try(statement: &Statement) -> bool {
    matches!(statement, Statement::Advisory(advisory) if matches!(advisory.call, Call::Try(..)))
}

#[test]
fn a_lock_is_acquired_looked_after_and_released() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    assert_eq!((lock.key(), lock.mode()), (&AdvisoryKey::from("a"), AdvisoryMode::Exclusive));
    assert_eq!(lock.remaining(), SILENCE);
    assert!(!bench.world.advisory.lock().unwrap().taken_by_stranger("a"));
    bench.pass(SILENCE * 3);
    assert!(lock.is_held() && !lock.is_at_risk());
    assert!(bench.result(lock.release()).unwrap().confirmed);
    assert!(bench.world.advisory.lock().unwrap().taken_by_stranger("a"));
}

#[test]
fn a_lock_in_line_has_a_connection_of_its_own_as_long_as_it_is_held() {
    let mut bench = Bench::new();
    let shared = bench.acquire("a");
    let open = bench.world.open_sessions();
    let request = bench.locks.advisory("b").in_line();
    let lock = bench.result(request.acquire()).unwrap();
    assert_eq!((bench.world.open_sessions(), bench.held()), (open + 1, 2));
    bench.pass(SILENCE * 3);
    assert!(lock.is_held() && shared.is_held());
    assert!(bench.result(lock.release()).unwrap().confirmed);
    assert_eq!((bench.world.open_sessions(), bench.held()), (open, 1));
    let refused = Locks::start(
        Options::default().slice(Duration::ZERO),
        bench.world.clone(),
        bench.world.clock.clone(),
    );
    assert!(matches!(refused, Err(Error::Config(_))));
}

#[test]
fn others_are_busy_time_out_or_wait_their_turn() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let (locks, again) = (bench.locks.clone(), bench.locks.clone());
    assert!(bench.result(locks.advisory("a").try_acquire()).unwrap().is_none());
    assert!(bench.result(locks.advisory("a").shared().try_acquire()).unwrap().is_none());
    let late = bench.start(locks.advisory("a").acquire_within(Duration::from_secs(1)));
    let patient = bench.start(async move { again.advisory("a").acquire().await });
    bench.pass(Duration::from_secs(2));
    assert_eq!(late.take().unwrap().unwrap_err(), Error::TimedOut(None));
    assert!(patient.borrow().is_none());
    drop(lock);
    bench.pass(Duration::from_secs(1));
    assert!(patient.take().unwrap().unwrap().is_held());
}

#[test]
fn a_stranger_is_waited_for() {
    let mut bench = Bench::new();
    assert!(bench.world.advisory.lock().unwrap().taken_by_stranger("a"));
    let waiting = bench.start(bench.locks.advisory("a").acquire());
    bench.pass(Duration::from_secs(3));
    assert!(waiting.borrow().is_none());
    bench.world.advisory.lock().unwrap().freed_by_stranger();
    bench.pass(Duration::from_secs(1));
    assert!(waiting.take().unwrap().unwrap().is_held());
}

#[test]
fn a_dropped_guard_frees_the_lock_in_the_background() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    drop(lock);
    assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
    assert_eq!(bench.held(), 1, "nothing runs yet");
    bench.settle();
    assert_eq!(bench.held(), 0);
}

#[test]
fn belief_ends_before_the_unlock_is_sent() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    let (told, believed) = std::sync::mpsc::channel();
    bench.world.decide(move |statement| {
        if is_unlock(statement) {
            told.send(hold.is_held()).unwrap();
        }
        Fate::Answered
    });
    bench.result(lock.release()).unwrap();
    assert_eq!(believed.try_iter().collect::<Vec<_>>(), [false]);
}

#[test]
fn locks_of_one_owner_stack_without_a_statement() {
    let mut bench = Bench::new();
    let (owner, locks) = (bench.locks.owner(), bench.locks.clone());
    let first = bench.result(locks.advisory("a").by(&owner).acquire()).unwrap();
    let before = bench.asked();
    let second = bench.result(locks.advisory("a").by(&owner).acquire()).unwrap();
    let third = {
        let slot = bench.start(async move { (second.again().await, second) });
        bench.settle();
        slot.take().unwrap()
    };
    assert!(bench.result(first.release()).unwrap().confirmed);
    assert!(bench.result(third.1.release()).unwrap().confirmed);
    assert_eq!((bench.asked(), bench.held()), (before, 1));
    let last = third.0.unwrap();
    assert!(last.is_held());
    drop(last);
    bench.settle();
    assert_eq!((bench.asked(), bench.held()), (before + 1, 0));
}

#[test]
fn readers_share_and_writers_do_not() {
    let mut bench = Bench::new();
    let locks = bench.locks.clone();
    let one = bench.result(locks.advisory("a").shared().acquire()).unwrap();
    let other = bench.result(locks.advisory("a").shared().acquire()).unwrap();
    assert_eq!((one.mode(), bench.held()), (AdvisoryMode::Shared, 1));
    assert!(bench.result(locks.advisory("a").try_acquire()).unwrap().is_none());
    drop((one, other));
    assert!(bench.result(locks.advisory("a").try_acquire()).unwrap().is_some());
}

#[test]
fn the_end_of_the_session_wakes_whoever_waits_for_the_loss() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    let lost = bench.start(async move { hold.lost().await });
    let (ended, dropped) = (bench.locks.clone(), Rc::new(()));
    let kept = Rc::clone(&dropped);
    let work = |_| async move {
        let () = futures::future::pending().await;
        drop(kept);
    };
    let run = bench.start(async move { ended.advisory("b").run(work).await });
    bench.settle();
    bench.world.once(Fate::NotSent, is_look);
    bench.pass(SILENCE);
    assert_eq!(lost.take(), Some(Loss::SessionEnded));
    assert_eq!(run.take(), Some(Err(Error::Lost(Loss::SessionEnded))));
    assert_eq!(Rc::strong_count(&dropped), 1, "the work was dropped");
    assert_eq!(bench.result(lock.release()), Err(Error::Lost(Loss::SessionEnded)));
    assert_eq!(bench.held(), 0);
    assert!(bench.acquire("a").is_held(), "a new session carries on");
}

#[test]
fn a_silent_session_is_at_risk_and_then_lost() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    bench.world.decide(|_| Fate::Silence);
    let mut was_at_risk = false;
    let start = bench.world.clock.now();
    while lock.is_held() {
        was_at_risk |= lock.is_at_risk();
        bench.pass(Duration::from_millis(100));
    }
    assert!(was_at_risk);
    assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::SessionEnded)));
    assert!(bench.world.clock.now().since(start) <= SILENCE);
}

#[test]
fn a_guard_tells_the_truth_while_the_loop_stands_still() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    bench.world.clock.advance(SILENCE - Duration::from_nanos(1));
    assert_eq!(lock.ensure_held(), Ok(()));
    bench.world.clock.advance(Duration::from_nanos(1));
    assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::SessionEnded)));
    assert_eq!(lock.lost().now_or_never(), Some(Loss::SessionEnded));
}

#[test]
fn a_session_that_was_reset_has_lost_its_locks() {
    let mut bench = Bench::new();
    let (lock, other) = (bench.acquire("a"), bench.acquire("b"));
    bench.world.advisory.lock().unwrap().discard_all();
    assert_eq!(bench.result(other.release()), Err(Error::Lost(Loss::Robbed)));
    assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::Robbed)));
    assert!(bench.acquire("a").is_held());
}

#[test]
fn what_cannot_even_be_asked_for_is_said() {
    let mut bench = Bench::with(Options::default().seed(1).advisory_places(2));
    let (owner, locks) = (bench.locks.owner(), bench.locks.clone());
    let one = bench
        .result(locks.advisory(AdvisoryKey::named("one", 1)).by(&owner).shared().acquire())
        .unwrap();
    let refusal = |request: pglock_driver::AdvisoryRequest, bench: &mut Bench| {
        let refused = bench.result(request.acquire()).unwrap_err();
        (refused.to_string(), refused)
    };
    let (words, clash) = refusal(locks.advisory(AdvisoryKey::named("two", 1)), &mut bench);
    assert!(matches!(clash, Error::Ask(AskError::NameClash { .. })), "{clash:?}");
    assert!(words.contains("use another mapping"), "{words}");
    let upgrade = locks.advisory(AdvisoryKey::named("one", 1)).by(&owner);
    let (words, upgrade) = refusal(upgrade, &mut bench);
    assert!(matches!(upgrade, Error::Ask(AskError::Upgrade(_))), "{upgrade:?}");
    assert!(words.contains("release it first"), "{words}");
    let _second = bench.result(locks.advisory(2).acquire()).unwrap();
    let (words, many) = refusal(locks.advisory(3), &mut bench);
    assert_eq!(many, Error::Ask(AskError::TooManyPlaces { budget: 2 }));
    assert!(words.contains("advisory_places"), "{words}");
    assert!(one.is_held());
}

/// Also for whoever finds it so at the first look.
#[test]
fn a_full_lock_table_is_an_error_and_not_busy() {
    for first in [true, false] {
        let mut bench = Bench::new();
        let lock = first.then(|| bench.acquire("a"));
        bench.world.advisory.lock().unwrap().limit(0);
        for wait in [Wait::Try, Wait::ForEver] {
            let request = bench.locks.advisory("b").wait(wait);
            let full = bench.result(request.acquire()).unwrap_err();
            assert!(matches!(full, Error::Failed(Failure::LockTableFull(_))), "{full:?}");
            assert!(full.to_string().contains("max_locks_per_transaction"), "{full}");
        }
        assert_eq!(bench.held(), usize::from(first));
        assert!(lock.is_none_or(|lock| lock.is_held()));
        bench.world.advisory.lock().unwrap().limit(10);
        bench.pass(Duration::from_secs(1));
        assert!(bench.acquire("b").is_held());
    }
}

#[test]
fn a_shut_down_frees_all() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let (locks, waiter) = (bench.locks.clone(), bench.locks.clone());
    let waiting = bench.start(async move { waiter.advisory("a").acquire().await });
    bench.settle();
    bench.result(async move { locks.shut_down().await });
    assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::Released)));
    assert_eq!(waiting.take().unwrap().unwrap_err(), Error::Closed);
    assert_eq!((bench.held(), bench.world.open_sessions()), (0, 0));
}

#[test]
fn no_table_is_needed() {
    let world = World::with_server(pglock_testkit::Server::without_table());
    let options = Options::default().check_table(false);
    let locks = blocking::Locks::open(options, world, BootClock).unwrap();
    assert!(locks.advisory("a").acquire().unwrap().is_held());
}

#[test]
fn the_blocking_handle_has_the_same_guards() {
    let world = World::new();
    let locks = blocking::Locks::start(Options::default(), world.clone(), BootClock).unwrap();
    let owner = locks.owner();
    let lock = locks.advisory("a").by(&owner).acquire().unwrap();
    let again = lock.again().unwrap();
    assert!(locks.advisory("a").try_acquire().unwrap().is_none());
    let patience = Duration::from_millis(10);
    let late = locks.advisory("a").acquire_within(patience).unwrap_err();
    assert_eq!(late, Error::TimedOut(None));
    assert!(lock.release().unwrap().confirmed);
    assert!(again.is_held() && again.release().unwrap().confirmed);
    assert_eq!(locks.advisory("a").run(|lock| lock.is_held()), Ok(true));
    let lock = locks.advisory("a").shared().acquire().unwrap();
    world.once(Fate::AnswerLost, is_try);
    let other = locks.advisory("b").acquire().unwrap();
    assert_eq!(lock.lost(), Loss::SessionEnded);
    assert!(other.is_held());
    locks.shut_down();
    assert_eq!(world.advisory.lock().unwrap().held(), 0);
}
