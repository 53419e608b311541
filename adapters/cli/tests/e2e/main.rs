//! The real program against a real server: what comes out, on which stream, with which exit code.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod advisory;
mod advisory_run;
mod demo;
mod looking;
mod loss;
mod rig;
mod running;
mod simulating;
mod table;
mod terminal;
mod tls;
