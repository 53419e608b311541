//! Rehearses a user's own program: the shipped async loop, its guards and the user's futures run on virtual
//! time, over a network, clocks and processes that do everything they may do wrong.
//!
//! A program is a function from a [`Client`] to a future. It stands for a process: it may crash and is then
//! started anew, and it is started anew when it ends with an error. Once the faults are over it must come to
//! its end. What it does while it believes in a lock it says with [`Client::works_on`].
//!
//! ```
//! use std::time::Duration;
//!
//! use pglock_driver::{Error, Options};
//! use pglock_testkit::rehearsal::{Client, rehearse};
//!
//! async fn worker(client: Client) -> Result<(), Error> {
//!     let locks = client.connect(Options::default()).await?;
//!     for _ in 0..3 {
//!         let work = async |hold| {
//!             let _working = client.works_on(&hold);
//!             client.sleep(Duration::from_secs(7)).await;
//!         };
//!         locks.run("invoices", work).await?;
//!     }
//!     locks.shut_down().await;
//!     Ok(())
//! }
//!
//! for seed in 0..10 {
//!     let script = |stage: &mut pglock_testkit::rehearsal::Stage| {
//!         (0..3).for_each(|_| stage.client(worker));
//!     };
//!     rehearse(seed, script).unwrap_or_else(|mishap| panic!("{mishap}"));
//! }
//! ```
//!
//! The driver's traits want connections and clocks to be `Send`, so [`Client`] is, and what it
//! [spawns](Client::spawn) must be, as on most runtimes. Programs themselves need not be.
//!
//! A rehearsal is as deterministic as the programs in it: they must draw numbers from
//! [`Client::draw`], know no clock but the client's, and keep no state between two rehearsals.

mod client;
mod fault;
mod mishap;
#[expect(
    clippy::indexing_slicing,
    reason = "the scene's own indices; if one is wrong the rehearsal is worthless"
)]
mod network;
#[expect(
    clippy::indexing_slicing,
    reason = "the scene's own indices; if one is wrong the rehearsal is worthless"
)]
mod process;
#[expect(
    clippy::indexing_slicing,
    reason = "the scene's own indices; if one is wrong the rehearsal is worthless"
)]
mod rules;
mod run;
#[expect(
    clippy::indexing_slicing,
    reason = "the scene's own indices; if one is wrong the rehearsal is worthless"
)]
mod scene;
mod session;
mod stage;
mod tasks;
mod timers;
#[expect(
    clippy::indexing_slicing,
    reason = "the scene's own indices; if one is wrong the rehearsal is worthless"
)]
mod weather;

pub use client::{Client, Work};
pub use fault::Fault;
pub use mishap::Mishap;
pub use run::{Rehearsal, Rehearsed, rehearse};
pub use session::Session;
pub use stage::Stage;
