//! One acquire, put together option by option, for programs without a runtime.

use std::time::Duration;

use pglock_core::{Heartbeat, Holder, Wait};
use pollster::FutureExt;

use super::lock::Lock;
use crate::acquiring::kept;
use crate::error::Error;
use crate::request;

/// A lock to be acquired: options first, then [`acquire`](Request::acquire) or one of its kin.
///
/// ```
/// # use pglock_driver::{Error, blocking::Locks};
/// # fn pay(locks: &Locks) -> Result<(), Error> {
/// use std::time::Duration;
///
/// let lock = locks
///     .request("invoice-42")
///     .lease(Duration::from_secs(60))
///     .data("paying")
///     .acquire_within(Duration::from_secs(5))?;
/// # drop(lock); Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing is asked for yet"]
pub struct Request {
    inner: request::Request,
}

/// The options.
impl Request {
    pub(super) const fn new(inner: request::Request) -> Self {
        Self { inner }
    }

    /// Another lease than usual, in whole milliseconds. Heartbeats become a quarter of it unless set.
    pub fn lease(self, lease: Duration) -> Self {
        Self::new(self.inner.lease(lease))
    }

    /// Other heartbeats than usual.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        Self::new(self.inner.heartbeat(heartbeat))
    }

    /// Who holds it, for people: at most 255 characters.
    pub fn owner(self, owner: &str) -> Self {
        Self::new(self.inner.owner(owner))
    }

    /// Data to put into the row if there is none.
    pub fn data(self, data: impl AsRef<[u8]>) -> Self {
        Self::new(self.inner.data(data))
    }

    /// Replaces also what an earlier holder left in the row.
    pub fn replace_data(self) -> Self {
        Self::new(self.inner.replace_data())
    }

    /// Leaves the data in the row after release.
    pub fn keep_data(self) -> Self {
        Self::new(self.inner.keep_data())
    }

    /// How long to go on; for ever by default.
    pub fn wait(self, wait: Wait) -> Self {
        Self::new(self.inner.wait(wait))
    }

    /// Is called with whoever is waited for, once for each holder, by the thread that acquires.
    pub fn on_waiting(self, tell: impl FnMut(&Holder) + Send + 'static) -> Self {
        Self::new(self.inner.on_waiting(tell))
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
    pub fn acquire(self) -> Result<Lock, Error> {
        self.inner.acquire().block_on().map(Lock::new)
    }

    /// Acquires the lock if it can be had within `patience`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when the time has passed, and as [`Request::acquire`].
    pub fn acquire_within(self, patience: Duration) -> Result<Lock, Error> {
        self.inner.acquire_within(patience).block_on().map(Lock::new)
    }

    /// Acquires the lock if nobody holds it. Tries remember what they saw, so a repeated
    /// try takes over from a holder that has died.
    ///
    /// # Errors
    /// As [`Request::acquire`].
    pub fn try_acquire(self) -> Result<Option<Lock>, Error> {
        Ok(self.inner.try_acquire().block_on()?.map(Lock::new))
    }

    /// Acquires the lock if nobody holds it or its holder is dead; watches the holder until it shows a
    /// sign of life or its lease has passed. For programs that are started anew for each try.
    ///
    /// # Errors
    /// As [`Request::acquire`].
    pub fn probe(self) -> Result<Option<Lock>, Error> {
        Ok(self.inner.probe().block_on()?.map(Lock::new))
    }

    /// Acquires the lock, does the work, gives the lock back. Work cannot be stopped from outside: it
    /// should [`ensure_held`](crate::Belief::ensure_held) before each step that matters.
    ///
    /// # Errors
    /// [`Error::Lost`] if the lock was lost before the work was done, also if only giving it back shows that
    /// its row was somebody else's; and as [`Request::acquire`].
    pub fn run<T>(self, work: impl FnOnce(&Lock) -> T) -> Result<T, Error> {
        let lock = self.acquire()?;
        let value = work(&lock);
        let done = lock.ensure_held().map(|()| value);
        kept(done, lock.release())
    }
}
