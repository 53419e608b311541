//! Drives `pglock-core`: carries commands to sessions and answers back, wakes the core in time, and hands
//! out guards. Decides nothing about locks, and knows no PostgreSQL client and no runtime.
//!
//! An adapter implements [`Connect`] and [`Session`] for its PostgreSQL client and [`Timer`] for its runtime,
//! then calls [`Locks::open`]; blocking ones implement the traits of the same names in [`blocking`]. The [guide] has an
//! example, what they promise, and how to prove it.
//!
//! ```
//! use pglock_driver::{Error, Locks};
//!
//! async fn pay(locks: &Locks) -> Result<(), Error> {
//!     let lock = locks.acquire("invoice-42").await?;
//!     println!("paying with fencing token {}", lock.token());
//!     lock.release().await?;
//!     Ok(())
//! }
//! ```
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod acquiring;
mod advisory;
mod ask;
mod belief;
pub mod blocking;
mod clock;
mod connect;
mod desk;
mod drive;
mod error;
pub mod guide;
mod hold;
mod link;
mod lock;
mod locks;
mod options;
pub mod own;
mod party;
mod request;

pub use advisory::{AdvisoryHold, AdvisoryLock, AdvisoryOwner, AdvisoryRequest};
pub use belief::Belief;
pub use clock::{Alarm, BootClock, Clock, Timer};
pub use connect::{Connect, ConnectError, Session};
pub use error::{Error, Loss};
pub use hold::Hold;
pub use lock::{Lock, Released};
pub use locks::Locks;
pub use options::Options;
pub use request::Request;

pub use pglock_core::{
    AdvisoryClaim, AdvisoryKey, AdvisoryMode, AdvisoryPlace, AdvisoryWait, AskError, Backoff,
    Command, Config, ConfigError, Counters, Drift, Entry, Failure, Foreign, Heartbeat, Holder,
    Identity, Instant, KeyMapping, LockName, NameError, Outcome, Owner, OwnerError, Param, Problem,
    Query, Row, Rvn, ServerError, SessionKind, Severity, SqlState, Table, TableError, TableReport,
    Token, TransactionLock, Unfit, Value, Wait,
};
