//! What PostgreSQL does, as far as this library is built on it. None of it is about the library's own
//! statements: should one of these tests fail on a new version, what rests on it has to be thought over.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod advisory;
mod crashes;
mod creating;
mod deadlocks;
mod keys;
mod notifying;
mod queueing;
mod rig;
mod sessions;
mod timelines;
mod waiting;
mod writing;
