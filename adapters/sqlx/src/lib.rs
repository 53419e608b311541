//! Distributed locks on PostgreSQL, for programs that have a pool of sqlx.
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn pay() -> Result<(), Box<dyn std::error::Error>> {
//! use pglock_sqlx::Locks;
//!
//! let pool = sqlx::PgPool::connect("postgres://app@db.example.com/app").await?;
//! let locks = Locks::connect(&pool).await?;
//! let lock = locks.acquire("invoice-42").await?;
//! println!("paying with fencing token {}", lock.token());
//! lock.release().await?;
//! # Ok(()) }
//! ```
//!
//! **Connections.** Locks are held for long, and a pool must not run dry for them. So the pool only says where to
//! connect to, each time anew: a password that is changed by `set_connect_options` counts. The connections are opened
//! beside it, count in none of its limits, and run none of its hooks: what `after_connect` does, such as `SET ROLE`,
//! belongs into the connect options here. [`Options::work_sessions`] and what stands there say how many there are.
//! One that is given up is closed; it never comes into the pool. One that listens says good-bye first (`UNLISTEN`),
//! so that on a network that has gone silent its socket stays until TCP gives up.
//!
//! **Runtimes.** The pool is one of sqlx 0.8. sqlx runs on the runtime that its own features name. With the feature `tokio`, on by default, so does
//! [`Locks::connect`]; on others use [`Builder::connect_on`].
//!
//! **What sqlx cannot do.** A connection of it notices its end, and what it is notified of, only as a
//! `PgListener`. Those that carry advisory locks or [hints](Options::hints) are such; of the others an end is noticed
//! with the next statement, which is asked again on a new one. There are no keepalives: a silent network is noticed by
//! [`Options::reply_deadline`] and [`Options::silence`]; not on the connection for hints, which only listens: waiters poll
//! then until it breaks.
//! While the server is down or has no room sqlx tries again by itself to open those that listen, so that callers are told
//! that there was no connection in time, and not why.
//!
//! PostgreSQL's own advisory locks, with the same guards; [`key_of`] makes them those of sqlx's `PgAdvisoryLock`:
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn migrate(pool: sqlx::PgPool) -> Result<(), pglock_sqlx::Error> {
//! use sqlx::postgres::PgAdvisoryLock;
//!
//! let locks = pglock_sqlx::Locks::builder().check_table(false).connect(&pool).await?;
//! let key = pglock_sqlx::key_of(&PgAdvisoryLock::new("migrations"));
//! locks.advisory(key.unwrap()).run(|_| async { println!("alone, and stopped if the session ends") }).await?;
//! # Ok(()) }
//! ```
//!
//! Nothing is decided here: this crate opens connections and carries statements.

#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod builder;
mod connect;
mod key;
mod line;
mod locks;
mod session;
mod values;
pub mod xact;

pub use builder::Builder;
pub use key::key_of;
pub use locks::Locks;

pub use pglock_driver::{
    AdvisoryClaim, AdvisoryHold, AdvisoryKey, AdvisoryLock, AdvisoryMode, AdvisoryOwner,
    AdvisoryPlace, AdvisoryRequest, AdvisoryWait, AskError, Backoff, Belief, Config, ConfigError,
    ConnectError, Counters, Drift, Entry, Error, Failure, Foreign, Heartbeat, Hold, Holder,
    Identity, Instant, KeyMapping, Lock, Loss, NameError, Options, OwnerError, Problem, Released,
    Request, Rvn, ServerError, SessionKind, SqlState, Table, TableError, TableReport, Token, Unfit,
    Wait,
};
