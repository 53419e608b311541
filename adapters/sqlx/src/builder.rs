//! How connections are made: settings, a runtime.

use std::time::Duration;

use futures::future::BoxFuture;
use pglock_driver::{Alarm, BootClock, Clock, Connect, Error, Options};
use sqlx::PgPool;

use crate::connect::Beside;
use crate::locks::Locks;

/// Settings first, then [`connect`](Builder::connect) or [`connect_on`](Builder::connect_on).
///
/// ```no_run
/// # #[cfg(feature = "tokio")]
/// # async fn open(pool: sqlx::PgPool) -> Result<(), pglock_sqlx::Error> {
/// use std::time::Duration;
///
/// let locks = pglock_sqlx::Locks::builder()
///     .owner("billing-7")
///     .lease(Duration::from_secs(30))
///     .connect(&pool)
///     .await?;
/// # drop(locks); Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder<K = BootClock> {
    options: Options,
    prepared: bool,
    clock: K,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { options: Options::default(), prepared: true, clock: BootClock }
    }
}

impl<K> Builder<K> {
    pglock_driver::offer_options!(options);

    /// All settings at once, instead of whatever was set before.
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Reads another clock than the system's: a better one, or one that a test has the command of.
    ///
    /// Locks are trusted as long as it says, so it must be as right as [`Options::drift`] says.
    pub fn clock<L: Clock>(self, clock: L) -> Builder<L> {
        let Self { options, prepared, .. } = self;
        Builder { options, prepared, clock }
    }

    /// Whether statements are prepared once for each connection; yes by default. Say no behind a pooler that hands each
    /// transaction to another connection: each statement is then sent as one text, its parameters in it, since sqlx
    /// sends others in two parts. There are no [hints](Options::hints) then, because what listens would be somebody
    /// else's later.
    pub fn prepared(self, prepared: bool) -> Self {
        Self { prepared, ..self }
    }
}

impl<K: Clock> Builder<K> {
    /// Connects to where a pool does, on tokio.
    ///
    /// # Errors
    /// As [`Locks::connect`].
    #[cfg(feature = "tokio")]
    pub async fn connect(self, pool: &PgPool) -> Result<Locks, Error> {
        let runtime = tokio::runtime::Handle::try_current();
        let runtime = runtime.map_err(|error| Error::System(error.to_string()))?;
        self.connect_on(pool, tokio::time::sleep, |drive| drop(runtime.spawn(drive))).await
    }

    /// Connects to where a pool does, on any runtime that sqlx knows: `sleep` waits for a span, `spawn` sees to it that
    /// a future is run.
    ///
    /// ```ignore
    /// let spawn = |drive| drop(async_std::task::spawn(drive));
    /// let locks = Locks::builder().connect_on(&pool, async_std::task::sleep, spawn).await?;
    /// ```
    ///
    /// # Errors
    /// As [`Locks::connect`].
    pub async fn connect_on<S, F>(
        self,
        pool: &PgPool,
        sleep: S,
        spawn: impl FnOnce(BoxFuture<'static, ()>),
    ) -> Result<Locks, Error>
    where
        S: Fn(Duration) -> F + Clone + Send + Sync + 'static,
        F: Future + Send + 'static,
    {
        let connector = self.connector(pool, sleep.clone());
        let Self { options, prepared, clock } = self;
        let options = if prepared { options } else { options.hints(false) };
        let timer = Alarm::new(clock, sleep);
        pglock_driver::Locks::open(options, connector, timer, spawn).await.map(Locks::new)
    }

    /// What locks open their connections with: for those who drive them by [`pglock_driver::Locks`] themselves, with an
    /// [`Alarm`], or put a driver of their own in front of this one.
    pub fn connector<S, F>(&self, pool: &PgPool, sleep: S) -> impl Connect + use<K, S, F>
    where
        S: Fn(Duration) -> F + Send + Sync + 'static,
        F: Future + Send + 'static,
    {
        let silence = self.options.configured().map_or(Duration::ZERO, |config| config.silence);
        Beside { pool: pool.clone(), prepared: self.prepared, silence, sleep }
    }
}
