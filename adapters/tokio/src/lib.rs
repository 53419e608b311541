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

mod runtime;

use pglock_driver::BootClock;
use tokio_postgres::NoTls;

pub use pglock_async::names::*;
pub use runtime::Tokio;

/// The locks of one table, over a few connections; see [`pglock_async::Locks`].
pub type Locks = pglock_async::Locks<Tokio>;

/// Settings first, then a way to connect; see [`pglock_async::Builder`].
pub type Builder<T = NoTls, K = BootClock> = pglock_async::Builder<Tokio, T, K>;
