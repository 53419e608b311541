//! A simulated world around the lock table: clients of the core compete for advisory locks, through a network, on
//! clocks, in processes and with users that do everything they may do wrong.
//!
//! ```
//! // The same seed gives the same history, on any machine.
//! let history = pglock_testkit::lockspace::simulate(42)?;
//! assert_eq!(pglock_testkit::lockspace::simulate(42)?, history);
//! # Ok::<_, Box<pglock_testkit::lockspace::Violation>>(())
//! ```

mod ending;
mod look;
mod met;
mod network;
mod person;
mod plan;
mod process;
mod server;
mod users;
mod world;

use std::fmt;
use std::io;
use std::path::Path;

use crate::failure::{lines, test_of, write};
use crate::oracle::Broken;
use crate::shrink::smallest;
use crate::simulate::Failed;
use crate::tape::Tape;
use world::World;

pub use met::{Coincidence, Coincidences};
pub use server::Server;

/// What came of one history in which no rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct History {
    /// A hash of all that happened: the same choices give the same one.
    pub trace: u64,
    /// How many events there were.
    pub steps: u64,
    /// What it came by.
    pub reached: Coincidences,
}

/// A broken rule, with all that is needed to see it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Violation {
    /// The rule, in words.
    pub broken: Broken,
    /// Where it was found, if a seed led to it.
    pub seed: Option<u64>,
    /// What was drawn at the beginning: sizes, settings, and what may go wrong how often.
    pub plan: String,
    /// Every choice, for [`Tape::replay`].
    pub tape: Vec<u64>,
    /// How many events it took.
    pub steps: u64,
    /// What happened, a line each: nanoseconds of true time, then what.
    pub log: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        write!(f, "{} choices, {} events\n{}", self.tape.len(), self.steps, self.broken)
    }
}

impl std::error::Error for Violation {}

impl Violation {
    /// A history that breaks a rule of the same oracle, as small as can be found in so many attempts.
    #[must_use]
    pub fn shrunk(self, attempts: u32) -> Self {
        let Self { broken, tape, steps, seed, .. } = self;
        let found = smallest(Failed { broken, tape, steps }, attempts, attempt);
        Self { seed, ..again(Tape::replay(found.tape)) }
    }

    /// Writes a folder, made if it is missing, with the rule and the options (`violation.txt`), the choices
    /// (`tape.txt`), the log (`log.txt`) and a test to paste (`test.rs`).
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        let files = [
            ("violation.txt", self.summary()),
            ("tape.txt", lines(&self.tape)),
            ("log.txt", lines(&self.log)),
            ("test.rs", self.test()),
        ];
        write(folder, &files)
    }

    /// A test that fails as long as the history breaks a rule, ready to be pasted.
    #[must_use]
    pub fn test(&self) -> String {
        test_of(&self.broken, "lockspace, Tape", "lockspace::run(tape)", &self.tape)
    }

    fn summary(&self) -> String {
        let Self { broken, seed, steps, tape, plan, .. } = self;
        let seed = seed.map_or_else(|| "unknown".into(), |seed| seed.to_string());
        format!(
            "{broken}\n\nfound under seed {seed}\n{} choices, {steps} events\n\n{plan}\n",
            tape.len()
        )
    }
}

/// Runs the history of a seed.
///
/// # Errors
/// When a rule was broken.
pub fn simulate(seed: u64) -> Result<History, Box<Violation>> {
    run(Tape::from_seed(seed)).map_err(|mut violation| {
        violation.seed = Some(seed);
        violation
    })
}

/// Runs the history of these choices.
///
/// # Errors
/// When a rule was broken.
pub fn run(tape: Tape) -> Result<History, Box<Violation>> {
    let mut world = World::new(tape, false);
    match world.run(u64::MAX) {
        Ok(()) => {
            Ok(History { trace: world.trace.hash(), steps: world.steps, reached: world.reached })
        }
        Err(_) => Err(Box::new(again(Tape::replay(world.tape.record().to_vec())))),
    }
}

/// Runs the history of these choices for `steps` events at most. Answers how it broke a rule of `by`, if it did.
fn attempt(tape: Vec<u64>, steps: u64, by: &str) -> Option<Failed> {
    let mut world = World::new(Tape::replay(tape), false);
    let broken = world.run(steps).err().filter(|broken| broken.by == by)?;
    Some(Failed { broken, tape: world.tape.record().to_vec(), steps: world.steps })
}

/// Runs the history once more, and keeps its log.
fn again(tape: Tape) -> Violation {
    let mut world = World::new(tape, true);
    let plan = format!("{:#?}", world.plan);
    let broken = world.run(u64::MAX).err().unwrap_or_else(|| Broken {
        by: "O8",
        words: "the same choices gave another history".into(),
        overlap: None,
    });
    let log = world.trace.take_kept().lines;
    let (tape, steps) = (world.tape.record().to_vec(), world.steps);
    Violation { broken, seed: None, plan, tape, steps, log }
}
