//! Lease locks on a real server, over the tokio adapter and the sync one.
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

mod cancelling;
mod connecting;
mod cost;
mod crash;
mod crowd;
mod data;
mod encrypted;
mod faults;
mod handles;
mod heartbeats;
mod hints;
mod holding;
mod limits;
mod listing;
mod loss;
mod names;
mod outage;
mod pgbouncer;
mod standby;
mod stopped;
mod strangers;
mod table;
mod upgrade;
mod work;
