//! The async loop and its guards, on a clock that is moved by hand.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::{AbortHandle, BoxFuture, abortable};
use futures::task::LocalSpawnExt;
use pglock_core::Statement;
use pglock_driver::{Clock, Drift, Error, Heartbeat, Lock, Locks, Loss, Options, Wait, blocking};
use pglock_testkit::Server;
use support::{Fate, World};

const LEASE: Duration = Duration::from_secs(20);

/// A world, and locks in it whose loop runs until nothing is left to do whenever `run` is called.
struct Bench {
    world: World,
    locks: Locks,
    pool: LocalPool,
    spawner: LocalSpawner,
    /// Ends the loop without ceremony.
    end: AbortHandle,
}

impl Bench {
    fn new() -> Self {
        Self::in_world(World::new())
    }

    fn in_world(world: World) -> Self {
        let options = Options::default().owner("bench").seed(1);
        let (locks, drive) = Locks::start(options, world.clone(), world.clock.clone()).unwrap();
        let pool = LocalPool::new();
        let spawner = pool.spawner();
        let (drive, end) = abortable(drive);
        spawner.spawn_local(drive.map(|_| ())).unwrap();
        Self { world, locks, pool, spawner, end }
    }

    /// Runs everything as far as it gets without time passing.
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

    /// Starts something; its result can be taken once it is there.
    fn start<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> Started<T> {
        let slot = Rc::new(RefCell::new(None));
        let filled = Rc::clone(&slot);
        let task = task.map(move |value| *filled.borrow_mut() = Some(value));
        self.spawner.spawn_local(task).unwrap();
        Started(slot)
    }

    fn result<T: 'static>(&mut self, task: impl Future<Output = T> + 'static) -> T {
        let started = self.start(task);
        self.settle();
        started.take().expect("it waits for time to pass")
    }

    /// Uses a name once, so that the next acquire is a single statement.
    fn warm_up(&mut self, name: &str) {
        let lock = self.acquire(name);
        self.result(lock.release()).unwrap();
    }

    fn acquire(&mut self, name: &str) -> Lock {
        let request = self.locks.request(name);
        self.result(request.acquire()).unwrap()
    }
}

struct Started<T>(Rc<RefCell<Option<T>>>);

impl<T> Started<T> {
    fn take(&self) -> Option<T> {
        self.0.borrow_mut().take()
    }
}

fn is_acquire(statement: &Statement) -> bool {
    matches!(statement, Statement::Acquire(_))
}

fn is_renewal(statement: &Statement) -> bool {
    matches!(statement, Statement::Renew(_))
}

fn is_release(statement: &Statement) -> bool {
    matches!(statement, Statement::Release(_))
}

#[test]
fn a_lock_is_acquired_renewed_and_released() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    assert_eq!((lock.name(), lock.is_held()), ("a", true));
    assert_eq!(lock.remaining(), Drift::default().validity(LEASE));
    bench.pass(LEASE * 3);
    assert!(lock.is_held());
    assert!(!lock.is_at_risk());
    assert!(!bench.world.is_free("a"));
    let released = bench.result(lock.release()).unwrap();
    assert!(released.confirmed);
    assert!(bench.world.is_free("a"));
}

#[test]
fn the_deadline_counts_from_before_the_sending() {
    let mut bench = Bench::new();
    bench.warm_up("a");
    let slow = Duration::from_secs(4);
    bench.world.once(Fate::Takes(slow), is_acquire);
    let sent = bench.world.clock.now();
    let lock = bench.acquire("a");
    assert_eq!(lock.valid_until(), sent.saturating_add(Drift::default().validity(LEASE)));
}

#[test]
fn an_answer_is_judged_by_the_clock_after_its_arrival() {
    let mut bench = Bench::new();
    bench.warm_up("a");
    let before = bench.world.log().len();
    bench.world.once(Fate::Takes(LEASE), is_acquire);
    let lock = bench.acquire("a");
    assert!(lock.is_held(), "the late grant was believed");
    let asked = bench.world.log().split_off(before);
    assert!(asked.iter().filter(|statement| is_acquire(statement)).count() > 1);
}

#[test]
fn a_guard_tells_the_truth_while_the_loop_stands_still() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let valid = lock.remaining();
    bench.world.clock.advance(valid - Duration::from_nanos(1));
    assert_eq!(lock.ensure_held(), Ok(()));
    bench.world.clock.advance(Duration::from_nanos(1));
    assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::Expired)));
    assert_eq!(lock.remaining(), Duration::ZERO);
    assert_eq!(lock.lost().now_or_never(), Some(Loss::Expired));
}

