//! Session-level advisory locks on a real server, over all adapters. What is held is looked up in `pg_locks`,
//! or tried from a session opened by hand.
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

#[macro_use(over_all_adapters, over_each_driver)]
extern crate pglock_tests;

mod adapter;

mod cost;
mod dropping;
mod full;
mod handing_over;
mod holding;
mod in_line;
mod losing;
mod notified;
mod pgbouncer;
mod racing;
mod sharing;
mod shortage;
mod silence;
mod standby;
mod strangers;
mod tokens;
mod unfit;
mod waiting;
mod workers;
