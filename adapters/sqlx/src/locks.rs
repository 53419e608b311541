//! The handle, as users of sqlx get it.

use std::ops::Deref;

use crate::builder::Builder;

/// The locks of one table, over a few connections beside a pool. Cheap to clone; one for a process is enough.
///
/// It can be asked all that the [driver's](pglock_driver::Locks) can, from any task.
#[derive(Clone, Debug)]
pub struct Locks {
    inner: pglock_driver::Locks,
}

impl Locks {
    /// Connects with the defaults to where a pool does. Creates the lock table if it is missing. Must be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// When there is no connection to be had, or the table is not fit for use and cannot be made so.
    #[cfg(feature = "tokio")]
    pub async fn connect(pool: &sqlx::PgPool) -> Result<Self, pglock_driver::Error> {
        Self::builder().connect(pool).await
    }

    /// Connects with other settings, or on another runtime.
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
