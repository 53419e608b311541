//! The handle, as users of an async runtime get it.

use std::marker::PhantomData;
use std::ops::Deref;

use pglock_driver::Error;
use tokio_postgres::NoTls;

use crate::builder::Builder;
use crate::runtime::{Dial, Runtime};

/// The locks of one table, over a few connections. Cheap to clone; one for a process is enough.
///
/// It can be asked all that the [driver's](pglock_driver::Locks) can, from any task. `R` is the runtime.
#[derive(Clone, Debug)]
pub struct Locks<R> {
    inner: pglock_driver::Locks,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Dial<NoTls>> Locks<R> {
    /// Connects with the defaults and without TLS, to where a libpq-style connection string says,
    /// `postgres://...` or `host=... user=...`. Creates the lock table if it is missing. On tokio it must be called
    /// from within the runtime.
    ///
    /// # Errors
    /// When the connection string is not understood, there is no connection to be had, or the table
    /// is not fit for use and cannot be made so.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::builder().connect(url).await
    }
}

impl<R: Runtime> Locks<R> {
    /// Connects with other settings, with TLS, or over a pool.
    pub fn builder() -> Builder<R> {
        Builder::new()
    }

    pub(crate) const fn new(inner: pglock_driver::Locks) -> Self {
        Self { inner, runtime: PhantomData }
    }
}

impl<R> Deref for Locks<R> {
    type Target = pglock_driver::Locks;

    fn deref(&self) -> &pglock_driver::Locks {
        &self.inner
    }
}
