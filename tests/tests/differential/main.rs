//! Statements on the model of the server and on a real one, in lock step: both must answer the same and leave
//! the same rows. This entitles the model to stand for PostgreSQL.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "these are tests"
)]

mod foreseen;
mod interleavings;
mod mutants;
mod pair;
mod program;
mod sequences;
