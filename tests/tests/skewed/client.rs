//! A client that takes turns with a lock, behind a network of its own, and writes down what it believes and
//! when, on the one true clock.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pglock_core::LockName;
use pglock_driver::{Backoff, Drift, Error, Heartbeat, Hold, Instant, Options};
use pglock_testkit::{Account, Ending, Grant, Holder, Step};
use pglock_tests::{Fault, Proxy};

use crate::clock::{Skew, SkewedClock, Truth};
use crate::handle::{Adapter, Guard, Handle};

/// How wrong clients count on their clocks to be, in parts per million.
pub(crate) const DRIFT: u32 = 100_000;

/// The one lock.
const NAME: &str = "a";

pub(crate) struct Client {
    who: usize,
    truth: Truth,
    clock: Arc<SkewedClock>,
    proxy: Proxy,
    handle: Handle,
    account: Account,
    /// How many locks it has asked for.
    asked: u64,
}

/// A lock that is held, or was when it was looked at last.
pub(crate) struct Held {
    of: Holder,
    guard: Guard,
    hold: Hold,
    /// What was last written down.
    until: Instant,
}

impl Client {
    pub(crate) fn open(
        who: usize,
        adapter: Adapter,
        skew: Skew,
        lease: Duration,
        truth: Truth,
        database: &str,
    ) -> Self {
        let clock = Arc::new(SkewedClock::new(truth, skew));
        let proxy = Proxy::new(database);
        let handle = Handle::open(adapter, options(lease), Arc::clone(&clock), proxy.url());
        Self { who, truth, clock, proxy, handle, account: Account::default(), asked: 0 }
    }

    pub(crate) const fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Something goes wrong with the next statement.
    pub(crate) fn strike(&self, fault: Fault) {
        self.proxy.strike("", fault);
    }

    pub(crate) fn acquire(&mut self) -> Held {
        let of = Holder { who: self.who, lock: self.asked };
        self.asked += 1;
        self.tell(of, Step::Asked { name: LockName::new(NAME).expect("a name") });
        let guard = self.handle.acquire(NAME);
        let hold = guard.hold();
        let until = hold.valid_until();
        let grant = Grant {
            token: hold.token().as_i64(),
            data: hold.data().map(|data| data.to_vec()),
            until: self.clock.reaches(until),
            heard: None,
        };
        self.tell(of, Step::Granted(grant));
        Held { of, guard, hold, until }
    }

    /// Looks at a lock, writes down until when it is believed in if that has changed, and says whether it is.
    pub(crate) fn look(&mut self, held: &mut Held) -> bool {
        let until = held.hold.valid_until();
        let is_news = until != held.until && until != Instant::default();
        if is_news {
            held.until = until;
            self.tell(held.of, Step::Trusted { until: self.clock.reaches(until) });
        }
        held.hold.is_held()
    }

    /// Looks at a lock for a while, or until it is lost.
    pub(crate) fn keep(&mut self, held: &mut Held, span: Duration) {
        let begun = self.truth.now();
        while self.look(held) && Duration::from_nanos(self.truth.now() - begun) < span {
            rest();
        }
    }

    pub(crate) fn release(&mut self, held: Held) {
        self.tell(held.of, Step::LetGo);
        let ending = match held.guard.release() {
            Ok(released) if released.confirmed => Ending::Released,
            Ok(_) => Ending::Unconfirmed,
            Err(Error::Lost(_)) => Ending::Lost,
            Err(_) => Ending::Failed,
        };
        self.tell(held.of, Step::Ended(ending));
    }

    /// Gives it back without asking what comes of it.
    pub(crate) fn drop(&mut self, held: Held) {
        self.tell(held.of, Step::LetGo);
        drop(held.guard);
        self.tell(held.of, Step::Ended(Ending::Unconfirmed));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn shut_down(self) -> Account {
        self.proxy.heal();
        self.handle.shut_down();
        self.abandon()
    }

    pub(crate) fn abandon(self) -> Account {
        self.handle.abandon();
        self.account
    }

    fn tell(&mut self, of: Holder, step: Step) {
        self.account.tell(self.truth.now(), of, step);
    }
}

impl Held {
    pub(crate) fn token(&self) -> i64 {
        self.hold.token().as_i64()
    }
}

/// Between two looks.
pub(crate) fn rest() {
    thread::sleep(Duration::from_millis(2));
}

fn options(lease: Duration) -> Options {
    let drift = Drift::new(DRIFT, Duration::from_nanos(1)).expect("a drift");
    let backoff = Backoff { first: Duration::from_millis(10), longest: Duration::from_millis(100) };
    let options = Options::default().lease(lease).drift(drift).backoff(backoff);
    let options = options.heartbeat(Heartbeat::Every(lease / 8));
    options.poll(Duration::from_millis(20)).patience(Duration::from_secs(60))
}
