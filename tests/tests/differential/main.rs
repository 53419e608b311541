//! Statements on the models of the server and on a real one, in lock step: both must answer the same and
//! leave the same rows and locks. This entitles the models to stand for PostgreSQL.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "these are tests"
)]

mod advisory;
mod foreseen;
mod interleavings;
mod mutants;
mod pair;
mod program;
mod sequences;
