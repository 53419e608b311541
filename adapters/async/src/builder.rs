//! How connections are made: settings, TLS, a user's own way.

use std::error;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use pglock_driver::{Alarm, BootClock, Clock, Connect, Error, Options, SessionKind, Timer};
use tokio_postgres::{Client, Config, NoTls};

use crate::connect::{Own, Pool};
use crate::locks::Locks;
use crate::runtime::{Dial, Runtime};

/// Settings first, then [`connect`](Builder::connect) or one of its kin.
///
/// ```no_run
/// # use pglock_tokio::{Error, Locks};
/// # async fn open() -> Result<(), Error> {
/// use std::time::Duration;
///
/// let locks = Locks::builder()
///     .owner("billing-7")
///     .lease(Duration::from_secs(30))
///     .connect("host=db.example.com user=app dbname=app")
///     .await?;
/// # drop(locks); Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder<R, T = NoTls, K = BootClock> {
    options: Options,
    tls: T,
    prepared: bool,
    clock: K,
    runtime: PhantomData<fn() -> R>,
}

impl<R> Builder<R> {
    pub(crate) fn new() -> Self {
        let (options, runtime) = (Options::default(), PhantomData);
        Self { options, tls: NoTls, prepared: true, clock: BootClock, runtime }
    }
}

impl<R: Runtime, T, K> Builder<R, T, K> {
    pglock_driver::offer_options!(options);

    /// All settings at once, instead of whatever was set before.
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Connects through TLS: on tokio with any connector made for `tokio-postgres`, on other runtimes with
    /// [what makes them](crate::Tls).
    pub fn tls<U>(self, tls: U) -> Builder<R, U, K> {
        let Self { options, prepared, clock, runtime, .. } = self;
        Builder { options, tls, prepared, clock, runtime }
    }

    /// Reads another clock than the system's: a better one, or one that a test has the command of.
    ///
    /// Locks are trusted as long as it says, so it must be as right as [`Options::drift`] says.
    pub fn clock<L: Clock>(self, clock: L) -> Builder<R, T, L> {
        let Self { options, tls, prepared, runtime, .. } = self;
        Builder { options, tls, prepared, clock, runtime }
    }

    /// Whether statements are prepared once for each connection; yes by default. Say no behind a
    /// pooler that hands each transaction to another connection; there are no [hints](Options::hints) then, because what
    /// listens would be somebody else's later.
    pub fn prepared(self, prepared: bool) -> Self {
        Self { prepared, ..self }
    }

    /// Connects over connections of the user's own making: from a pool, or through a proxy.
    ///
    /// `open` is called whenever a connection is needed; what it gives is dropped when the connection is
    /// given up, and must have been driven by then (as `tokio_postgres::Connection` wants to be). At most
    /// as many as [`Options::work_sessions`] says and one more are open at a time; they carry no session
    /// state, and so bring no [hints](Options::hints). One for [advisory locks](SessionKind::Advisory), or for one
    /// that waits [in line](SessionKind::InLine), does: it must be a session of its own, never one of
    /// a pooler that mixes transactions, and must really end when it is dropped. A `Box<Client>` will do, and so
    /// will a pool's own guard if it dereferences to [`Client`]. What drives such a connection is not known here, so that
    /// its end is noticed with the next statement, which a held advisory lock sends every few seconds
    /// ([`Options::silence`]).
    ///
    /// ```no_run
    /// # use pglock_tokio::{Error, Locks};
    /// # use tokio_postgres::NoTls;
    /// # async fn open() -> Result<(), Error> {
    /// let locks = Locks::builder()
    ///     .prepared(false)
    ///     .connect_with(|_kind| async {
    ///         let (client, connection) = tokio_postgres::connect("host=/run/postgresql", NoTls).await?;
    ///         tokio::spawn(connection);
    ///         Ok::<_, tokio_postgres::Error>(Box::new(client))
    ///     })
    ///     .await?;
    /// # drop(locks); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Locks::connect`].
    pub async fn connect_with<F, W, C, E>(self, open: F) -> Result<Locks<R>, Error>
    where
        F: Fn(SessionKind) -> W + Send + Sync + 'static,
        W: Future<Output = Result<C, E>> + Send + 'static,
        C: Deref<Target = Client> + Send + Sync + 'static,
        E: error::Error + 'static,
        K: Clock,
    {
        let pool = Pool { open, prepared: self.prepared };
        open_locks(R::current()?, self.options.hints(false), pool, self.clock).await
    }
}

impl<R: Dial<T>, T: Send + Sync + 'static, K: Clock> Builder<R, T, K> {
    /// Connects to where a libpq-style connection string says. Keepalives, time-outs and the application's
    /// name are set where it says nothing about them, so that a silent network is noticed soon. Unless it sets a
    /// `connect_timeout`, each address has a share of [`Options::connect_deadline`]. Settings that equal the
    /// defaults of `tokio-postgres`, and zeros, count as not set.
    ///
    /// # Errors
    /// As [`Locks::connect`].
    pub async fn connect(self, url: &str) -> Result<Locks<R>, Error> {
        let config = pglock_wire::config(url, &self.options)?;
        self.connect_config(config).await
    }

    /// Connects to where the driver's own configuration says, which is used as it is.
    ///
    /// # Errors
    /// As [`Locks::connect`].
    pub async fn connect_config(self, config: Config) -> Result<Locks<R>, Error> {
        let Self { options, tls, prepared, clock, .. } = self;
        let own = own::<R, T>(&options, tls, prepared, config)?;
        let options = if prepared { options } else { options.hints(false) };
        open_locks(own.runtime.clone(), options, own, clock).await
    }

    /// What [`Builder::connect`] opens its connections with: for those who drive locks by
    /// [`pglock_driver::Locks`] themselves, or put a driver of their own in front of this one.
    ///
    /// # Errors
    /// When the connection string is not understood, or there is no runtime.
    pub fn connector(self, url: &str) -> Result<impl Connect + use<R, T, K>, Error> {
        let config = pglock_wire::config(url, &self.options)?;
        own::<R, T>(&self.options, self.tls, self.prepared, config)
    }
}

impl<R: Runtime, T, K: Clock> Builder<R, T, K> {
    /// The clock, with the runtime's timers set by it; to go with [`Builder::connector`].
    pub fn timer(self) -> impl Timer + use<R, T, K> {
        Alarm::new(self.clock, R::sleep)
    }
}

fn own<R: Runtime, T>(
    options: &Options,
    tls: T,
    prepared: bool,
    config: Config,
) -> Result<Own<R, T>, Error> {
    let silence = options.configured().map_or(Duration::ZERO, |config| config.silence);
    Ok(Own { runtime: R::current()?, config, tls, prepared, silence })
}

async fn open_locks<R: Runtime>(
    runtime: R,
    options: Options,
    connect: impl Connect,
    clock: impl Clock,
) -> Result<Locks<R>, Error> {
    let timer = Alarm::new(clock, R::sleep);
    let spawn = |drive| runtime.spawn(drive);
    pglock_driver::Locks::open(options, connect, timer, spawn).await.map(Locks::new)
}
