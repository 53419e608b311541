//! The guard of a lock, for programs without a runtime.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use pollster::FutureExt;

use crate::error::{Error, Loss};
use crate::hold::Hold;
use crate::lock::{self, Released};

/// A lock that was acquired. Dropping it gives it back in the background, without waiting; a program that
/// ends right afterwards should [`release`](Lock::release) it, or shut the locks down, instead.
///
/// It can be asked all that a [`Hold`] can.
#[must_use = "the lock is given back at once when its guard is dropped"]
pub struct Lock {
    inner: lock::Lock,
}

impl Lock {
    pub(super) const fn new(inner: lock::Lock) -> Self {
        Self { inner }
    }

    /// A look at the lock that can be handed to others; it does not keep the lock.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.inner.hold()
    }

    /// Waits until the lock is held no more, and says why.
    #[must_use]
    pub fn lost(&self) -> Loss {
        self.inner.lost().block_on()
    }

    /// Gives the lock back and waits until others can have it. It is not held from this call on.
    ///
    /// # Errors
    /// As [`Lock::release`](lock::Lock::release) of the async guard.
    pub fn release(self) -> Result<Released, Error> {
        self.inner.release().block_on()
    }

    /// Renews the lease now: needed with heartbeats by hand only.
    ///
    /// # Errors
    /// [`Error::Lost`] if it is lost before the server has confirmed.
    pub fn heartbeat(&self) -> Result<(), Error> {
        self.inner.heartbeat().block_on()
    }

    /// Renews the lock with another lease, shorter or longer; heartbeats become a quarter of it where
    /// they are not made by hand.
    ///
    /// # Errors
    /// [`Error::Config`] if the lease cannot be kept, [`Error::Failed`] if the server refused: the
    /// lease is unchanged. [`Error::Lost`] if the lock is lost before the server has confirmed.
    pub fn extend(&self, lease: Duration) -> Result<(), Error> {
        self.inner.extend(lease).block_on()
    }

    /// Puts other data into the row.
    ///
    /// # Errors
    /// [`Error::Failed`] if the server refused: the data is unchanged. [`Error::Lost`] if the lock is
    /// lost before the server has confirmed.
    pub fn set_data(&self, data: impl AsRef<[u8]>) -> Result<(), Error> {
        self.inner.set_data(data).block_on()
    }

    /// Empties the data in the row.
    ///
    /// # Errors
    /// As [`Lock::set_data`].
    pub fn clear_data(&self) -> Result<(), Error> {
        self.inner.clear_data().block_on()
    }
}

impl Deref for Lock {
    type Target = Hold;

    fn deref(&self) -> &Hold {
        &self.inner
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
