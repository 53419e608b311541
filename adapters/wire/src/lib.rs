//! Values of `pglock-core` to and from the types of `tokio-postgres`, which the sync `postgres` crate
//! shares. Judges nothing: an error goes on as the server reported it.
//!
//! Keys of advisory locks that need a cryptographic hash are made here, too: the driver brings one along.
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod config;
mod outcome;
mod param;
mod row;
mod sqlx;

pub use config::{config, settings, take_turns};
pub use outcome::{connect_error, granted, outcome, server_error, value};
pub use param::{Wire, types, wired};
pub use sqlx::sqlx_key;

pub use pglock_driver::own::{
    CALL, CALLS, ECHO, WITNESS, answer, carries_advisory_locks, is_one_session, setup,
};
