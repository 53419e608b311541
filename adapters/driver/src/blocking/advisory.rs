//! Advisory locks for programs without a runtime: the request and its guard.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use pglock_core::Wait;
use pollster::FutureExt;

use crate::acquiring::kept;
use crate::advisory::{self, AdvisoryHold, AdvisoryOwner};
use crate::error::{Error, Loss};
use crate::lock::Released;

/// An advisory lock to be acquired: options first, then [`acquire`](AdvisoryRequest::acquire) or one of its kin.
///
/// ```
/// # use pglock_driver::{Error, blocking::Locks};
/// # fn report(locks: &Locks) -> Result<(), Error> {
/// use std::time::Duration;
///
/// let lock = locks.advisory("report").shared().acquire_within(Duration::from_secs(5))?;
/// lock.ensure_held()?;
/// lock.release()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for yet"]
pub struct AdvisoryRequest {
    inner: advisory::AdvisoryRequest,
}

/// The options.
impl AdvisoryRequest {
    pub(super) const fn new(inner: advisory::AdvisoryRequest) -> Self {
        Self { inner }
    }

    /// Shares the lock with all who share it; alone by default.
    pub fn shared(self) -> Self {
        Self::new(self.inner.shared())
    }

    /// On whose behalf: an owner that has the lock already takes it once more without waiting, and without asking
    /// the server.
    pub fn by(self, owner: &AdvisoryOwner) -> Self {
        Self::new(self.inner.by(owner))
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
        Self::new(self.inner.in_line())
    }

    /// How long to go on; for ever by default. A probe is no more than a try.
    pub fn wait(self, wait: Wait) -> Self {
        Self::new(self.inner.wait(wait))
    }
}

/// The asks.
impl AdvisoryRequest {
    /// Acquires the lock, as long as [`AdvisoryRequest::wait`] says: for ever, also through outages of the server,
    /// unless told otherwise.
    ///
    /// # Errors
    /// As [`acquire`](advisory::AdvisoryRequest::acquire) of the async request.
    pub fn acquire(self) -> Result<AdvisoryLock, Error> {
        self.inner.acquire().block_on().map(AdvisoryLock::new)
    }

    /// Acquires the lock if it can be had within `patience`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when the time has passed, and as [`AdvisoryRequest::acquire`].
    pub fn acquire_within(self, patience: Duration) -> Result<AdvisoryLock, Error> {
        self.inner.acquire_within(patience).block_on().map(AdvisoryLock::new)
    }

    /// Acquires the lock if it can be had at once.
    ///
    /// # Errors
    /// As [`AdvisoryRequest::acquire`].
    pub fn try_acquire(self) -> Result<Option<AdvisoryLock>, Error> {
        Ok(self.inner.try_acquire().block_on()?.map(AdvisoryLock::new))
    }

    /// Acquires the lock, does the work, gives the lock back. Work cannot be stopped from outside: it
    /// should [`ensure_held`](crate::Belief::ensure_held) before each step that matters.
    ///
    /// # Errors
    /// [`Error::Lost`] if the lock was lost before the work was done, and as [`AdvisoryRequest::acquire`].
    pub fn run<T>(self, work: impl FnOnce(&AdvisoryLock) -> T) -> Result<T, Error> {
        let lock = self.acquire()?;
        let value = work(&lock);
        let done = lock.ensure_held().map(|()| value);
        kept(done, lock.release())
    }
}

/// An advisory lock that was acquired. Dropping it gives it back in the background, without waiting; a program
/// that ends right afterwards should [`release`](AdvisoryLock::release) it, or shut the locks down, instead.
///
/// It can be asked all that an [`AdvisoryHold`] can.
#[must_use = "the lock is given back at once when its guard is dropped"]
pub struct AdvisoryLock {
    inner: advisory::AdvisoryLock,
}

impl AdvisoryLock {
    const fn new(inner: advisory::AdvisoryLock) -> Self {
        Self { inner }
    }

    /// A look at the lock that can be handed to others; it does not keep the lock.
    #[must_use]
    pub fn hold(&self) -> AdvisoryHold {
        self.inner.hold()
    }

    /// Takes the lock once more, in the same mode and for the same owner, without asking the server.
    ///
    /// # Errors
    /// As [`again`](advisory::AdvisoryLock::again) of the async guard.
    pub fn again(&self) -> Result<Self, Error> {
        self.inner.again().block_on().map(Self::new)
    }

    /// Waits until the lock is held no more, and says why.
    #[must_use]
    pub fn lost(&self) -> Loss {
        self.inner.lost().block_on()
    }

    /// Gives the lock back and waits until others can have it. It is not held from this call on.
    ///
    /// # Errors
    /// As [`release`](advisory::AdvisoryLock::release) of the async guard.
    pub fn release(self) -> Result<Released, Error> {
        self.inner.release().block_on()
    }
}

impl Deref for AdvisoryLock {
    type Target = AdvisoryHold;

    fn deref(&self) -> &AdvisoryHold {
        &self.inner
    }
}

impl fmt::Debug for AdvisoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
