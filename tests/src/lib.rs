//! Real servers for tests, found or started by themselves, and taken down with the test process.
//!
//! ```no_run
//! let database = pglock_tests::Server::shared().database();
//! println!("{}", database.url());
//! ```
//!
//! A test process shares one [`Server`]; each test takes a [`Database`] of its own on it. Tests that stop,
//! crash or replicate a server start a [`Private`] one. No server is a failure that says how to get
//! one.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a fixture that cannot be had fails the test that asked for it"
)]

mod adapters;
mod certificate;
mod container;
mod database;
mod listener;
mod pooler;
mod private;
mod programs;
mod proxy;
mod runtime;
mod server;
mod session;
mod setting;
mod sqlx;
mod watchdog;

pub use adapters::{blocking, in_time, run};
pub use certificate::Certificate;
pub use database::Database;
pub use listener::Listener;
pub use pooler::{Pooler, Pooling};
pub use private::Private;
pub use proxy::{Fault, Proxy, RoundTrip};
pub use runtime::{Runtime, connect};
pub use server::Server;
pub use session::{Lsn, Session, Tuple, Wal, eventually};
pub use setting::setting;
pub use sqlx::{beside_pool, pool};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
