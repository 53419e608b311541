//! Runs histories and tells what came of them.

use std::fmt;

use crate::chronicle::Chronicle;
use crate::coincidence::Coincidences;
use crate::oracle::Broken;
use crate::plan::{Options, Scenario};
use crate::tape::Tape;
use crate::timeline::Timeline;
use crate::trace::Kept;
use crate::world::World;

/// What came of one history in which no rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct History {
    /// A hash of all that happened: the same choices give the same one.
    pub trace: u64,
    /// How many events there were.
    pub steps: u64,
    /// How long it took, in nanoseconds of simulated time.
    pub simulated: u64,
    /// What it came by.
    pub reached: Coincidences,
}

/// A broken rule, with all that is needed to see it again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Violation {
    /// The rule, in words.
    pub broken: Broken,
    /// The kind of world.
    pub scenario: Scenario,
    /// What was fixed beforehand.
    pub options: Options,
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
    pub(crate) chronicle: Chronicle,
}

impl Violation {
    /// What happened, as a picture.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        Timeline::draw(&self.chronicle, &self.broken)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        let Self { scenario, tape, steps, .. } = self;
        writeln!(f, "scenario {scenario:?}, {} choices, {steps} events", tape.len())?;
        write!(f, "{}", self.broken)
    }
}

impl std::error::Error for Violation {}

/// Runs the history of a seed; the seed chooses the scenario.
///
/// # Errors
/// When a rule was broken.
pub fn simulate(seed: u64) -> Result<History, Box<Violation>> {
    simulate_with(seed, Options::default())
}

/// Runs the history of a seed with some things fixed; the seed chooses the scenario if it is none of them.
///
/// # Errors
/// When a rule was broken.
pub fn simulate_with(seed: u64, options: Options) -> Result<History, Box<Violation>> {
    let scenario = options.scenario.unwrap_or(match seed % 4 {
        0 | 1 => Scenario::Storm,
        2 => Scenario::Calm,
        _ => Scenario::Edge,
    });
    run_with(scenario, Tape::from_seed(seed), options).map_err(|mut violation| {
        violation.seed = Some(seed);
        violation
    })
}

/// Runs the history that bytes choose: the first of them the scenario, the others everything else. Any bytes
/// give a history, none at all the benign one.
///
/// # Errors
/// When a rule was broken.
pub fn simulate_bytes(bytes: &[u8]) -> Result<History, Box<Violation>> {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let scenario = match first % 3 {
        0 => Scenario::Storm,
        1 => Scenario::Calm,
        _ => Scenario::Edge,
    };
    run(scenario, Tape::from_bytes(rest))
}

/// Runs the history of these choices.
///
/// # Errors
/// When a rule was broken.
pub fn run(scenario: Scenario, tape: Tape) -> Result<History, Box<Violation>> {
    run_with(scenario, tape, Options::default())
}

/// Runs the history of these choices with some things fixed.
///
/// # Errors
/// When a rule was broken.
pub fn run_with(
    scenario: Scenario,
    tape: Tape,
    options: Options,
) -> Result<History, Box<Violation>> {
    let mut world = World::new(scenario, tape, options, false);
    match world.run(u64::MAX) {
        Ok(()) => Ok(History {
            trace: world.trace.hash(),
            steps: world.steps,
            simulated: world.now,
            reached: world.reached,
        }),
        Err(_) => Err(Box::new(again(scenario, options, world.tape.record().to_vec()))),
    }
}

/// A history that broke a rule, in brief.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) broken: Broken,
    pub(crate) tape: Vec<u64>,
    pub(crate) steps: u64,
}

/// Runs the history of these choices for `steps` events at most. Answers how it broke a rule, if it did.
pub(crate) fn attempt(
    scenario: Scenario,
    options: Options,
    tape: Vec<u64>,
    steps: u64,
) -> Option<Failed> {
    let mut world = World::new(scenario, Tape::replay(tape), options, false);
    let broken = world.run(steps).err()?;
    Some(Failed { broken, tape: world.tape.record().to_vec(), steps: world.steps })
}

/// Runs the history once more and keeps its log.
pub(crate) fn again(scenario: Scenario, options: Options, tape: Vec<u64>) -> Violation {
    let mut world = World::new(scenario, Tape::replay(tape.clone()), options, true);
    let plan = format!("{:#?}", world.plan);
    let broken = world.run(u64::MAX).err().unwrap_or_else(|| Broken {
        by: "O8",
        words: "the same choices gave another history".into(),
        overlap: None,
    });
    let names = world.names.iter().map(|name| name.as_str().into()).collect();
    let Kept { lines: log, moments } = world.trace.into_kept();
    let chronicle = Chronicle { names, moments };
    let steps = world.steps;
    Violation { broken, scenario, options, seed: None, plan, tape, steps, log, chronicle }
}
