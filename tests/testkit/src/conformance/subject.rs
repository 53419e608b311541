//! The driver under test: how its parts are had, and what of it everybody needs.

use std::any::Any;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, LocalBoxFuture};
use pglock_core::{Instant, SessionKind};
use pglock_driver::{Clock, Connect, ConnectError, Error, Options, Timer, blocking};

use super::alarm::pause;
use super::block_on::block_on;
use super::bridge::Bridge;
use super::broken::Broken;
use super::driver::{Async, Driver, Line, Served};
use super::handle::Pids;
use super::session::{Session, int};
use super::url::Url;

/// How long anything may take that a driver has promised to do, before it counts as not done.
const PATIENCE: Duration = Duration::from_secs(60);

/// A driver that is to keep its promises: made anew for each of them.
pub struct Subject {
    url: String,
    driver: Box<dyn Driver>,
    is_blocking: bool,
    run: Box<dyn Fn(LocalBoxFuture<'static, ()>) + Send + Sync>,
    patience: Duration,
    deaf: bool,
    unaware: bool,
    _kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Subject {
    /// An async driver.
    ///
    /// `url` is that of a database in which the suite may do anything, of encoding UTF8; others may be at work there
    /// meanwhile. It must name the server's host, `postgres://user:password@host:port/database`.
    ///
    /// `connect` makes what opens connections to where a URL says. It is called with others, too: with the same
    /// server behind a relay at `127.0.0.1`, with a role or a database that does not exist.
    ///
    /// `timer` is the clock that the locks are going to use, and `block_on` runs a future to its end on the runtime
    /// that the driver needs, for example on a new one.
    pub fn new<C: Connect, T: Timer>(
        url: &str,
        connect: impl Fn(&str) -> C + Send + Sync + 'static,
        timer: T,
        block_on: impl Fn(LocalBoxFuture<'static, ()>) + Send + Sync + 'static,
    ) -> Self {
        Self::of(url, Box::new(Async::new(connect, timer)), Box::new(block_on), false)
    }

    /// A blocking driver; see [`Subject::new`].
    pub fn blocking<C: blocking::Connect, K: Clock>(
        url: &str,
        connect: impl Fn(&str) -> C + Send + Sync + 'static,
        clock: K,
    ) -> Self {
        Self::of(url, Box::new(Bridge::new(connect, clock)), Box::new(block_on), true)
    }

    fn of(
        url: &str,
        driver: Box<dyn Driver>,
        run: Box<dyn Fn(LocalBoxFuture<'static, ()>) + Send + Sync>,
        is_blocking: bool,
    ) -> Self {
        Self {
            url: url.into(),
            driver,
            is_blocking,
            run,
            patience: PATIENCE,
            deaf: false,
            unaware: false,
            _kept: Vec::new(),
        }
    }

    /// Keeps something for as long as it is needed: a database that goes away when it is dropped.
    #[must_use]
    pub fn keeping(mut self, thing: impl Any + Send + Sync) -> Self {
        self._kept.push(Box::new(thing));
        self
    }

    /// How long anything may take that was promised; a minute by default. A driver that keeps its promises never
    /// waits for it.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// It brings no notifications, and nothing is asked of them. Its users should say
    /// [`hints(false)`](Options::hints).
    #[must_use]
    pub fn without_notifications(self) -> Self {
        Self { deaf: true, ..self }
    }

    /// It cannot tell by itself that a connection has ended, and is not asked to. Its users learn of lost advisory
    /// locks only from the next statement.
    #[must_use]
    pub fn without_closing(self) -> Self {
        Self { unaware: true, ..self }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("is_blocking", &self.is_blocking).finish_non_exhaustive()
    }
}

/// For those who run promises.
impl Subject {
    pub(super) const fn is_blocking(&self) -> bool {
        self.is_blocking
    }

    pub(super) const fn patient(&self) -> Duration {
        self.patience
    }

    pub(super) fn run(&self, future: LocalBoxFuture<'static, ()>) {
        (self.run)(future);
    }
}

/// For promises.
impl Subject {
    pub(super) const fn brings_notifications(&self) -> bool {
        !self.deaf
    }

    pub(super) const fn tells_the_end(&self) -> bool {
        !self.unaware
    }

    pub(super) fn url(&self) -> Result<Url, Broken> {
        Url::parse(&self.url)
    }

    /// A session for work, straight to the server.
    pub(super) async fn session(&self) -> Result<Session, Broken> {
        self.session_for(SessionKind::Work).await
    }

    pub(super) async fn session_for(&self, kind: SessionKind) -> Result<Session, Broken> {
        self.session_at(&self.url, kind).await
    }

    pub(super) async fn session_at(&self, url: &str, kind: SessionKind) -> Result<Session, Broken> {
        match self.attempt(url, kind).await? {
            Ok(line) => Session::new(line, self.patience).await,
            Err(error) => Err(Broken::new(format!("no connection of kind {kind:?}: {error}"))),
        }
    }

    /// What comes of opening a connection.
    pub(super) async fn attempt(
        &self,
        url: &str,
        kind: SessionKind,
    ) -> Result<Result<Box<dyn Line>, ConnectError>, Broken> {
        let opening = self.driver.connect(url, kind);
        match super::alarm::within(self.patience, opening).await {
            Some(opened) => Ok(opened),
            None => Err(Broken::new("connect() does not end")),
        }
    }

    /// A connection that is being opened, and is not when this is dropped.
    pub(super) fn opening(&self, url: &str) -> impl Future<Output = bool> + use<> {
        let opening = self.driver.connect(url, SessionKind::Work);
        async { opening.await.is_ok() }
    }

    pub(super) fn locks(&self, options: Options, pids: &Pids) -> Result<Served, Error> {
        self.driver.locks(&self.url, options, pids)
    }

    pub(super) fn now(&self) -> Instant {
        self.driver.now()
    }

    pub(super) fn sleep_until(&self, moment: Instant) -> Option<BoxFuture<'static, ()>> {
        self.driver.sleep_until(moment)
    }

    /// Waits until it is so.
    pub(super) async fn until(
        &self,
        what: &str,
        mut so: impl AsyncFnMut() -> Result<bool, Broken>,
    ) -> Result<(), Broken> {
        const PAUSE: Duration = Duration::from_millis(5);
        let start = std::time::Instant::now();
        while !so().await? {
            if start.elapsed() > self.patience {
                return Err(Broken::new(format!(
                    "{what} did not come about in {:?}",
                    self.patience
                )));
            }
            pause(PAUSE).await;
        }
        Ok(())
    }

    /// Waits until the server has a session no more.
    pub(super) async fn until_ended(&self, pid: i64, observer: &Session) -> Result<(), Broken> {
        self.until("the end of the session on the server", async || {
            let there = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1::int8)";
            Ok(!observer.holds(there, vec![int(pid)]).await?)
        })
        .await
    }

    /// Has the server end a session.
    pub(super) async fn kill(&self, pid: i64, killer: &Session) -> Result<bool, Broken> {
        killer.holds("SELECT pg_terminate_backend($1::int8::int4)", vec![int(pid)]).await
    }
}

/// A number that nobody else uses, in this process or another.
pub(super) fn unique() -> u64 {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one(NUMBER.fetch_add(1, Ordering::Relaxed))
}
