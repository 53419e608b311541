//! The shipped loops under one face for threads that block.

use std::sync::Arc;

use pglock_driver::{Error, Hold, Options, Released};
use pglock_tests::connect;
use smol::block_on;
use tokio::runtime::Runtime;

use crate::clock::SkewedClock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    Tokio,
    AsyncStd,
    Smol,
    Postgres,
}

impl Adapter {
    pub(crate) const ALL: [Self; 4] = [Self::Tokio, Self::AsyncStd, Self::Smol, Self::Postgres];
}

pub(crate) enum Handle {
    /// With a runtime, where each handle has one of its own.
    Async(pglock_driver::Locks, Option<Runtime>),
    Postgres(pglock_postgres::Locks),
}

pub(crate) enum Guard {
    Async(pglock_driver::Lock),
    Postgres(pglock_postgres::Lock),
}

impl Handle {
    pub(crate) fn open(
        adapter: Adapter,
        options: Options,
        clock: Arc<SkewedClock>,
        url: &str,
    ) -> Self {
        match adapter {
            Adapter::Tokio => {
                let mut runtime = tokio::runtime::Builder::new_multi_thread();
                let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
                let builder = pglock_tokio::Locks::builder().options(options).clock(clock);
                let locks = runtime.block_on(connect(builder, url.into()));
                Self::Async(locks.expect("locks"), Some(runtime))
            }
            Adapter::AsyncStd => {
                let builder = pglock_async_std::Locks::builder().options(options).clock(clock);
                Self::Async(block_on(connect(builder, url.into())).expect("locks"), None)
            }
            Adapter::Smol => {
                let builder = pglock_smol::Locks::builder().options(options).clock(clock);
                Self::Async(block_on(connect(builder, url.into())).expect("locks"), None)
            }
            Adapter::Postgres => {
                let builder = pglock_postgres::Locks::builder().options(options).clock(clock);
                Self::Postgres(builder.connect(url).expect("locks"))
            }
        }
    }

    /// Acquires a lock, however long it takes.
    pub(crate) fn acquire(&self, name: &str) -> Guard {
        match self {
            Self::Async(locks, _) => {
                block_on(locks.acquire(name)).map(Guard::Async).expect("a lock")
            }
            Self::Postgres(locks) => locks.acquire(name).map(Guard::Postgres).expect("a lock"),
        }
    }

    /// Ends without waiting for what hangs.
    pub(crate) fn abandon(self) {
        if let Self::Async(locks, Some(runtime)) = self {
            drop(locks);
            runtime.shutdown_background();
        }
    }

    pub(crate) fn shut_down(&self) {
        match self {
            Self::Async(locks, _) => block_on(locks.shut_down()),
            Self::Postgres(locks) => locks.shut_down(),
        }
    }
}

impl Guard {
    pub(crate) fn release(self) -> Result<Released, Error> {
        match self {
            Self::Async(lock) => block_on(lock.release()),
            Self::Postgres(lock) => lock.release(),
        }
    }

    /// What the holder believes, to be looked at from time to time.
    pub(crate) fn hold(&self) -> Hold {
        match self {
            Self::Async(lock) => lock.hold(),
            Self::Postgres(lock) => lock.hold(),
        }
    }
}
