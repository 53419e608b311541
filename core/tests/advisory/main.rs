//! The machine of advisory locks through its public face: what it sends, tells and waits for, rule by rule.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

mod bells;
mod beside;
#[path = "../common/mod.rs"]
mod common;
mod doubt;
mod ending;
mod entering;
mod in_line;
mod keys;
mod looks;
mod loss;
mod rig;
mod snapshots;
mod stacking;
mod tokens;
mod waiting;
