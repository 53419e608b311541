//! Advisory locks on a real server, over the tokio adapter and the sync one, beside sessions that take theirs by hand.
//!
//! Each test is written once and run over both, unless it is about one of them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[macro_use(over_both_adapters)]
extern crate pglock_tests;

mod adapter;

mod holders;
mod pgbouncer;
mod servers;
mod transactions;
