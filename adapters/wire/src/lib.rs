//! Values of `pglock-core` to and from the types of `tokio-postgres`, which the sync `postgres` crate
//! shares. Judges nothing: an error goes on as the server reported it.
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod config;
mod outcome;
mod param;
mod row;

pub use config::{SETUP, config};
pub use outcome::{connect_error, outcome, server_error};
pub use param::{Wire, types, wired};
