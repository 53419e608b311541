//! Times that pass around the moment in which the lock is given back. None of them leaves a hold behind, on whichever
//! way the lock was waited for: neither on the client, nor on the server without the client's knowledge.
//!
//! `PGLOCK_TEST_RACES` sets how many races there are on each way over each adapter.

use std::time::{Duration, Instant};

use pglock_driver::{Error, Options};
use pglock_tests::{Database, setting};
use tokio::task::{JoinHandle, JoinSet, LocalSet};

use crate::adapter::{
    Adapter, Lock, Locks, Request, Stranger, Way, arguments, database, ms, options,
};

over_each_driver! {
    times_that_pass_with_the_grant_in_line_leave_no_hold,
    times_that_pass_with_the_grant_of_a_poll_leave_no_hold,
}

/// How many places are raced for at once.
const LANES: u64 = 8;

async fn times_that_pass_with_the_grant_in_line_leave_no_hold(adapter: Adapter) {
    let slices = options().slice(ms(1)).lines(LANES.try_into().unwrap());
    race(adapter, Way::InLine, slices).await;
}

async fn times_that_pass_with_the_grant_of_a_poll_leave_no_hold(adapter: Adapter) {
    race(adapter, Way::Default, options().poll(ms(1))).await;
}

async fn race(adapter: Adapter, way: Way, options: Options) {
    let database = database();
    let locks = adapter.locks_with(options, &database).await;
    let races = setting("PGLOCK_TEST_RACES", 300).div_ceil(LANES);
    let (mut lanes, mut tally) = (JoinSet::new(), Tally::default());
    let all = LocalSet::new();
    for number in 0..LANES {
        let lane = Lane::new(number, way, locks.clone(), &database).await;
        lanes.spawn_local_on(lane.run(races), &all);
    }
    all.await;
    while let Some(lane) = lanes.join_next().await {
        tally.add(lane.unwrap());
    }
    tally.say(adapter, way);
    assert_eq!(tally.leaks, 0);
    assert!(tally.late > 0 && tally.granted > 0, "{tally:?}");
    Stranger::of(&database).await.sees(0).await;
}

/// One place, where race follows race. Somebody of the client always has the lock or waits for it, so that its session
/// goes on and with it whatever a race has left there.
struct Lane {
    name: String,
    way: Way,
    locks: Locks,
    stranger: Stranger,
    watcher: Stranger,
    span: Span,
    tally: Tally,
}

impl Lane {
    async fn new(number: u64, way: Way, locks: Locks, database: &Database) -> Self {
        let (stranger, watcher) = (Stranger::of(database).await, Stranger::of(database).await);
        stranger.execute("SET lock_timeout = '60s'").await;
        let (name, span, tally) = (format!("lane {number}"), Span::new(), Tally::default());
        Self { name, way, locks, stranger, watcher, span, tally }
    }

    async fn run(mut self, races: u64) -> Tally {
        let mut lock = self.request().acquire().await.unwrap();
        for number in 0..races {
            let Some(next) = self.race(number, lock).await else { return self.tally };
            lock = next;
        }
        lock.free().await;
        self.tally.leaks += u32::from(!self.stranger_takes().await);
        self.tally
    }

    /// The stranger is handed the lock and gives it back just when the racer stops to wait for it. Then it is the next
    /// one's; nobody's if the stranger did not get it though it had been given back.
    async fn race(&mut self, number: u64, lock: Lock) -> Option<Lock> {
        let waiting = self.racer_and_next(number);
        let (handed_over, ()) = tokio::join!(self.stranger_takes(), async {
            self.stranger.blocked(&self.watcher).await;
            lock.free().await;
        });
        if !handed_over {
            self.tally.leaks += 1;
            return None;
        }
        let given_back = self.stranger_gives_back(number).await;
        let Waited { due, raced, next } = waiting.await.unwrap();
        self.span.raced(raced.is_ok());
        self.tally.note(raced, due, given_back);
        Some(next)
    }

    fn request(&self) -> Request {
        self.way.to(self.name.as_str(), &self.locks)
    }

    /// Every second race is for a share.
    fn racer_and_next(&self, number: u64) -> JoinHandle<Waited> {
        let (racer, next) = (self.request(), self.request());
        let racer = if number.is_multiple_of(2) { racer.shared() } else { racer };
        let span = self.span.length + hold(number);
        tokio::spawn(async move {
            let due = Instant::now() + span;
            let racing = async { racer.acquire_within(span).await.map(drop) };
            let (raced, next) = tokio::join!(racing, next.acquire());
            Waited { due, raced, next: next.unwrap() }
        })
    }

    async fn stranger_takes(&self) -> bool {
        let place = arguments(&self.name.as_str().into());
        let take = format!("SELECT pg_advisory_lock({place})");
        self.stranger.client().batch_execute(&take).await.is_ok()
    }

    async fn stranger_gives_back(&self, number: u64) -> Instant {
        let place = arguments(&self.name.as_str().into());
        let seconds = hold(number).as_secs_f64();
        let give_back = format!(
            "SELECT CASE WHEN pg_sleep({seconds}) IS NOT NULL THEN pg_advisory_unlock({place}) END"
        );
        assert!(self.stranger.says(&give_back).await);
        Instant::now()
    }
}

/// What came of a racer, and of the one who waits behind it.
struct Waited {
    due: Instant,
    raced: Result<(), Error>,
    next: Lock,
}

/// How long the stranger keeps the lock: at another moment within a slice each time.
fn hold(number: u64) -> Duration {
    ms(2) + Duration::from_micros(number % 16 * 130)
}

/// How long a racer waits, beyond the time for which the stranger keeps the lock. Follows the grant, however fast the
/// machine is: whoever had the lock leaves sooner next time, whoever was late stays longer.
struct Span {
    length: Duration,
    step: Duration,
    had_it: bool,
}

impl Span {
    const STEP: Duration = Duration::from_micros(100);

    const fn new() -> Self {
        Self { length: Duration::from_millis(3), step: Self::STEP, had_it: false }
    }

    fn raced(&mut self, has_it: bool) {
        self.step =
            if has_it == self.had_it { (self.step * 2).min(Self::STEP * 8) } else { Self::STEP };
        self.had_it = has_it;
        self.length =
            if has_it { self.length.saturating_sub(self.step) } else { self.length + self.step };
    }
}

/// How races ended.
#[derive(Debug, Default)]
struct Tally {
    granted: u32,
    late: u32,
    leaks: u32,
    /// Between the moment when the lock was given back and that when time was over.
    gaps: Vec<Duration>,
}

impl Tally {
    fn note(&mut self, raced: Result<(), Error>, due: Instant, given_back: Instant) {
        match raced {
            Ok(()) => self.granted += 1,
            Err(error) => {
                self.late += 1;
                assert_eq!(error, Error::TimedOut(None));
            }
        }
        let gap = due.max(given_back) - due.min(given_back);
        self.gaps.push(gap);
    }

    fn add(&mut self, other: Self) {
        self.granted += other.granted;
        self.late += other.late;
        self.leaks += other.leaks;
        self.gaps.extend(other.gaps);
    }

    fn say(&mut self, adapter: Adapter, way: Way) {
        self.gaps.sort_unstable();
        let median = self.gaps.get(self.gaps.len() / 2).copied().unwrap_or_default();
        println!(
            "{adapter:?}, {way:?}: {} races, {} granted, {} timed out, leaks={}; in half of them the time was over \
             within {median:?} of the lock being given back",
            self.granted + self.late,
            self.granted,
            self.late,
            self.leaks,
        );
    }
}
