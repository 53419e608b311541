//! All adapters under one asynchronous face.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use pglock_driver::{
    AdvisoryHold, AdvisoryKey, AdvisoryOwner, Counters, Error, Loss, Options, Released,
};
use pglock_tests::{Database, Server, Session, beside_pool, blocking, eventually};
pub(crate) use pglock_tests::{Runtime, run};

/// A new database for a test.
pub(crate) fn database() -> Database {
    Server::shared().database()
}

/// Settings for tests: waiters look often, and there is no table.
pub(crate) fn options() -> Options {
    Options::default().poll(Duration::from_millis(50)).check_table(false)
}

/// Nobody looks again within a test.
pub(crate) fn never_again() -> Options {
    let hour = Duration::from_secs(3_600);
    options().poll(hour).patience(hour * 2).silence(hour * 3).slice(hour)
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A session opened by hand, and what can be seen from it.
pub(crate) struct Stranger(Session);

impl Stranger {
    pub(crate) async fn of(database: &Database) -> Self {
        Self(database.connect().await)
    }

    /// Whether a statement answers `true`.
    pub(crate) async fn says(&self, query: &str) -> bool {
        self.0.ask(query).await.as_deref() == Some("t")
    }

    /// Whether it could have the lock alone now; if so, it gives it back.
    pub(crate) async fn finds_free(&self, key: impl Into<AdvisoryKey>) -> bool {
        let place = arguments(&key.into());
        let free = self.says(&format!("SELECT pg_try_advisory_lock({place})")).await;
        free && self.says(&format!("SELECT pg_advisory_unlock({place})")).await
    }

    /// Takes the lock alone, however long that takes.
    pub(crate) async fn takes(&self, name: &str) {
        self.execute(&format!("SELECT pg_advisory_lock({})", arguments(&name.into()))).await;
    }

    pub(crate) async fn gives_back(&self, name: &str) {
        let place = arguments(&name.into());
        assert!(self.says(&format!("SELECT pg_advisory_unlock({place})")).await);
    }

    /// How many advisory locks are held in this database or waited for.
    pub(crate) async fn count(&self) -> usize {
        self.0.ask(&of_locks("count(*)")).await.expect("a number").parse().expect("a number")
    }

    /// Whether a condition is true of the advisory locks of this database, held or waited for.
    pub(crate) async fn finds(&self, condition: &str) -> bool {
        self.says(&of_locks(condition)).await
    }

    /// Waits until so many wait for an advisory lock.
    pub(crate) async fn sees_waiting(&self, number: usize) {
        let waiting = format!("count(*) FILTER (WHERE NOT granted) = {number}");
        eventually(&format!("{number} wait"), async || self.finds(&waiting).await).await;
    }

    /// Waits until so many are.
    pub(crate) async fn sees(&self, count: usize) {
        eventually(&format!("{count} are held"), async || self.count().await == count).await;
    }

    /// Ends the session that holds the lock of this name. Others may be in `pg_locks` for a moment, too.
    pub(crate) async fn kills_the_holder(&self, name: &str) {
        let place = arguments(&name.into());
        let holders = of_locks("pg_terminate_backend(pid)");
        let of_this_name = "granted AND (classid::int8 << 32 | objid::int8)";
        assert!(self.says(&format!("{holders} AND {of_this_name} = {place}")).await);
    }
}

impl Deref for Stranger {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.0
    }
}

