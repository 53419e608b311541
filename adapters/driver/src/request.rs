//! One acquire, put together option by option.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use pglock_core as core;
use pglock_core::{Heartbeat, Holder, LockName, Owner, Wait};

use crate::acquiring::{Acquiring, kept, unless_busy};
use crate::ask::{Ask, Line};
use crate::error::Error;
use crate::hold::Hold;
use crate::lock::Lock;

/// A lock to be acquired: options first, then [`acquire`](Request::acquire) or one of its kin.
///
/// A future that is dropped before its end leaves nothing locked.
///
/// ```
/// # use pglock_driver::{Error, Locks};
/// # async fn pay(locks: &Locks) -> Result<(), Error> {
/// use std::time::Duration;
///
/// let lock = locks
///     .request("invoice-42")
///     .lease(Duration::from_secs(60))
///     .data("paying")
///     .acquire_within(Duration::from_secs(5))
///     .await?;
/// # drop(lock); Ok(()) }
/// ```
#[must_use = "nothing is asked for yet"]
pub struct Request {
    line: Arc<Line>,
    /// The first mistake in the options is told when the lock is asked for.
    request: Result<core::Request, Error>,
    on_waiting: Box<dyn FnMut(&Holder) + Send>,
}

/// The options.
impl Request {
    pub(crate) fn new(line: Arc<Line>, name: &str) -> Self {
        let request = LockName::new(name).map(core::Request::new).map_err(Error::Name);
        Self { line, request, on_waiting: Box::new(|_| {}) }
    }

    /// Another lease than usual, in whole milliseconds. Heartbeats become a quarter of it unless set.
    pub fn lease(self, lease: Duration) -> Self {
        self.with(|request| request.lease = Some(lease))
    }

    /// Other heartbeats than usual.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        self.with(|request| request.heartbeat = Some(heartbeat))
    }

    /// Who holds it, for people: at most 255 characters.
    pub fn owner(self, owner: &str) -> Self {
        let request = self.request.and_then(|mut request| {
            request.owner = Some(Owner::new(owner)?);
            Ok(request)
        });
        Self { request, ..self }
    }

    /// Data to put into the row if there is none.
    pub fn data(self, data: impl AsRef<[u8]>) -> Self {
        self.with(|request| request.data = Some(data.as_ref().into()))
    }

    /// Replaces also what an earlier holder left in the row.
    pub fn replace_data(self) -> Self {
        self.with(|request| request.replace_data = true)
    }

    /// Leaves the data in the row after release.
    pub fn keep_data(self) -> Self {
        self.with(|request| request.keep_data = true)
    }

    /// How long to go on; for ever by default.
    pub fn wait(self, wait: Wait) -> Self {
        self.with(|request| request.wait = wait)
    }

    /// Is called with whoever is waited for, once for each holder, by the task that acquires.
    pub fn on_waiting(self, tell: impl FnMut(&Holder) + Send + 'static) -> Self {
        Self { on_waiting: Box::new(tell), ..self }
    }

    fn with(self, set: impl FnOnce(&mut core::Request)) -> Self {
        let request = self.request.map(|mut request| {
            set(&mut request);
            request
        });
        Self { request, ..self }
    }
}

/// The asks.
impl Request {
    /// Acquires the lock, as long as [`Request::wait`] says: for ever, also through outages of the
    /// server, unless told otherwise.
    ///
    /// # Errors
    /// When an option cannot be kept, the server refuses, the locks are shut down; with other waits
    /// than for ever also [`Error::Busy`], [`Error::TimedOut`], and [`Error::Failed`] when the server
    /// gives no answer.
    pub async fn acquire(self) -> Result<Lock, Error> {
        let Self { line, request, on_waiting } = self;
        let request = request?;
        let ask = |ticket, progress| Ask::Acquire(ticket, request, progress);
        let acquiring = Acquiring::new(Arc::clone(&line), ask);
        let (hold, ticket) = acquiring.granted(on_waiting).await?;
        Ok(Lock::new(hold, ticket, line))
    }

    /// Acquires the lock if it can be had within `patience`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when the time has passed, and as [`Request::acquire`].
    pub async fn acquire_within(self, patience: Duration) -> Result<Lock, Error> {
        self.wait(Wait::AtMost(patience)).acquire().await
    }

    /// Acquires the lock if nobody holds it. Tries remember what they saw, so a repeated
    /// try takes over from a holder that has died.
    ///
    /// # Errors
    /// As [`Request::acquire`].
    pub async fn try_acquire(self) -> Result<Option<Lock>, Error> {
        unless_busy(self.wait(Wait::Try).acquire().await)
    }

    /// Acquires the lock if nobody holds it or its holder is dead; watches the holder until it shows a
    /// sign of life or its lease has passed. For programs that are started anew for each try.
    ///
    /// # Errors
    /// As [`Request::acquire`].
    pub async fn probe(self) -> Result<Option<Lock>, Error> {
        unless_busy(self.wait(Wait::Probe).acquire().await)
    }

    /// Acquires the lock, does the work, gives the lock back. If the lock is lost, the work is
    /// dropped where it stands.
    ///
    /// # Errors
    /// [`Error::Lost`] if the lock was lost before the work was done, also if only giving it back shows that
    /// its row was somebody else's; and as [`Request::acquire`].
    pub async fn run<W: Future>(self, work: impl FnOnce(Hold) -> W) -> Result<W::Output, Error> {
        let lock = self.acquire().await?;
        let done = lock.while_held(work(lock.hold())).await;
        lock.release().map(|released| kept(done, released)).await
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.request).finish()
    }
}
