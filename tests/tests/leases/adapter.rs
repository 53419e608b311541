//! All adapters under one asynchronous face.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use pglock_driver::{
    Counters, Entry, Error, Heartbeat, Hold, Loss, Options, Released, TableReport, Token, Wait,
};
use pglock_tests::{Database, Server, beside_pool};
pub(crate) use pglock_tests::{Runtime, blocking, run};

/// A new database for a test.
pub(crate) fn database() -> Database {
    Server::shared().database()
}

/// Settings for tests: waiters look often.
pub(crate) fn options() -> Options {
    Options::default().poll(Duration::from_millis(50))
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Async(Runtime),
    Postgres,
    Sqlx,
}

impl Adapter {
    pub(crate) const ALL: [Self; 5] = [
        Self::TOKIO,
        Self::Async(Runtime::AsyncStd),
        Self::Async(Runtime::Smol),
        Self::Postgres,
        Self::Sqlx,
    ];

    /// Those that are told by a URL where to connect to.
    pub(crate) const OF_A_URL: [Self; 4] =
        [Self::TOKIO, Self::Async(Runtime::AsyncStd), Self::Async(Runtime::Smol), Self::Postgres];

    pub(crate) const TOKIO: Self = Self::Async(Runtime::Tokio);
}

#[derive(Clone, Debug)]
pub(crate) enum Locks {
    Async(pglock_driver::Locks),
    Postgres(pglock_postgres::Locks),
}

pub(crate) enum Request {
    Async(pglock_driver::Request),
    Postgres(pglock_postgres::Request),
}

#[derive(Debug)]
pub(crate) enum Lock {
    Async(pglock_driver::Lock),
    Postgres(Arc<pglock_postgres::Lock>),
}

impl Adapter {
    /// A handle that must come about.
    pub(crate) async fn locks(self, database: &Database) -> Locks {
        self.open(options(), database.url()).await.expect("locks")
    }

    pub(crate) async fn locks_with(self, options: Options, database: &Database) -> Locks {
        self.open(options, database.url()).await.expect("locks")
    }

    /// A handle whose statements have no names, as behind a pooler; it must come about.
    pub(crate) async fn unprepared(self, options: Options, url: &str) -> Locks {
        self.open_prepared(options, url, false).await.expect("locks")
    }

    pub(crate) async fn open(self, options: Options, url: &str) -> Result<Locks, Error> {
        self.open_prepared(options, url, true).await
    }

    async fn open_prepared(
        self,
        options: Options,
        url: &str,
        prepared: bool,
    ) -> Result<Locks, Error> {
        match self {
            Self::Async(runtime) => runtime.open(options, url, prepared).await.map(Locks::Async),
            Self::Postgres => {
                let builder = pglock_postgres::Locks::builder().options(options).prepared(prepared);
                let url = url.to_owned();
                blocking(move || builder.connect(&url)).await.map(Locks::Postgres)
            }
            Self::Sqlx => beside_pool(options, url, prepared).await.map(Locks::Async),
        }
    }
}

/// Asks either handle, the sync one on a thread of its own.
macro_rules! ask {
    ($handle:expr, |$locks:ident| $ask:expr) => {
        match $handle {
            Locks::Async($locks) => $ask.await,
            Locks::Postgres(locks) => {
                let $locks = locks.clone();
                blocking(move || $ask).await
            }
        }
    };
}

impl Locks {
    pub(crate) fn request(&self, name: &str) -> Request {
        match self {
            Self::Async(locks) => Request::Async(locks.request(name)),
            Self::Postgres(locks) => Request::Postgres(locks.request(name)),
        }
    }

    pub(crate) async fn acquire(&self, name: &str) -> Result<Lock, Error> {
        self.request(name).acquire().await
    }

    pub(crate) async fn acquire_within(&self, name: &str, time: Duration) -> Result<Lock, Error> {
        self.request(name).acquire_within(time).await
    }

