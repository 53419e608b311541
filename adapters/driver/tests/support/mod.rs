//! A server in memory, connections to it that can fail in every way, and a clock that is moved by hand.
#![allow(dead_code, reason = "each test program uses its part")]

mod advisory;
pub(crate) mod dropping;
mod inbox;

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};
use std::time::Duration;

use pglock_core::{Advisory, Call, Statement};
use pglock_driver::{
    Clock, Command, Connect, ConnectError, Instant, LockName, Outcome, Session, SessionKind, Timer,
    blocking,
};
use pglock_testkit::Server;

use inbox::Inbox;

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// The connection breaks before the command arrives.
    NotSent,
    /// The connection breaks before the answer arrives.
    AnswerLost,
    /// The network goes silent.
    Silence,
    DriverPanics,
    /// The clock moves on between sending and answer.
    Takes(Duration),
}

type Fates = Box<dyn FnMut(&Statement) -> Fate + Send>;

/// The server, the network and the clock. Clones are the same one.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) server: Arc<Mutex<Server>>,
    pub(crate) advisory: Arc<Mutex<advisory::Sessions>>,
    fates: Arc<Mutex<Fates>>,
    log: Arc<Mutex<Vec<Statement>>>,
    listeners: Arc<Mutex<Vec<Weak<Inbox>>>>,
    open: Arc<AtomicUsize>,
    down: Arc<AtomicUsize>,
    hesitates: Arc<AtomicBool>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_server(Server::with_table())
    }

    pub(crate) fn with_server(server: Server) -> Self {
        Self {
            clock: TestClock::default(),
            server: Arc::new(Mutex::new(server)),
            advisory: Arc::default(),
            fates: Arc::new(Mutex::new(Box::new(|_| Fate::Answered))),
            log: Arc::default(),
            listeners: Arc::default(),
            open: Arc::default(),
            down: Arc::default(),
            hesitates: Arc::default(),
        }
    }

    pub(crate) fn decide(&self, fates: impl FnMut(&Statement) -> Fate + Send + 'static) {
        *self.fates.lock().unwrap() = Box::new(fates);
    }

    /// The first statement that `matches` meets this fate.
    pub(crate) fn once(&self, fate: Fate, matches: impl Fn(&Statement) -> bool + Send + 'static) {
        self.first(1, fate, matches);
    }

    /// The first so many statements that `matches` meet this fate.
    pub(crate) fn first(
        &self,
        times: usize,
        fate: Fate,
        matches: impl Fn(&Statement) -> bool + Send + 'static,
    ) {
        let mut met = 0;
        self.decide(move |statement| {
            if met < times && matches(statement) {
                met += 1;
                fate
            } else {
                Fate::Answered
            }
        });
    }

    /// From now on nothing is done at the first poll: connecting, sending and answering take one more each.
    pub(crate) fn hesitate(&self) {
        self.hesitates.store(true, Ordering::SeqCst);
    }

    async fn hesitated(&self) {
        if self.hesitates.load(Ordering::SeqCst) {
            hesitate().await;
        }
    }

    pub(crate) fn refuse_connections(&self, refuse: bool) {
        self.down.store(refuse.into(), Ordering::SeqCst);
    }

    pub(crate) fn open_sessions(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// What has arrived at connections so far.
    pub(crate) fn log(&self) -> Vec<Statement> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn is_free(&self, name: &str) -> bool {
        let server = self.server.lock().unwrap();
        server.row(&LockName::new(name).unwrap()).is_none_or(|row| row.rvn.is_none())
    }

    /// Whether somebody waits in line for the lock.
    pub(crate) fn has_line(&self, name: &str) -> bool {
        let server = self.server.lock().unwrap();
        server.row(&LockName::new(name).unwrap()).is_some_and(|row| !row.waiters.is_empty())
    }

    /// From now on nobody who has begun to listen is told anything.
    pub(crate) fn forget_listeners(&self) {
        self.listeners.lock().unwrap().clear();
    }

    /// Another program takes the lock, whoever holds it.
    pub(crate) fn take_from_outside(&self, name: &str) {
        let owner = pglock_driver::Owner::new("outsider").unwrap();
        let name = LockName::new(name).unwrap();
        self.server.lock().unwrap().foreign_write(&name, &owner).unwrap();
    }

    fn fate(&self, statement: &Statement) -> Fate {
        self.log.lock().unwrap().push(statement.clone());
        (self.fates.lock().unwrap())(statement)
    }

    fn run(&self, statement: &Statement) -> Outcome {
        let mut server = self.server.lock().unwrap();
        let outcome = server.execute(statement);
        for payload in server.take_notifications() {
            let listeners = self.listeners.lock().unwrap();
            listeners.iter().filter_map(Weak::upgrade).for_each(|inbox| inbox.put(&payload));
        }
        outcome
    }

    fn admit(&self) -> Result<TestSession, ConnectError> {
        if self.down.load(Ordering::SeqCst) > 0 {
            return Err(ConnectError::unreachable("nobody listens"));
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        let (silence, silent) = channel();
        let silent = Mutex::new(silent);
        let number = self.advisory.lock().unwrap().begin();
        Ok(TestSession {
            world: self.clone(),
            inbox: Arc::default(),
            number,
            broken: Signal::default(),
            silent,
            _silence: silence,
        })
    }
}

pub(crate) struct TestSession {
    world: World,
    inbox: Arc<Inbox>,
    number: u32,
    broken: Signal,
    /// Never says anything.
    silent: Mutex<Receiver<Infallible>>,
    _silence: Sender<Infallible>,
}

impl Drop for TestSession {
    fn drop(&mut self) {
        self.world.advisory.lock().unwrap().end(self.number);
        self.world.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Connect for World {
    type Session = TestSession;

    async fn connect(&self, _: SessionKind) -> Result<TestSession, ConnectError> {
        self.hesitated().await;
        self.admit()
    }
}

impl Session for TestSession {
    async fn execute(&self, command: Command) -> Outcome {
        let statement = command.statement();
        self.world.hesitated().await;
        let outcome = self.meet(self.world.fate(statement), statement).await;
        self.world.hesitated().await;
        outcome
    }

    async fn closed(&self) {
        self.broken.wait().await;
    }

    async fn notified(&self) -> String {
        self.inbox.next().await
    }
}

impl TestSession {
    /// Nothing yet if the statement waits for an advisory lock.
    fn begin(&self, statement: &Statement) -> Option<Outcome> {
        if *statement == Statement::Listen {
            self.world.listeners.lock().unwrap().push(Arc::downgrade(&self.inbox));
        }
        if let Statement::Advisory(statement) = statement {
            return self.world.advisory.lock().unwrap().begin_statement(self.number, *statement);
        }
        Some(self.world.run(statement))
    }

    async fn run(&self, statement: &Statement) -> Outcome {
        match self.begin(statement) {
            Some(outcome) => outcome,
            None => self.wait(slice(statement)).await,
        }
    }

    async fn wait(&self, slice: Duration) -> Outcome {
        let until = self.world.clock.now().saturating_add(slice);
        let mut time = pin!(self.world.clock.sleep_until(until));
        poll_fn(|cx| {
            let is_over = time.as_mut().poll(cx).is_ready();
            self.world.advisory.lock().unwrap().poll_statement(self.number, is_over, cx)
        })
        .await
    }

    async fn meet(&self, fate: Fate, statement: &Statement) -> Outcome {
        match fate {
            Fate::Answered => self.run(statement).await,
            Fate::NotSent => {
                self.broken.give();
                Outcome::Lost
            }
            Fate::AnswerLost => {
                drop(self.begin(statement));
                self.broken.give();
                Outcome::Lost
            }
            Fate::Silence => pending().await,
            Fate::DriverPanics => panic!("a driver's bug, made on purpose"),
            Fate::Takes(span) => {
                let outcome = self.run(statement).await;
                self.world.clock.advance(span);
                outcome
            }
        }
    }
}

impl blocking::Connect for World {
    type Session = TestSession;

    fn connect(&self, _: SessionKind) -> Result<TestSession, ConnectError> {
        self.admit()
    }
}

impl blocking::Session for TestSession {
    fn execute(&mut self, command: &Command) -> Outcome {
        let statement = command.statement();
        match self.world.fate(statement) {
            Fate::Answered | Fate::Takes(_) => self.begin(statement).expect("nobody waits here"),
            Fate::NotSent => Outcome::Lost,
            Fate::AnswerLost => {
                drop(self.begin(statement));
                Outcome::Lost
            }
            Fate::Silence => match self.silent.lock().unwrap().recv() {
                Ok(never) => match never {},
                Err(_) => Outcome::Lost,
            },
            Fate::DriverPanics => panic!("a driver's bug, made on purpose"),
        }
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn wait_for_notification(&mut self, patience: Duration) -> Option<String> {
        self.inbox.next_within(patience)
    }
}

/// Stands still unless it is moved.
#[derive(Clone, Default)]
pub(crate) struct TestClock {
    now: Arc<AtomicU64>,
    sleepers: Arc<Mutex<Vec<Waker>>>,
}

impl TestClock {
    pub(crate) fn advance(&self, span: Duration) {
        self.now.fetch_add(u64::try_from(span.as_nanos()).unwrap(), Ordering::SeqCst);
        self.sleepers.lock().unwrap().drain(..).for_each(Waker::wake);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.now.load(Ordering::SeqCst))
    }
}

impl Timer for TestClock {
    async fn sleep_until(&self, moment: Instant) {
        poll_fn(|cx| {
            self.sleepers.lock().unwrap().push(cx.waker().clone());
            if self.now() >= moment { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// How long a statement waits for an advisory lock.
const fn slice(statement: &Statement) -> Duration {
    let Statement::Advisory(Advisory { call: Call::Take(_, _, slice), .. }) = statement else {
        return Duration::ZERO;
    };
    *slice
}

/// Pending once.
pub(crate) async fn hesitate() {
    let mut polled = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[derive(Default)]
struct Signal {
    given: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Signal {
    fn give(&self) {
        self.given.store(1, Ordering::SeqCst);
        self.waiting.lock().unwrap().drain(..).for_each(Waker::wake);
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.waiting.lock().unwrap().push(cx.waker().clone());
            if self.given.load(Ordering::SeqCst) > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
