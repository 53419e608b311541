//! The lease machine through its public face: what it sends, tells and waits for, transition by transition.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

mod acquire;
#[path = "../common/mod.rs"]
mod common;
mod held;
mod hints;
mod question;
mod rebase;
mod rig;
mod session;
mod snapshots;
mod wake;
