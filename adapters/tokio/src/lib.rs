//! Distributed locks on PostgreSQL, over `tokio-postgres` on tokio.
//!
//! ```no_run
//! use pglock_tokio::{Error, Locks};
//!
//! # async fn pay() -> Result<(), Error> {
//! let locks = Locks::connect("postgres://app@db.example.com/app").await?;
//! let lock = locks.acquire("invoice-42").await?;
//! println!("paying with fencing token {}", lock.token());
//! lock.release().await?;
//! # Ok(()) }
//! ```
//!
//! Heartbeats are sent by a task of the runtime. Work that blocks all of the runtime's threads holds them
//! up and may so lose the lock; the guard tells the truth all the same.
//!
//! PostgreSQL's own advisory locks, with the same guards; they need no table:
//!
//! ```no_run
//! use pglock_tokio::{Error, Locks};
//!
//! # async fn report() -> Result<(), Error> {
//! let locks = Locks::builder().check_table(false).connect("postgres://app@db.example.com/app").await?;
//! let reading = locks.advisory("report").shared().acquire().await?;
//! reading.release().await?;
//! locks.advisory("report").run(|_| async { println!("alone, and stopped if the session ends") }).await?;
//! # Ok(()) }
//! ```
//!
//! Nothing is decided here: this crate opens connections, carries statements and sleeps.

mod builder;
mod clock;
mod connect;
mod locks;
mod session;
pub mod xact;

pub use builder::Builder;
pub use locks::Locks;

pub use pglock_driver::{
    AdvisoryClaim, AdvisoryHold, AdvisoryKey, AdvisoryLock, AdvisoryMode, AdvisoryOwner,
    AdvisoryPlace, AdvisoryRequest, AdvisoryWait, AskError, Backoff, Belief, Config, ConfigError,
    ConnectError, Counters, Drift, Entry, Error, Failure, Foreign, Heartbeat, Hold, Holder,
    Identity, Instant, KeyMapping, Lock, Loss, NameError, Options, OwnerError, Problem, Released,
    Request, Rvn, ServerError, SessionKind, SqlState, Table, TableError, TableReport, Token, Unfit,
    Wait,
};
