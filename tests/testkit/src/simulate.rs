//! Runs histories and tells what came of them.

use std::fmt;

use crate::account::Account;
use crate::chronicle::Chronicle;
use crate::coincidence::Coincidences;
use crate::judge::{Judgement, judge};
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
    /// What the [judge](crate::judge()) says, which shares nothing with the oracles. It cannot see that a
    /// client is slow (O5).
    pub judgement: Result<(), Judgement>,
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

    /// What happened, for whoever wants to judge it.
    #[must_use]
    pub fn account(&self) -> Account {
        self.chronicle.account()
    }

    /// What the judge says, in a line.
    pub(crate) fn opinion(&self) -> String {
        match &self.judgement {
            Ok(()) => "The judge has found nothing wrong.".into(),
            Err(judgement) => format!("The judge says {judgement}"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        let Self { scenario, tape, steps, .. } = self;
        writeln!(f, "scenario {scenario:?}, {} choices, {steps} events", tape.len())?;
        write!(f, "{}\n{}", self.broken, self.opinion())
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
    let mut history = run_with(scenario, Tape::from_seed(seed), options);
    if history.is_ok() && seed.is_multiple_of(JUDGED) {
        let judged = again(scenario, options, Tape::from_seed(seed));
        history = if judged.judgement.is_ok() { history } else { Err(Box::new(judged)) };
    }
    history.map_err(|mut violation| {
        violation.seed = Some(seed);
        violation
    })
}

/// Every how many seeds the judge looks, too, though the oracles have seen nothing.
const JUDGED: u64 = 100;

/// The name under which the judge breaks a silence of the oracles.
const JUDGE: &str = "judge";

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
        Err(_) => {
            let tape = Tape::replay(world.tape.record().to_vec());
            Err(Box::new(again(scenario, options, tape)))
        }
    }
}

/// A history that broke a rule, in brief.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) broken: Broken,
    pub(crate) tape: Vec<u64>,
    pub(crate) steps: u64,
}

/// Runs the history of these choices for `steps` events at most. Answers how it broke a rule of `by`, if it did.
pub(crate) fn attempt(
    scenario: Scenario,
    options: Options,
    tape: Vec<u64>,
    steps: u64,
    by: &str,
) -> Option<Failed> {
    let is_for_judge = by == JUDGE;
    let mut world = World::new(scenario, Tape::replay(tape), options, is_for_judge);
    let broken = match world.run(steps) {
        Ok(()) if is_for_judge => broken_for(&judge(&world.kept().1.account())),
        verdict => verdict.err(),
    };
    let broken = broken.filter(|broken| broken.by == by)?;
    Some(Failed { broken, tape: world.tape.record().to_vec(), steps: world.steps })
}

/// Runs the history once more, keeps its log, and hears the judge.
pub(crate) fn again(scenario: Scenario, options: Options, tape: Tape) -> Violation {
    let mut world = World::new(scenario, tape, options, true);
    let plan = format!("{:#?}", world.plan);
    let verdict = world.run(u64::MAX);
    let (log, chronicle) = world.kept();
    let judgement = judge(&chronicle.account());
    let broken = verdict.err().or_else(|| broken_for(&judgement)).unwrap_or_else(|| Broken {
        by: "O8",
        words: "the same choices gave another history".into(),
        overlap: None,
    });
    let (steps, tape) = (world.steps, world.tape.record().to_vec());
    let seed = None;
    Violation { broken, judgement, scenario, options, seed, plan, tape, steps, log, chronicle }
}

impl World {
    /// Its log and its chronicle, if they were kept.
    fn kept(&mut self) -> (Vec<String>, Chronicle) {
        let Kept { lines, moments } = self.trace.take_kept();
        let names = self.names.clone();
        (lines, Chronicle { bounds: self.plan.bounds(), names, moments })
    }
}

/// What the judge condemns though no oracle does.
fn broken_for(judgement: &Result<(), Judgement>) -> Option<Broken> {
    let judgement = judgement.as_ref().err()?;
    Some(Broken { by: JUDGE, words: judgement.to_string(), overlap: None })
}
