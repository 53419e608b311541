//! One acquire of an advisory lock, put together option by option.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pglock_core as core;
use pglock_core::{AdvisoryKey, AdvisoryMode, Wait};

use super::hold::AdvisoryHold;
use super::lock::AdvisoryLock;
use super::owner::AdvisoryOwner;
use crate::acquiring::{Acquiring, kept, unless_busy};
use crate::ask::{Ask, Line};
use crate::error::Error;

/// An advisory lock to be acquired: options first, then [`acquire`](AdvisoryRequest::acquire) or one of its kin.
///
/// A future that is dropped before its end leaves nothing locked.
///
/// ```
/// # use pglock_driver::{Error, Locks};
/// # async fn report(locks: &Locks) -> Result<(), Error> {
/// use std::time::Duration;
///
/// let lock = locks.advisory("report").shared().acquire_within(Duration::from_secs(5)).await?;
/// lock.ensure_held()?;
/// lock.release().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "nothing is asked for yet"]
pub struct AdvisoryRequest {
    line: Arc<Line>,
    request: core::AdvisoryRequest,
}

/// The options.
impl AdvisoryRequest {
    /// On behalf of nobody else, until told otherwise.
    pub(crate) fn new(line: Arc<Line>, key: impl Into<AdvisoryKey>) -> Self {
        let request = core::AdvisoryRequest::new(key);
        Self { line, request }.by(&AdvisoryOwner::new())
    }

    /// Shares the lock with all who share it; alone by default.
    pub fn shared(self) -> Self {
        self.with(|request| request.mode = AdvisoryMode::Shared)
    }

    /// On whose behalf: an owner that has the lock already takes it once more without waiting, and without asking
    /// the server.
    pub fn by(self, owner: &AdvisoryOwner) -> Self {
        self.with(|request| request.owner = Some(owner.id()))
    }

    /// Waits in the server's own queue, on a connection of its own, which then holds the lock until it is given back:
    /// the lock is handed over at once, to those who wait there in the order of their coming, whoever gives it
    /// back. By default it waits on the one connection that all share: to be told of the unlock by another
    /// handle, or for the next [`Options::poll`](crate::Options::poll).
    ///
    /// The wait is cut into [slices](crate::Options::slice), and with each the place in the queue is lost;
    /// `CREATE INDEX CONCURRENTLY` waits for a slice at most. What these locks hold or await already goes on as it
    /// does; and when none of the [`Options::lines`](crate::Options::lines) is left, the lock is polled for after
    /// all. A try waits nowhere.
    pub fn in_line(self) -> Self {
        self.with(|request| request.in_line = true)
    }

    /// How long to go on; for ever by default. A probe is no more than a try.
    pub fn wait(self, wait: Wait) -> Self {
        self.with(|request| request.wait = wait)
    }

    fn with(mut self, set: impl FnOnce(&mut core::AdvisoryRequest)) -> Self {
        set(&mut self.request);
        self
    }
}

/// The asks.
impl AdvisoryRequest {
    /// Acquires the lock, as long as [`AdvisoryRequest::wait`] says: for ever, also through outages of the server,
    /// unless told otherwise.
    ///
    /// # Errors
    /// [`Error::Ask`] when it cannot even be asked for; when the server refuses, its lock table is full, the
    /// connection cannot carry advisory locks, or the locks are shut down; with other waits than for ever also
    /// [`Error::Busy`], [`Error::TimedOut`], and [`Error::Failed`] when the server gives no answer.
    pub async fn acquire(self) -> Result<AdvisoryLock, Error> {
        let Self { line, request } = self.clone();
        let ask = |ticket, progress| Ask::AcquireAdvisory(ticket, request, progress);
        let acquiring = Acquiring::new(Arc::clone(&line), ask);
        let (hold, ticket) = acquiring.granted(|_| ()).await?;
        Ok(AdvisoryLock::new(hold, self.wait(Wait::Try), ticket, line))
    }

    /// Acquires the lock if it can be had within `patience`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when the time has passed, and as [`AdvisoryRequest::acquire`].
    pub async fn acquire_within(self, patience: Duration) -> Result<AdvisoryLock, Error> {
        self.wait(Wait::AtMost(patience)).acquire().await
    }

    /// Acquires the lock if it can be had at once.
    ///
    /// # Errors
    /// As [`AdvisoryRequest::acquire`].
    pub async fn try_acquire(self) -> Result<Option<AdvisoryLock>, Error> {
        unless_busy(self.wait(Wait::Try).acquire().await)
    }

    /// Acquires the lock, does the work, gives the lock back. If the lock is lost, the work is
    /// dropped where it stands.
    ///
    /// # Errors
    /// [`Error::Lost`] if the lock was lost before the work was done, and as [`AdvisoryRequest::acquire`].
    pub async fn run<W: Future>(
        self,
        work: impl FnOnce(AdvisoryHold) -> W,
    ) -> Result<W::Output, Error> {
        let lock = self.acquire().await?;
        let done = lock.while_held(work(lock.hold())).await;
        kept(done, lock.release().await)
    }
}

impl fmt::Debug for AdvisoryRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdvisoryRequest").field(&self.request).finish()
    }
}
