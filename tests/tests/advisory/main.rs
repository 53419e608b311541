//! Advisory locks on a real server, over all adapters, beside sessions that take theirs by hand.
//!
//! Each test is written once and run over all, unless it is about one of them, or takes long and is about what they
//! share.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[macro_use(over_all_adapters)]
extern crate pglock_tests;

mod adapter;

mod holders;
mod pgbouncer;
mod servers;
mod transactions;
