//! The handle, as users of the sync driver get it.

use std::ops::Deref;

use pglock_driver::{Error, blocking};

use crate::builder::Builder;

/// The locks of one table, over a few connections. Cheap to clone; one for a process is enough.
///
/// It can be asked all that the [driver's](blocking::Locks) can, from any thread.
#[derive(Clone, Debug)]
pub struct Locks {
    inner: blocking::Locks,
}

impl Locks {
    /// Connects with the defaults and without TLS, to where a libpq-style connection string says,
    /// `postgres://...` or `host=... user=...`. Creates the lock table if it is missing.
    ///
    /// # Errors
    /// When the connection string is not understood, there is no connection to be had, or the table
    /// is not fit for use and cannot be made so.
    pub fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().connect(url)
    }

    /// Connects with other settings, with TLS, or over a pool.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) const fn new(inner: blocking::Locks) -> Self {
        Self { inner }
    }
}

impl Deref for Locks {
    type Target = blocking::Locks;

    fn deref(&self) -> &blocking::Locks {
        &self.inner
    }
}