#[test]
fn belief_ends_before_the_release_is_sent() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    let believed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&believed);
    bench.world.decide(move |statement| {
        if is_release(statement) {
            *seen.lock().unwrap() = Some(hold.is_held());
        }
        Fate::Answered
    });
    bench.result(lock.release()).unwrap();
    assert_eq!(*believed.lock().unwrap(), Some(false));
}

#[test]
fn a_renewal_that_arrives_after_release_has_begun_revives_nothing() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    let guard = Mutex::new(Some(lock));
    let believed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&believed);
    bench.world.decide(move |statement| {
        if is_renewal(statement) {
            guard.lock().unwrap().take();
        }
        seen.lock().unwrap().push((is_release(statement), hold.is_held()));
        Fate::Answered
    });
    bench.pass(LEASE / 2);
    assert_eq!(*believed.lock().unwrap(), [(false, false), (true, false)]);
}

#[test]
fn a_shorter_lease_is_believed_before_it_is_sent() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    let believed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&believed);
    bench.world.decide(move |statement| {
        if matches!(statement, Statement::Amend(_)) {
            *seen.lock().unwrap() = Some(hold.remaining());
        }
        Fate::Answered
    });
    let short = Duration::from_secs(4);
    let lock = bench.result(async move {
        lock.extend(short).await.unwrap();
        lock
    });
    assert!(believed.lock().unwrap().unwrap() <= Drift::default().validity(short));
    assert_eq!(lock.remaining(), Drift::default().validity(short));
}

#[test]
fn a_dropped_guard_gives_the_lock_back() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    drop(lock);
    assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
    bench.settle();
    assert!(bench.world.is_free("a"));
}

/// Others may have the lock from then on, long before this client knows that it was freed.
#[test]
fn whoever_awaits_the_loss_is_told_when_the_guard_is_dropped() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let hold = lock.hold();
    let lost = bench.start(async move { hold.lost().await });
    bench.settle();
    bench.world.decide(|_| Fate::AnswerLost);
    bench.world.refuse_connections(true);
    drop(lock);
    bench.settle();
    assert!(bench.world.is_free("a"));
    assert_eq!(lost.take(), Some(Loss::Released));
}

#[test]
fn a_panic_while_holding_gives_the_lock_back() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let work = std::panic::AssertUnwindSafe(async move {
        let _lock = lock;
        panic!("the user's bug, made on purpose");
    });
    assert!(bench.result(work.catch_unwind()).is_err());
    bench.settle();
    assert!(bench.world.is_free("a"));
}

#[test]
fn a_cancelled_acquire_leaves_nothing_locked() {
    let mut bench = Bench::new();
    let first = bench.acquire("a");
    let mut second = Box::pin(bench.locks.request("a").acquire());
    assert!((&mut second).now_or_never().is_none());
    bench.settle();
    drop(second);
    bench.result(first.release()).unwrap();
    bench.pass(LEASE);
    assert!(bench.world.is_free("a"));
}

#[test]
fn an_acquire_that_is_cancelled_when_granted_leaves_nothing_locked() {
    let mut bench = Bench::new();
    let mut acquiring = Box::pin(bench.locks.request("a").acquire());
    assert!((&mut acquiring).now_or_never().is_none());
    bench.settle();
    assert!(!bench.world.is_free("a"), "it should have been granted by now");
    drop(acquiring);
    bench.settle();
    assert!(bench.world.is_free("a"));
}

#[test]
fn a_lost_answer_is_settled_without_the_caller_noticing() {
    for fate in [Fate::AnswerLost, Fate::NotSent, Fate::Silence, Fate::DriverPanics] {
        let mut bench = Bench::new();
        bench.world.once(fate, is_acquire);
        let acquiring = bench.start(bench.locks.request("a").acquire());
        bench.pass(LEASE);
        let lock = acquiring.take().expect("nothing came of it").unwrap();

        bench.world.once(fate, is_renewal);
        bench.pass(LEASE);
        assert!(lock.is_held(), "{fate:?}");

        bench.world.once(fate, is_release);
        let releasing = bench.start(lock.release());
        bench.pass(LEASE);
        assert!(releasing.take().expect("nothing came of it").is_ok(), "{fate:?}");
        assert!(bench.world.is_free("a"), "{fate:?}");
    }
}

