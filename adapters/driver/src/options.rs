//! The settings of a handle, with the same names in every adapter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pglock_core::{Backoff, Client, Config, Drift, Foreign, Heartbeat, Identity, Owner};

use crate::clock::Clock;
use crate::desk::Desk;
use crate::error::Error;
use crate::hold::Hold;

/// The settings of a handle. Adapters offer each of them on their builders.
///
/// A setting that cannot be is told when the handle is opened. The defaults are those of [`Config`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    config: Result<Config, Error>,
    check_table: bool,
    create_table: bool,
    identity: Option<Identity>,
    seed: Option<u64>,
    on_granted: OnGranted,
}

/// Who is told of each grant, if anybody.
#[derive(Clone, Default)]
pub(crate) struct OnGranted(Option<Arc<Tell>>);

type Tell = dyn Fn(&Hold) + Send + Sync;

/// What is done about the table when connecting.
#[derive(Clone, Copy)]
pub(crate) enum TableCare {
    Leave,
    /// One that is not fit for use is an error.
    Check,
    Mend,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Ok(Config::default()),
            check_table: true,
            create_table: true,
            identity: None,
            seed: None,
            on_granted: OnGranted::default(),
        }
    }
}

impl OnGranted {
    pub(crate) fn tell(&self, hold: &Hold) {
        if let Some(tell) = &self.0 {
            tell(hold);
        }
    }
}

impl fmt::Debug for OnGranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "told" } else { "not told" })
    }
}

impl Options {
    /// The lock table, as `table` or `schema.table`, case kept; `locks` by default.
    pub fn table(self, table: &str) -> Self {
        self.with_valid(table.parse(), |config, table| config.table = table)
    }

    /// Who holds the locks, for people: at most 255 characters; empty by default.
    pub fn owner(self, owner: &str) -> Self {
        self.with_valid(Owner::new(owner), |config, owner| config.owner = owner)
    }

    /// The lease, in whole milliseconds; 20 s by default.
    pub fn lease(self, lease: Duration) -> Self {
        self.with(|config| config.lease = lease)
    }

