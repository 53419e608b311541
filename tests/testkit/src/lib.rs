//! A model of the server, a simulated world around it, and oracles that watch what happens there.
//!
//! [`Server`] stands for PostgreSQL: it runs the typed statements of `pglock-core`. [`simulate`] lets some
//! clients compete for locks on it through a network, on clocks, in processes and with users that do
//! everything they may do wrong, and checks the promises after every event. [`mod@conformance`] puts drivers to the test, on a
//! real server.
//!
//! ```
//! // The same seed gives the same history, on any machine.
//! let history = pglock_testkit::simulate(42)?;
//! assert_eq!(pglock_testkit::simulate(42)?.trace, history.trace);
//! # Ok::<_, Box<pglock_testkit::Violation>>(())
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::cast_precision_loss,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod account;
mod anything;
mod bytes;
mod chronicle;
mod clock;
mod coincidence;
pub mod conformance;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod ending;
pub mod enumerate;
mod failure;
mod judge;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
pub mod lockspace;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod network;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod oracle;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod patience;
mod plan;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod process;
mod queue;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod reach;
pub mod rehearsal;
mod rng;
mod server;
mod shrink;
mod simulate;
mod tape;
mod timeline;
mod trace;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod weather;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod workload;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the history is worthless"
)]
mod world;

pub use account::{Account, Author, Bounds, Deed, Ending, Entry, Grant, Holder, Step, What, Write};
pub use anything::{Misdeed, drive_bytes};
pub use coincidence::{Coincidence, Coincidences};
pub use judge::{Judgement, judge};
pub use oracle::Broken;
pub use plan::{Options, Scenario};
pub use server::{Change, Record, Server, advisory};
pub use simulate::{History, Violation, run, run_with, simulate, simulate_bytes, simulate_with};
pub use tape::Tape;
pub use timeline::Timeline;
