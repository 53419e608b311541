//! How connections are made: settings, TLS, a user's own way.

use std::error;
use std::ops::DerefMut;
use std::time::Duration;

use pglock_driver::{BootClock, Clock, Error, Options, SessionKind, blocking};
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{Client, Config, NoTls, Socket};

use crate::connect::{Own, Pool};
use crate::locks::Locks;

/// Settings first, then [`connect`](Builder::connect) or one of its kin.
///
/// ```no_run
/// # use pglock_postgres::{Error, Locks};
/// # fn open() -> Result<(), Error> {
/// use std::time::Duration;
///
/// let locks = Locks::builder()
///     .owner("billing-7")
///     .lease(Duration::from_secs(30))
///     .connect("host=db.example.com user=app dbname=app")?;
/// # drop(locks); Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder<T = NoTls, K = BootClock> {
    options: Options,
    tls: T,
    prepared: bool,
    clock: K,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self { options: Options::default(), tls: NoTls, prepared: true, clock: BootClock }
    }
}

impl<T, K> Builder<T, K> {
    pglock_driver::offer_options!(options);

    /// All settings at once, instead of whatever was set before.
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Connects through TLS, with any connector made for `tokio-postgres`.
    pub fn tls<U>(self, tls: U) -> Builder<U, K> {
        let Self { options, prepared, clock, .. } = self;
        Builder { options, tls, prepared, clock }
    }

    /// Reads another clock than the system's: a better one, or one that a test has the command of.
    ///
    /// Locks are trusted as long as it says, so it must be as right as [`Options::drift`] says.
    pub fn clock<L: Clock>(self, clock: L) -> Builder<T, L> {
        let Self { options, tls, prepared, .. } = self;
        Builder { options, tls, prepared, clock }
    }

    /// Whether statements are prepared once for each connection; yes by default. Say no behind a
    /// pooler that hands each transaction to another connection; there are no [hints](Options::hints) then, because what
    /// listens would be somebody else's later.
    pub fn prepared(self, prepared: bool) -> Self {
        Self { prepared, ..self }
    }

    /// Connects over connections of the user's own making: from a pool, or through a proxy.
    ///
    /// `open` is called whenever a connection is needed, on the thread that the connection will live on;
    /// what it gives is dropped when the connection is given up. At most as many as
    /// [`Options::work_sessions`] says and one more are open at a time; they carry no session state, and
    /// so bring no [hints](Options::hints). One for [advisory locks](SessionKind::Advisory), or for one
    /// that waits [in line](SessionKind::InLine), does: it must be a session of its own, never one of a pooler that
    /// mixes transactions, and must really end when it is dropped. A `Box<Client>` will do, and so will a pool's
    /// own guard if it dereferences to [`Client`].
    ///
    /// ```no_run
    /// # use pglock_postgres::{Error, Locks};
    /// # use postgres::{Client, NoTls};
    /// # fn open() -> Result<(), Error> {
    /// let locks = Locks::builder()
    ///     .prepared(false)
    ///     .connect_with(|_kind| Client::connect("host=/run/postgresql", NoTls).map(Box::new))?;
    /// # drop(locks); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Locks::connect`].
    pub fn connect_with<F, C, E>(self, open: F) -> Result<Locks, Error>
    where
        F: Fn(SessionKind) -> Result<C, E> + Send + Sync + 'static,
        C: DerefMut<Target = Client> + Send + 'static,
        E: error::Error + 'static,
        K: Clock,
    {
        let pool = Pool { open, prepared: self.prepared };
        open_locks(self.options.hints(false), pool, self.clock)
    }
}

impl<T, K> Builder<T, K>
where
    K: Clock,
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    /// Connects to where a libpq-style connection string says. Keepalives, time-outs and the application's
    /// name are set where it says nothing about them, so that a silent network is noticed soon. Unless it sets a
    /// `connect_timeout`, each address has a share of [`Options::connect_deadline`]. Settings that equal the
    /// defaults of `tokio-postgres`, and zeros, count as not set.
    ///
    /// # Errors
    /// As [`Locks::connect`].
    pub fn connect(self, url: &str) -> Result<Locks, Error> {
        let config = pglock_wire::config(url, &self.options)?;
        self.connect_config(config.into())
    }

    /// Connects to where the driver's own configuration says, which is used as it is.
    ///
    /// # Errors
    /// As [`Locks::connect`].
    pub fn connect_config(self, config: Config) -> Result<Locks, Error> {
        let own = self.own(config);
        let options = if self.prepared { self.options } else { self.options.hints(false) };
        open_locks(options, own, self.clock)
    }

    /// What [`Builder::connect`] opens its connections with: for those who drive locks by
    /// [`pglock_driver::blocking::Locks`] themselves, or put a driver of their own in front of this one.
    ///
    /// # Errors
    /// When the connection string is not understood.
    pub fn connector(self, url: &str) -> Result<impl blocking::Connect + use<T, K>, Error> {
        let config = pglock_wire::config(url, &self.options)?;
        Ok(self.own(config.into()))
    }

    fn own(&self, config: Config) -> Own<T> {
        let silence = self.options.configured().map_or(Duration::ZERO, |config| config.silence);
        Own { config, tls: self.tls.clone(), prepared: self.prepared, silence }
    }
}

fn open_locks(
    options: Options,
    connect: impl blocking::Connect,
    clock: impl Clock,
) -> Result<Locks, Error> {
    blocking::Locks::open(options, connect, clock).map(Locks::new)
}