    /// The heartbeats; every quarter of the lease by default.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        self.with(|config| config.heartbeat = Some(heartbeat))
    }

    /// How long to wait for a reply before its connection is given up; 5 s by default.
    pub fn reply_deadline(self, deadline: Duration) -> Self {
        self.with(|config| config.reply_deadline = deadline)
    }

    /// How long a connection may take to open; 10 s by default.
    pub fn connect_deadline(self, deadline: Duration) -> Self {
        self.with(|config| config.connect_deadline = deadline)
    }

    /// How wrong this machine's clock may be; 1 % and 1 ms by default.
    pub fn drift(self, drift: Drift) -> Self {
        self.with(|config| config.drift = drift)
    }

    /// How long a statement waits for a row that another transaction has locked; 2 s by default.
    pub fn lock_timeout(self, timeout: Duration) -> Self {
        self.with(|config| config.lock_timeout = timeout)
    }

    /// How often a waiter looks at the row, if it is told nothing before; 500 ms by default.
    pub fn poll(self, poll: Duration) -> Self {
        self.with(|config| config.poll = poll)
    }

    /// The longest lease an acquire may ask for; 10 minutes by default.
    pub fn longest_lease(self, lease: Duration) -> Self {
        self.with(|config| config.longest_lease = lease)
    }

    /// How holders are treated that use the Go library cirello.io/pglock on the same table.
    pub fn foreign(self, foreign: Foreign) -> Self {
        self.with(|config| config.foreign = foreign)
    }

    /// How long tries, probes and questions go on without an answer from the server; 10 s by default.
    pub fn patience(self, patience: Duration) -> Self {
        self.with(|config| config.patience = patience)
    }

    /// How soon to connect again after a connection broke; 50 ms, doubling up to 5 s, by default.
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with(|config| config.backoff = backoff)
    }

    /// How many connections carry acquires and releases at most; 2 by default. Renewals have one
    /// more of their own.
    pub fn work_sessions(self, sessions: usize) -> Self {
        self.with(|config| config.work_sessions = sessions)
    }

    /// Whether to be told of releases; yes by default. While somebody waits for a lock that another client holds, one
    /// more connection is open then, which listens on a channel with the table's name.
    ///
    /// On the blocking side its thread wakes up once a second.
    ///
    /// Nothing depends on it: a waiter looks at the row as often as [`Options::poll`] says, told or not. Say no
    /// where a connection is dear, or to a server or pooler that knows no `LISTEN`, which is else asked
    /// again every few seconds.
    pub fn hints(self, hints: bool) -> Self {
        self.with(|config| config.hints = hints)
    }

    /// How long the connection that carries advisory locks may give no sign of life before they count as lost; 15 s
    /// by default.
    pub fn silence(self, silence: Duration) -> Self {
        self.with(|config| config.silence = silence)
    }

    /// In how many places of the server's lock space advisory locks may be held or awaited; 1,000 by default. A
    /// server has room for some 6,400 locks of all kinds unless told otherwise.
    pub fn advisory_places(self, places: usize) -> Self {
        self.with(|config| config.advisory_places = places)
    }

    /// Whether each grant of an advisory lock draws a [fencing token](crate::AdvisoryHold::token), from the sequence of the
    /// lease table ([`Options::table`]), which must be there; no by default.
    pub fn advisory_tokens(self, drawn: bool) -> Self {
        self.with(|config| config.advisory_tokens = drawn)
    }

    /// How long a statement waits at most that waits [in line](crate::AdvisoryRequest::in_line) for an advisory lock;
    /// 500 ms by default, and never more than half of the server's `deadlock_timeout`.
    pub fn slice(self, slice: Duration) -> Self {
        self.with(|config| config.slice = slice)
    }

    /// In how many places at most advisory locks are waited for [in line](crate::AdvisoryRequest::in_line) or held
    /// since, each on a connection of its own; 16 by default.
    pub fn lines(self, lines: usize) -> Self {
        self.with(|config| config.lines = lines)
    }

    /// All settings of the core at once, instead of whatever was set before.
    pub fn config(self, config: Config) -> Self {
        Self { config: Ok(config), ..self }
    }

    /// Whether to look at the table when connecting; yes by default. If not, it is not created either, and
    /// is left as it is, fit for use or not: for those who want to drop it, or who use advisory locks only.
    pub fn check_table(self, check: bool) -> Self {
        Self { check_table: check, ..self }
    }

    /// Whether to create the table when it is missing, and to add what an older one lacks; yes by default.
    pub fn create_table(self, create: bool) -> Self {
        Self { create_table: create, ..self }
    }

    /// An identity instead of one drawn from the system: for simulations that must come out the same
    /// each time. Two handles with one identity may both believe in one lock.
    pub fn identity(self, identity: Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// The seed that spreads waits, instead of one drawn from the system.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    /// Is called with each lock that is granted, before whoever asked for it has it: for metrics, and for
    /// tests that watch what holders believe. It must not wait.
    pub fn on_granted(self, tell: impl Fn(&Hold) + Send + Sync + 'static) -> Self {
        Self { on_granted: OnGranted(Some(Arc::new(tell))), ..self }
    }

    fn with(self, set: impl FnOnce(&mut Config)) -> Self {
        self.with_valid(Ok::<_, Error>(()), |config, ()| set(config))
    }

    /// The first mistake is kept.
    fn with_valid<V, E: Into<Error>>(
        self,
        value: Result<V, E>,
        set: impl FnOnce(&mut Config, V),
    ) -> Self {
        let config = self.config.and_then(|mut config| {
            set(&mut config, value.map_err(Into::into)?);
            Ok(config)
        });
        Self { config, ..self }
    }

    /// The settings that the core gets, unless one of them was a mistake.
    #[must_use]
    pub fn configured(&self) -> Option<&Config> {
        self.config.as_ref().ok()
    }

    pub(crate) const fn table_care(&self) -> TableCare {
        match (self.check_table, self.create_table) {
            (false, _) => TableCare::Leave,
            (true, false) => TableCare::Check,
            (true, true) => TableCare::Mend,
        }
    }

    pub(crate) fn desk(self, clock: Arc<dyn Clock>) -> Result<Desk, Error> {
        let identity = self.identity.map_or_else(|| random().map(Identity::new), Ok)?;
        let seed = self.seed.map_or_else(|| random().map(u64::from_le_bytes), Ok)?;
        let client = Client::new(self.config?, identity, seed)?;
        Ok(Desk::new(client, clock, self.on_granted))
    }
}

fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::System(error.to_string()))?;
    Ok(bytes)
}

/// Offers the settings of [`Options`] on an adapter's builder, which keeps them in the given field.
#[doc(hidden)]
#[macro_export]
macro_rules! offer_options {
    ($field:ident) => {
        $crate::offer_options! { $field:
            table(&str), owner(&str), lease(::core::time::Duration), heartbeat($crate::Heartbeat),
            reply_deadline(::core::time::Duration), connect_deadline(::core::time::Duration),
            drift($crate::Drift), lock_timeout(::core::time::Duration),
            poll(::core::time::Duration), longest_lease(::core::time::Duration),
            foreign($crate::Foreign), patience(::core::time::Duration),
            backoff($crate::Backoff), work_sessions(usize), hints(bool),
            silence(::core::time::Duration), advisory_places(usize), advisory_tokens(bool), slice(::core::time::Duration),
            lines(usize), config($crate::Config),
            check_table(bool), create_table(bool), identity($crate::Identity), seed(u64),
        }
    };
    ($field:ident: $($option:ident($type:ty)),* $(,)?) => { $(
        #[doc = concat!("See [`Options::", stringify!($option), "`](pglock_driver::Options::", stringify!($option), ").")]
        pub fn $option(mut self, value: $type) -> Self {
            self.$field = self.$field.$option(value);
            self
        }
    )* };
}
