//! The spans that belong together: the lease, and when before its end the command is stopped.

use std::time::Duration;

use pglock_tokio::Config;

use crate::args::Run;
use crate::exit::Failure;
use crate::words;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spans {
    pub(super) lease: Duration,
    /// TERM comes so long before the lock can end.
    pub(super) grace: Duration,
    /// KILL comes so long before: time for the system to carry it out.
    pub(super) margin: Duration,
    /// How often the guard is told.
    pub(super) tick: Duration,
}

impl Spans {
    /// More grace than half the lease would stop commands whose lock is only a little late.
    pub(super) fn of(run: &Run) -> Result<Self, Failure> {
        let lease = run.lease.unwrap_or(Config::default().lease);
        let grace = run.grace.unwrap_or(lease / 4);
        if grace > lease / 2 {
            return Err(Failure::Usage(format!(
                "--grace {} is more than half of the lease of {}",
                words::span(grace),
                words::span(lease)
            )));
        }
        let margin = (lease / 20).min(Duration::from_millis(100));
        let tick = (lease / 40).clamp(Duration::from_millis(10), Duration::from_millis(500));
        Ok(Self { lease, grace: grace.max(margin), margin, tick })
    }
}