    pub(crate) async fn try_acquire(&self, name: &str) -> Result<Option<Lock>, Error> {
        self.request(name).try_acquire().await
    }

    pub(crate) async fn probe(&self, name: &str) -> Result<Option<Lock>, Error> {
        self.request(name).probe().await
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<Entry>, Error> {
        let name = name.to_owned();
        ask!(self, |locks| locks.get(&name))
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        let prefix = prefix.to_owned();
        ask!(self, |locks| locks.list(&prefix))
    }

    pub(crate) async fn evict(&self, name: &str, token: Token) -> Result<Option<Entry>, Error> {
        let name = name.to_owned();
        ask!(self, |locks| locks.evict(&name, token))
    }

    pub(crate) async fn create_table(&self) -> Result<(), Error> {
        ask!(self, |locks| locks.create_table())
    }

    pub(crate) async fn check_table(&self) -> Result<TableReport, Error> {
        ask!(self, |locks| locks.check_table())
    }

    pub(crate) async fn drop_table(&self) -> Result<(), Error> {
        ask!(self, |locks| locks.drop_table())
    }

    pub(crate) async fn counters(&self) -> Result<Counters, Error> {
        ask!(self, |locks| locks.counters())
    }

    pub(crate) async fn shut_down(&self) {
        ask!(self, |locks| locks.shut_down())
    }
}

macro_rules! offer {
    ($($option:ident($($name:ident: $type:ty)?)),* $(,)?) => { $(
        pub(crate) fn $option(self $(, $name: $type)?) -> Self {
            match self {
                Self::Async(request) => Self::Async(request.$option($($name)?)),
                Self::Postgres(request) => Self::Postgres(request.$option($($name)?)),
            }
        }
    )* };
}

impl Request {
    offer! {
        lease(lease: Duration), heartbeat(heartbeat: Heartbeat), owner(owner: &str),
        data(data: &[u8]), replace_data(), keep_data(), wait(wait: Wait),
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

    pub(crate) async fn probe(self) -> Result<Option<Lock>, Error> {
        match self {
            Self::Async(request) => Ok(request.probe().await?.map(Lock::Async)),
            Self::Postgres(request) => Ok(blocking(|| request.probe()).await?.map(Lock::sync)),
        }
    }
}

/// Asks either guard, the sync one on a thread of its own.
macro_rules! ask_guard {
    ($guard:expr, |$lock:ident| $ask:expr) => {
        match $guard {
            Lock::Async($lock) => $ask.await,
            Lock::Postgres(lock) => {
                let $lock = Arc::clone(lock);
                blocking(move || $ask).await
            }
        }
    };
}

impl Lock {
    fn sync(lock: pglock_postgres::Lock) -> Self {
        Self::Postgres(Arc::new(lock))
    }

    /// What can still be looked at when the guard is gone.
    pub(crate) fn hold(&self) -> Hold {
        Hold::clone(self)
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

    pub(crate) async fn lost(&self) -> Loss {
        ask_guard!(self, |lock| lock.lost())
    }

    pub(crate) async fn heartbeat(&self) -> Result<(), Error> {
        ask_guard!(self, |lock| lock.heartbeat())
    }

    pub(crate) async fn extend(&self, lease: Duration) -> Result<(), Error> {
        ask_guard!(self, |lock| lock.extend(lease))
    }

    pub(crate) async fn set_data(&self, data: &[u8]) -> Result<(), Error> {
        let data = data.to_vec();
        ask_guard!(self, |lock| lock.set_data(data))
    }

    pub(crate) async fn clear_data(&self) -> Result<(), Error> {
        ask_guard!(self, |lock| lock.clear_data())
    }
}

impl Deref for Lock {
    type Target = Hold;

    fn deref(&self) -> &Hold {
        match self {
            Self::Async(lock) => lock,
            Self::Postgres(lock) => lock,
        }
    }
}
