//! The handle, as tokio's users get it.

use std::ops::Deref;

use pglock_driver::Error;

use crate::builder::Builder;

/// The locks of one table, over a few connections. Cheap to clone; one for a process is enough.
///
/// It can be asked all that the [driver's](pglock_driver::Locks) can, from any task.
#[derive(Clone, Debug)]
pub struct Locks {
    inner: pglock_driver::Locks,
}

impl Locks {
    /// Connects with the defaults and without TLS, to where a libpq-style connection string says,
    /// `postgres://...` or `host=... user=...`. Creates the lock table if it is missing. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the connection string is not understood, there is no connection to be had, or the table
    /// is not fit for use and cannot be made so.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().connect(url).await
    }

    /// Connects with other settings, with TLS, or over a pool.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) const fn new(inner: pglock_driver::Locks) -> Self {
        Self { inner }
    }
}

impl Deref for Locks {
    type Target = pglock_driver::Locks;

    fn deref(&self) -> &pglock_driver::Locks {
        &self.inner
    }
}
