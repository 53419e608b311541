//! The spans that belong together: how long the lock lasts unless the server is heard of, and when before its end
//! the command is stopped.

use std::time::Duration;

use pglock_tokio::Config;

use crate::args::Run;
use crate::exit::Failure;
use crate::words;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spans {
    /// The lease; of an advisory lock how long its session may be silent.
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
        let Config { lease, silence, .. } = Config::default();
        // A session is given up before its whole silence has passed, so TERM must come sooner.
        let (lease, usual, called) = if run.advisory {
            (silence, silence / 2, "silence that its session is allowed,")
        } else {
            let lease = run.lease.unwrap_or(lease);
            (lease, lease / 4, "lease of")
        };
        let grace = run.grace.unwrap_or(usual);
        if grace > lease / 2 {
            return Err(Failure::Usage(format!(
                "--grace {} is more than half of the {called} {}",
                words::span(grace),
                words::span(lease)
            )));
        }
        let margin = (lease / 20).min(Duration::from_millis(100));
        let tick = (lease / 40).clamp(Duration::from_millis(10), Duration::from_millis(500));
        Ok(Self { lease, grace: grace.max(margin), margin, tick })
    }
}
