//! Distributed locks on PostgreSQL, over `tokio-postgres` on async-std: on its sockets, timers and tasks. No tokio
//! runtime is started or needed.
//!
//! ```no_run
//! use pglock_async_std::{Error, Locks};
//!
//! fn main() -> Result<(), Error> {
//!     async_std::task::block_on(async {
//!         let locks = Locks::connect("postgres://app@db.example.com/app").await?;
//!         let lock = locks.acquire("invoice-42").await?;
//!         println!("paying with fencing token {}", lock.token());
//!         lock.release().await?;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! **async-std is discontinued**: its maintainers recommend smol instead (RUSTSEC-2025-0052). This crate is for programs
//! that are on it still; new ones had better take `pglock-smol`, which has the same names.
//!
//! Heartbeats are sent by a task of the runtime. Work that blocks all of the runtime's threads holds them
//! up and may so lose the lock; the guard tells the truth all the same.
//!
//! PostgreSQL's own advisory locks, with the same guards; they need no table:
//!
//! ```no_run
//! use pglock_async_std::{Error, Locks};
//!
//! # async fn report() -> Result<(), Error> {
//! let locks = Locks::builder().check_table(false).connect("postgres://app@db.example.com/app").await?;
//! let reading = locks.advisory("report").shared().acquire().await?;
//! reading.release().await?;
//! locks.advisory("report").run(|_| async { println!("alone, and stopped if the session ends") }).await?;
//! # Ok(()) }
//! ```
//!
//! The names are those of `pglock-tokio`, so that a program that changes its runtime changes the crate's name only, but
//! for TLS: connectors are made by a function, see [`Tls`].
//!
//! Servers are found and reached as `tokio-postgres` does it on tokio: over TCP and Unix sockets, with several hosts,
//! `hostaddr` and `port`, `connect_timeout`, keepalives and `tcp_user_timeout`, `target_session_attrs`,
//! `load_balance_hosts`, `sslmode` and `sslnegotiation`. Its feature `runtime` is not asked for. What only that brings,
//! `tokio_postgres::connect` and `CancelToken::cancel_query`, is nothing that locks need; connections of [your own
//! making](Builder::connect_with) are opened by `tokio_postgres::Config::connect_raw`.
//!
//! Nothing is decided here: this crate opens connections, carries statements and sleeps.

mod runtime;

use pglock_driver::BootClock;
use tokio_postgres::NoTls;

pub use pglock_async::names::*;
pub use pglock_async::{Socket, Tls};
pub use runtime::AsyncStd;

/// The locks of one table, over a few connections; see [`pglock_async::Locks`].
pub type Locks = pglock_async::Locks<AsyncStd>;

/// Settings first, then a way to connect; see [`pglock_async::Builder`].
pub type Builder<T = NoTls, K = BootClock> = pglock_async::Builder<AsyncStd, T, K>;
