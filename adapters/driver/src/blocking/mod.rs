//! The same locks for programs without an async runtime.
//!
//! One thread drives the core and never calls the PostgreSQL client itself; each connection has a
//! thread of its own. So deadlines hold also while a call into a network that has gone silent hangs.
//!
//! ```
//! use pglock_driver::{Error, blocking::Locks};
//!
//! fn pay(locks: &Locks) -> Result<(), Error> {
//!     let lock = locks.acquire("invoice-42")?;
//!     println!("paying with fencing token {}", lock.token());
//!     lock.release()?;
//!     Ok(())
//! }
//! ```

mod advisory;
mod connect;
mod drive;
mod lock;
mod locks;
mod request;
mod thread;

pub use advisory::{AdvisoryLock, AdvisoryRequest};
pub use connect::{Connect, Session};
pub use lock::Lock;
pub use locks::Locks;
pub use request::Request;
