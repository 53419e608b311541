//! Every property that the lease statements promise, seen on a real server.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "these are tests"
)]

mod actor;
mod contention;
mod cost;
mod fence;
mod grants;
mod identifiers;
mod reading;
mod renewals;
mod schema;
mod settings;