#[test]
fn without_a_server_a_lock_is_at_risk_then_lost() {
    let mut bench = Bench::new();
    let lock = bench.acquire("a");
    let lost = bench.start({
        let hold = lock.hold();
        async move { hold.lost().await }
    });
    bench.world.decide(|_| Fate::NotSent);
    bench.world.refuse_connections(true);
    bench.pass(LEASE / 2);
    assert!(lock.is_held() && lock.is_at_risk());
    assert_eq!(lost.take(), None);
    bench.pass(LEASE / 2);
    assert!(!lock.is_held() && !lock.is_at_risk());
    assert_eq!(lost.take(), Some(Loss::Expired));
    assert_eq!(bench.result(lock.release()), Err(Error::Lost(Loss::Expired)));
}

#[test]
fn work_is_dropped_when_its_lock_is_lost() {
    let mut bench = Bench::new();
    let dropped = Rc::new(());
    let kept = Rc::clone(&dropped);
    let running = bench.start(bench.locks.request("a").run(|hold| async move {
        assert!(hold.is_held());
        let _kept = kept;
        std::future::pending::<()>().await;
    }));
    bench.settle();
    assert_eq!(Rc::strong_count(&dropped), 2, "the work should be under way");
    bench.world.take_from_outside("a");
    bench.pass(LEASE);
    assert_eq!(running.take(), Some(Err(Error::Lost(Loss::TakenOver))));
    assert_eq!(Rc::strong_count(&dropped), 1, "the work should be gone");
}

#[test]
fn work_does_not_go_on_once_its_lease_has_run_out() {
    let mut bench = Bench::new();
    let (go_on, told) = oneshot::channel();
    let gone_on = Rc::new(RefCell::new(false));
    let going_on = Rc::clone(&gone_on);
    let running = bench.start(bench.locks.request("a").run(|_| async move {
        told.await.unwrap();
        *going_on.borrow_mut() = true;
    }));
    bench.settle();
    bench.world.clock.advance(LEASE);
    go_on.send(()).unwrap();
    bench.settle();
    assert!(!*gone_on.borrow());
    assert_eq!(running.take(), Some(Err(Error::Lost(Loss::Expired))));
}

#[test]
fn a_connection_that_is_given_up_is_closed() {
    let mut bench = Bench::new();
    let mut silences = 0;
    bench.world.decide(move |statement| {
        silences += u8::from(is_acquire(statement));
        if is_acquire(statement) && silences < 8 { Fate::Silence } else { Fate::Answered }
    });
    let acquiring = bench.start(bench.locks.request("a").acquire());
    bench.pass(LEASE * 4);
    let _lock = acquiring.take().expect("nothing came of it").unwrap();
    assert!(bench.world.open_sessions() <= 3, "{} are open", bench.world.open_sessions());
}

#[test]
fn work_that_is_done_in_time_brings_its_result() {
    let mut bench = Bench::new();
    let running = bench.locks.request("a").run(|hold| async move { hold.token().as_i64() });
    assert_eq!(bench.result(running), Ok(1));
    assert!(bench.world.is_free("a"));
}

#[test]
fn a_busy_lock_is_told_from_a_failure() {
    let mut bench = Bench::new();
    let _held = bench.acquire("a");
    let trying = bench.locks.request("a").try_acquire();
    assert!(bench.result(trying).unwrap().is_none());
    let trying = bench.locks.request("a").wait(Wait::Try).acquire();
    assert!(matches!(bench.result(trying), Err(Error::Busy(_))));
    let timed = bench.start(bench.locks.request("a").acquire_within(Duration::from_secs(3)));
    bench.pass(Duration::from_secs(4));
    assert!(matches!(timed.take(), Some(Err(Error::TimedOut(_)))));
}

#[test]
fn whoever_is_waited_for_is_told() {
    let mut bench = Bench::new();
    let _held = bench.acquire("a");
    let mut other = Bench::in_world(bench.world.clone());
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let request = other.locks.request("a").on_waiting(move |holder| {
        tell.lock().unwrap().push(holder.owner.clone());
    });
    let _waiting = other.start(request.acquire());
    other.pass(Duration::from_secs(1));
    assert_eq!(*told.lock().unwrap(), [Some("bench".to_owned())]);
}

