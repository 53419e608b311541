//! Distributed locks on PostgreSQL, over the sync `postgres` crate. Works on any thread, also on those of
//! an async runtime, where it blocks the task that calls it.
//!
//! ```no_run
//! use pglock_postgres::{Error, Locks};
//!
//! # fn pay() -> Result<(), Error> {
//! let locks = Locks::connect("postgres://app@db.example.com/app")?;
//! let lock = locks.acquire("invoice-42")?;
//! println!("paying with fencing token {}", lock.token());
//! lock.release()?;
//! # Ok(()) }
//! ```
//!
//! PostgreSQL's own advisory locks, with the same guards; they need no table:
//!
//! ```no_run
//! use pglock_postgres::{Error, Locks};
//!
//! # fn report() -> Result<(), Error> {
//! let locks = Locks::builder().check_table(false).connect("postgres://app@db.example.com/app")?;
//! let reading = locks.advisory("report").shared().acquire()?;
//! reading.release()?;
//! locks.advisory("report").run(|_| println!("alone"))?;
//! # Ok(()) }
//! ```
//!
//! Nothing is decided here: this crate opens connections and carries statements.

mod builder;
mod connect;
mod locks;
mod session;
pub mod xact;

pub use builder::Builder;
pub use locks::Locks;

pub use pglock_driver::blocking::{AdvisoryLock, AdvisoryRequest, Lock, Request};
pub use pglock_driver::{
    AdvisoryClaim, AdvisoryHold, AdvisoryKey, AdvisoryMode, AdvisoryOwner, AdvisoryPlace,
    AdvisoryWait, AskError, Backoff, Belief, Config, ConfigError, ConnectError, Counters, Drift,
    Entry, Error, Failure, Foreign, Heartbeat, Hold, Holder, Identity, Instant, KeyMapping, Loss,
    NameError, Options, OwnerError, Problem, Released, Rvn, ServerError, SessionKind, SqlState,
    Table, TableError, TableReport, Token, Unfit, Wait,
};