/// Tells something of the advisory locks of this database alone: tests share a server.
fn of_locks(what: &str) -> String {
    format!(
        "SELECT {what} FROM pg_locks WHERE locktype = 'advisory' AND database = \
         (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
}

/// As the server's functions take them.
pub(crate) fn arguments(key: &AdvisoryKey) -> String {
    match key.place() {
        pglock_driver::AdvisoryPlace::Bigint(number) => format!("({number})::bigint"),
        pglock_driver::AdvisoryPlace::Pair(first, second) => format!("({first}), ({second})"),
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Async(Runtime),
    Postgres,
    Sqlx,
}

/// How a lock is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Default,
    InLine,
}

impl Adapter {
    pub(crate) const ALL: [Self; 5] = [
        Self::TOKIO,
        Self::Async(Runtime::AsyncStd),
        Self::Async(Runtime::Smol),
        Self::Postgres,
        Self::Sqlx,
    ];

    pub(crate) const TOKIO: Self = Self::Async(Runtime::Tokio);
}

#[derive(Clone, Debug)]
pub(crate) enum Locks {
    Async(pglock_driver::Locks),
    Postgres(pglock_postgres::Locks),
}

pub(crate) enum Request {
    Async(pglock_driver::AdvisoryRequest),
    Postgres(pglock_postgres::AdvisoryRequest),
}

#[derive(Debug)]
pub(crate) enum Lock {
    Async(pglock_driver::AdvisoryLock),
    Postgres(Arc<pglock_postgres::AdvisoryLock>),
}

impl Adapter {
    /// A handle that must come about.
    pub(crate) async fn locks(self, database: &Database) -> Locks {
        self.locks_with(options(), database).await
    }

    pub(crate) async fn locks_with(self, options: Options, database: &Database) -> Locks {
        self.locks_at(options, database.url()).await
    }

    pub(crate) async fn locks_at(self, options: Options, url: &str) -> Locks {
        self.connect(options, url, true).await
    }

    /// A handle whose statements may be without names, as behind a pooler.
    pub(crate) async fn connect(self, options: Options, url: &str, prepared: bool) -> Locks {
        match self {
            Self::Async(runtime) => {
                Locks::Async(runtime.open(options, url, prepared).await.expect("locks"))
            }
            Self::Postgres => {
                let builder = pglock_postgres::Locks::builder().options(options).prepared(prepared);
                let url = url.to_owned();
                Locks::Postgres(blocking(move || builder.connect(&url)).await.expect("locks"))
            }
            Self::Sqlx => Locks::Async(beside_pool(options, url, prepared).await.expect("locks")),
        }
    }
}

impl Way {
    pub(crate) fn to(self, key: impl Into<AdvisoryKey>, locks: &Locks) -> Request {
        match self {
            Self::Default => locks.advisory(key),
            Self::InLine => locks.advisory(key).in_line(),
        }
    }
}

impl Locks {
    pub(crate) fn advisory(&self, key: impl Into<AdvisoryKey>) -> Request {
        match self {
            Self::Async(locks) => Request::Async(locks.advisory(key)),
            Self::Postgres(locks) => Request::Postgres(locks.advisory(key)),
        }
    }

    pub(crate) async fn acquire(&self, key: impl Into<AdvisoryKey>) -> Lock {
        self.advisory(key).acquire().await.expect("a lock")
    }

    /// Whether the lock can be had alone at once; if so, it is given back.
    pub(crate) async fn finds_free(&self, key: impl Into<AdvisoryKey>) -> bool {
        let Some(lock) = self.advisory(key).try_acquire().await.expect("an answer") else {
            return false;
        };
        lock.release().await.expect("a release").confirmed
    }

    pub(crate) fn owner(&self) -> AdvisoryOwner {
        match self {
            Self::Async(locks) => locks.owner(),
            Self::Postgres(locks) => locks.owner(),
        }
    }

    pub(crate) async fn counters(&self) -> Counters {
        match self {
            Self::Async(locks) => locks.counters().await,
            Self::Postgres(locks) => {
                let locks = locks.clone();
                blocking(move || locks.counters()).await
            }
        }
        .expect("counters")
    }

    pub(crate) async fn shut_down(&self) {
        match self {
            Self::Async(locks) => locks.shut_down().await,
            Self::Postgres(locks) => {
                let locks = locks.clone();
                blocking(move || locks.shut_down()).await;
            }
        }
    }
}

impl Request {
    pub(crate) fn shared(self) -> Self {
        match self {
            Self::Async(request) => Self::Async(request.shared()),
            Self::Postgres(request) => Self::Postgres(request.shared()),
        }
    }

    pub(crate) fn by(self, owner: &AdvisoryOwner) -> Self {
        match self {
            Self::Async(request) => Self::Async(request.by(owner)),
            Self::Postgres(request) => Self::Postgres(request.by(owner)),
        }
    }

    pub(crate) fn in_line(self) -> Self {
        match self {
            Self::Async(request) => Self::Async(request.in_line()),
            Self::Postgres(request) => Self::Postgres(request.in_line()),
        }
    }

    pub(crate) async fn acquire(self) -> Result<Lock, Error> {
        match self {
            Self::Async(request) => request.acquire().await.map(Lock::Async),
            Self::Postgres(request) => blocking(|| request.acquire()).await.map(Lock::sync),
        }
    }

    pub(crate) async fn acquire_within(self, time: Duration) -> Result<Lock, Error> {
        match self {
            Self::Async(request) => request.acquire_within(time).await.map(Lock::Async),
            Self::Postgres(request) => {
                blocking(move || request.acquire_within(time)).await.map(Lock::sync)
            }
        }
    }

    pub(crate) async fn try_acquire(self) -> Result<Option<Lock>, Error> {
        match self {
            Self::Async(request) => Ok(request.try_acquire().await?.map(Lock::Async)),
            Self::Postgres(request) => {
                Ok(blocking(|| request.try_acquire()).await?.map(Lock::sync))
            }
        }
    }
}

impl Lock {
    fn sync(lock: pglock_postgres::AdvisoryLock) -> Self {
        Self::Postgres(Arc::new(lock))
    }

    pub(crate) async fn again(&self) -> Result<Self, Error> {
        match self {
            Self::Async(lock) => lock.again().await.map(Self::Async),
            Self::Postgres(lock) => {
                let lock = Arc::clone(lock);
                blocking(move || lock.again()).await.map(Self::sync)
            }
        }
    }

    pub(crate) async fn lost(&self) -> Loss {
        match self {
            Self::Async(lock) => lock.lost().await,
            Self::Postgres(lock) => {
                let lock = Arc::clone(lock);
                blocking(move || lock.lost()).await
            }
        }
    }

    pub(crate) async fn release(self) -> Result<Released, Error> {
        match self {
            Self::Async(lock) => lock.release().await,
            Self::Postgres(lock) => {
                let lock = Arc::into_inner(lock).expect("a guard that nobody else uses");
                blocking(|| lock.release()).await
            }
        }
    }

    /// A release that the server confirms.
    pub(crate) async fn free(self) {
        assert!(self.release().await.expect("a release").confirmed);
    }
}

impl Deref for Lock {
    type Target = AdvisoryHold;

    fn deref(&self) -> &AdvisoryHold {
        match self {
            Self::Async(lock) => lock,
            Self::Postgres(lock) => lock,
        }
    }
}
