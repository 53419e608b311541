//! A rule that was broken in a rehearsal.

use std::fmt;
use std::io;
use std::path::Path;

use crate::chronicle::Chronicle;
use crate::failure::{lines, write};
use crate::oracle::Broken;
use crate::timeline::Timeline;

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
    pub(super) chronicle: Chronicle,
}

impl Mishap {
    /// What happened, as a picture.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        Timeline::draw(&self.chronicle, &self.broken)
    }

    /// Writes a folder, made if it is missing, with the rule (`mishap.txt`), the choices (`tape.txt`), the log
    /// (`log.txt`), and the timeline (`timeline.txt`, `timeline.svg`).
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        let timeline = self.timeline();
        let files = [
            ("mishap.txt", format!("{}\n", self.summary())),
            ("tape.txt", lines(&self.tape)),
            ("log.txt", lines(&self.log)),
            ("timeline.txt", timeline.text()),
            ("timeline.svg", timeline.svg()),
        ];
        write(folder, &files)
    }

    fn summary(&self) -> String {
        let Self { broken, tape, steps, .. } = self;
        let seed = self.seed.map_or_else(String::new, |seed| format!("seed {seed}, "));
        format!("{seed}{} choices, {steps} events\n{broken}", tape.len())
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.log.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        f.write_str(&self.summary())
    }
}

impl std::error::Error for Mishap {}
