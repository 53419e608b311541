//! The shipped loops under one face for threads that block.

use std::sync::Arc;

use pglock_driver::{Error, Hold, Options, Released};
use tokio::runtime::Runtime;

use crate::clock::SkewedClock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adapter {
    Tokio,
    Postgres,
}

impl Adapter {
    pub(crate) const ALL: [Self; 2] = [Self::Tokio, Self::Postgres];
}

pub(crate) enum Handle {
    Tokio(Runtime, pglock_tokio::Locks),
    Postgres(pglock_postgres::Locks),
}

pub(crate) enum Guard {
    Tokio(pglock_tokio::Lock),
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
                let locks = runtime.block_on(builder.connect(url)).expect("locks");
                Self::Tokio(runtime, locks)
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
            Self::Tokio(runtime, locks) => {
                runtime.block_on(locks.acquire(name)).map(Guard::Tokio).expect("a lock")
            }
            Self::Postgres(locks) => locks.acquire(name).map(Guard::Postgres).expect("a lock"),
        }
    }

    pub(crate) fn release(&self, guard: Guard) -> Result<Released, Error> {
        match (self, guard) {
            (Self::Tokio(runtime, _), Guard::Tokio(lock)) => runtime.block_on(lock.release()),
            (_, Guard::Postgres(lock)) => lock.release(),
            (Self::Postgres(_), Guard::Tokio(_)) => panic!("a guard of another handle"),
        }
    }

    /// Ends without waiting for what hangs.
    pub(crate) fn abandon(self) {
        match self {
            Self::Tokio(runtime, locks) => {
                drop(locks);
                runtime.shutdown_background();
            }
            Self::Postgres(locks) => drop(locks),
        }
    }

    pub(crate) fn shut_down(&self) {
        match self {
            Self::Tokio(runtime, locks) => runtime.block_on(locks.shut_down()),
            Self::Postgres(locks) => locks.shut_down(),
        }
    }
}

impl Guard {
    /// What the holder believes, to be looked at from time to time.
    pub(crate) fn hold(&self) -> Hold {
        match self {
            Self::Tokio(lock) => lock.hold(),
            Self::Postgres(lock) => lock.hold(),
        }
    }
}
