//! A rule that was broken in a rehearsal.

use std::fmt;

use crate::oracle::Broken;

/// A broken rule, with all that is needed to see it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mishap {
    /// The rule, in words.
    pub broken: Broken,
    /// Where it was found, if a seed led to it.
    pub seed: Option<u64>,
    /// Every choice, for [`Tape::replay`](crate::Tape::replay).
    pub tape: Vec<u64>,
    /// How many events it took.
    pub steps: u64,
    /// What happened, a line each: nanoseconds of true time, then what.
    pub log: Vec<String>,
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        if let Some(seed) = self.seed {
            write!(f, "seed {seed}, ")?;
        }
        writeln!(f, "{} choices, {} events", self.tape.len(), self.steps)?;
        write!(f, "{}", self.broken)
    }
}

impl std::error::Error for Mishap {}
