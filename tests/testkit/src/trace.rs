//! What happened in a history: a hash of everything, and the lines of a log if somebody wants to read it.

use crate::rng::scramble;

#[derive(Clone, Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) const fn new(with_lines: bool) -> Self {
        Self { hash: 0, lines: if with_lines { Some(Vec::new()) } else { None } }
    }

    /// Notes that something happened at true time `now`.
    pub(crate) fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        self.mix(now);
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{now:>16}  {}", line()));
        }
    }

    /// Lets a fact count for the hash.
    pub(crate) const fn mix(&mut self, fact: u64) {
        self.hash = scramble(self.hash.rotate_left(5) ^ fact);
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