#[test]
fn heartbeats_by_hand_are_confirmed() {
    let mut bench = Bench::new();
    let request = bench.locks.request("a").heartbeat(Heartbeat::ByHand);
    let lock = bench.result(request.acquire()).unwrap();
    let lock = bench.result(async move {
        lock.heartbeat().await.unwrap();
        lock
    });
    bench.pass(LEASE / 2);
    let lock = bench.result(async move {
        lock.heartbeat().await.unwrap();
        lock
    });
    assert_eq!(lock.remaining(), Drift::default().validity(LEASE));
    bench.pass(LEASE);
    let beaten = bench.result(async move { lock.heartbeat().await });
    assert_eq!(beaten, Err(Error::Lost(Loss::Expired)));
}

type Ask = BoxFuture<'static, Result<(), Error>>;

/// Lets `ask` be asked at the very moment at which the next statement is answered, after which no statement
/// arrives any more. What it gives is the ask under way.
fn ask_as_the_next_is_answered(world: &World, ask: Ask) -> Arc<Mutex<Option<Ask>>> {
    let under_way = Arc::new(Mutex::new(None));
    let (mut ask, slot) = (Some(ask), Arc::clone(&under_way));
    world.decide(move |_| {
        let Some(mut ask) = ask.take() else { return Fate::NotSent };
        assert_eq!((&mut ask).now_or_never(), None);
        *slot.lock().unwrap() = Some(ask);
        Fate::Answered
    });
    under_way
}

fn is_told(ask: &Mutex<Option<Ask>>) -> bool {
    ask.lock().unwrap().as_mut().unwrap().now_or_never().is_some()
}

#[test]
fn an_amendment_is_not_answered_by_the_one_before() {
    let mut bench = Bench::new();
    let lock = Arc::new(bench.acquire("a"));
    let (first, second) = (Arc::clone(&lock), Arc::clone(&lock));
    let second = async move { second.set_data("2").await }.boxed();
    let second = ask_as_the_next_is_answered(&bench.world, second);
    bench.result(async move { first.set_data("1").await }).unwrap();
    bench.settle();
    assert!(!is_told(&second));
    assert_eq!(lock.data().as_deref(), Some(&b"1"[..]));
    bench.world.decide(|_| Fate::Answered);
    bench.pass(LEASE / 4);
    assert!(is_told(&second));
    assert_eq!(lock.data().as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_heartbeat_by_hand_is_not_answered_by_the_one_before() {
    let mut bench = Bench::new();
    let request = bench.locks.request("a").heartbeat(Heartbeat::ByHand);
    let lock = Arc::new(bench.result(request.acquire()).unwrap());
    let (first, second) = (Arc::clone(&lock), Arc::clone(&lock));
    let clock = bench.world.clock.clone();
    let second = async move {
        clock.advance(LEASE / 8);
        second.heartbeat().await
    };
    let second = ask_as_the_next_is_answered(&bench.world, second.boxed());
    bench.result(async move { first.heartbeat().await }).unwrap();
    bench.settle();
    assert!(!is_told(&second));
    bench.world.decide(|_| Fate::Answered);
    bench.pass(LEASE / 8);
    assert!(is_told(&second));
    assert!(lock.remaining() > Drift::default().validity(LEASE) - LEASE / 8);
}

#[test]
fn data_is_what_was_set_last() {
    let mut bench = Bench::new();
    let request = bench.locks.request("a").data("first").keep_data();
    let lock = bench.result(request.acquire()).unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"first"[..]));
    let lock = bench.result(async move {
        lock.set_data("second").await.unwrap();
        lock
    });
    assert_eq!(lock.data().as_deref(), Some(&b"second"[..]));
    let locks = bench.locks.clone();
    let entry = bench.result(async move { locks.get("a").await }).unwrap().unwrap();
    assert_eq!(entry.data.as_deref(), Some(&b"second"[..]));
    let lock = bench.result(async move {
        lock.clear_data().await.unwrap();
        lock
    });
    assert_eq!(lock.data(), None);
}

