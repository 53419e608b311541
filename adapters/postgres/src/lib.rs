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
//! Nothing is decided here: this crate opens connections and carries statements.

mod builder;
mod connect;
mod locks;
mod session;
pub mod xact;

pub use builder::Builder;
pub use locks::Locks;

pub use pglock_driver::blocking::{Lock, Request};
pub use pglock_driver::{
    AdvisoryClaim, AdvisoryKey, AdvisoryMode, AdvisoryPlace, AdvisoryWait, Backoff, Config,
    ConfigError, ConnectError, Counters, Drift, Entry, Error, Failure, Foreign, Heartbeat, Hold,
    Holder, Identity, Instant, KeyMapping, Loss, NameError, Options, OwnerError, Problem, Released,
    Rvn, ServerError, SessionKind, SqlState, Table, TableError, TableReport, Token, Unfit, Wait,
};
