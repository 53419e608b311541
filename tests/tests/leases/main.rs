//! Lease locks on a real server, over all adapters.
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

#[macro_use(over_adapters_of_a_url, over_all_adapters, over_each_driver)]
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
mod hosts;
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