#[test]
fn options_that_cannot_be_are_told_when_asked() {
    let mut bench = Bench::new();
    let refused = bench.locks.request("").lease(LEASE).acquire();
    assert!(matches!(bench.result(refused), Err(Error::Name(_))));
    let refused = bench.locks.request("a").owner("\0").acquire();
    assert!(matches!(bench.result(refused), Err(Error::Owner(_))));
    let refused = bench.locks.request("a").lease(Duration::ZERO).acquire();
    assert!(matches!(bench.result(refused), Err(Error::Config(_))));
    let world = World::new();
    let options = Options::default().table("a.b.c").owner("\0");
    let refused = Locks::start(options, world.clone(), world.clock.clone()).map(|_| ());
    assert!(matches!(refused, Err(Error::TableName(_))));
}

#[test]
fn a_shut_down_gives_everything_back_and_answers_everybody() {
    let mut bench = Bench::new();
    let held = bench.acquire("a");
    let waiting = bench.start(bench.locks.request("a").acquire());
    bench.settle();
    let locks = bench.locks.clone();
    bench.result(async move { locks.shut_down().await });
    assert_eq!(held.ensure_held(), Err(Error::Lost(Loss::Released)));
    assert!(matches!(waiting.take(), Some(Err(Error::Closed))));
    assert!(bench.world.is_free("a"));
    assert_eq!(bench.world.open_sessions(), 0);
    let (again, locks) = (bench.locks.request("b").acquire(), bench.locks.clone());
    assert!(matches!(bench.result(again), Err(Error::Closed)));
    assert!(matches!(bench.result(async move { locks.get("a").await }), Err(Error::Closed)));
    let locks = bench.locks.clone();
    bench.result(async move { locks.shut_down().await });
}

#[test]
fn when_the_loop_is_dropped_everybody_is_answered() {
    let mut bench = Bench::new();
    let held = bench.acquire("a");
    let waiting = bench.start(bench.locks.request("a").acquire());
    bench.settle();
    bench.end.abort();
    bench.settle();
    assert_eq!(held.ensure_held(), Err(Error::Lost(Loss::Closed)));
    assert!(matches!(waiting.take(), Some(Err(Error::Closed))));
    assert_eq!(bench.result(held.release()), Err(Error::Closed));
    let locks = bench.locks.clone();
    bench.result(async move { locks.shut_down().await });
}

#[test]
fn when_the_last_handle_is_gone_the_loop_ends() {
    let world = World::new();
    let (locks, drive) =
        Locks::start(Options::default(), world.clone(), world.clock.clone()).unwrap();
    let mut pool = LocalPool::new();
    let ended = Rc::new(RefCell::new(false));
    let end = Rc::clone(&ended);
    pool.spawner().spawn_local(drive.map(move |()| *end.borrow_mut() = true)).unwrap();
    let lock = pool.run_until(locks.acquire("a")).unwrap();
    drop(locks);
    pool.run_until_stalled();
    assert!(lock.is_held() && !*ended.borrow(), "a guard keeps the loop running");
    drop(lock);
    pool.run_until_stalled();
    assert!(*ended.borrow() && world.is_free("a"));
    assert_eq!(world.open_sessions(), 0);
}

#[test]
fn opening_makes_the_table_unless_told_not_to() {
    let mut pool = LocalPool::new();
    let mut open = |world: &World, options: Options| {
        let spawner = pool.spawner();
        let spawn = move |drive| spawner.spawn_local(drive).unwrap();
        pool.run_until(Locks::open(options, world.clone(), world.clock.clone(), spawn)).map(|_| ())
    };
    let world = World::with_server(Server::without_table());
    let refused = open(&world, Options::default().create_table(false));
    let Err(Error::Table(report)) = refused else { panic!("{refused:?}") };
    assert!(!report.problems.is_empty());
    assert_eq!(open(&world, Options::default()), Ok(()));
    assert_eq!(open(&world, Options::default().create_table(false)), Ok(()));
    world.refuse_connections(true);
    let refused = open(&world, Options::default());
    assert!(matches!(refused, Err(Error::Connect(_))), "{refused:?}");
}

#[test]
fn what_callers_hold_can_be_sent_to_other_threads() {
    fn sent<T: Send>(_: T) {}
    fn shared<T: Send + Sync>() {}
    fn all(locks: &Locks, lock: Lock) {
        sent(locks.acquire("a"));
        sent(locks.request("a").acquire());
        sent(locks.run("a", |hold| async move { hold.is_held() }));
        sent(locks.list(""));
        sent(lock.release());
    }
    shared::<(Locks, Lock, blocking::Locks, blocking::Lock, Error)>();
    let _compiles = all;
}
