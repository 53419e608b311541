//! Distributed locks on PostgreSQL, over `tokio-postgres` on any async runtime: what the adapters for runtimes share.
//! To use locks, take one of those: `pglock-tokio`, `pglock-smol` or `pglock-async-std`.
//!
//! An adapter says what its runtime brings, in one of two ways, and calls [`Locks`] and [`Builder`] its own:
//!
//! - [`Sockets`], where sockets are those of `futures-io`. How a server is found and reached is told here then, as
//!   `tokio-postgres` does it on tokio; its feature `runtime` is not needed.
//! - [`Runtime`] and [`Dial`], where the runtime has its own way to a server.
//!
//! Nothing about locks is decided here: this crate opens connections, carries statements and sleeps.
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod builder;
mod connect;
mod dial;
mod hosts;
mod locks;
pub mod names;
mod opened;
mod runtime;
mod session;
mod socket;
mod sockets;
mod tls;
pub mod xact;

pub use builder::Builder;
pub use locks::Locks;
pub use opened::Opened;
pub use runtime::{Dial, Runtime};
pub use socket::{Bytes, OsSocket, Socket};
pub use sockets::Sockets;
pub use tls::Tls;
