//! Looks for a history that breaks a rule, in the simulated world: many seeds, on all cores. What it finds it
//! makes small, shows, and writes into a folder.

mod progress;
mod report;
mod search;
mod tally;
#[cfg(all(test, pglock_bugs))]
mod tests;
mod world;

use std::path::PathBuf;

use pglock_testkit::{Options, lockspace, simulate_with};

use self::progress::Progress;
use self::world::{Broke, Passed};
use crate::args::Simulate;
use crate::exit::{BROKEN, Failure};
use crate::say;

/// How many histories, and about how many events, may be tried to make one small.
const ATTEMPTS: u32 = 20_000;
const EVENTS: u64 = 40_000_000;

pub(crate) fn simulate(args: &Simulate) -> Result<u8, Failure> {
    if args.advisory {
        run(args, lockspace::simulate)
    } else {
        run(args, |seed| simulate_with(seed, options(args, seed)))
    }
}

fn run<H: Passed, V: Broke + Send>(
    args: &Simulate,
    history: impl Fn(u64) -> Result<H, V> + Sync,
) -> Result<u8, Failure> {
    match found(args, history)? {
        None => Ok(0),
        Some(violation) => {
            tell(violation, args)?;
            Ok(BROKEN)
        }
    }
}

/// Runs all histories. Says what they came by, unless one of them broke a rule.
fn found<H: Passed, V: Send>(
    args: &Simulate,
    history: impl Fn(u64) -> Result<H, V> + Sync,
) -> Result<Option<V>, Failure> {
    if args.seed.checked_add(args.histories - 1).is_none() {
        return Err(Failure::Usage(format!(
            "there are no {} seeds from {} on",
            args.histories, args.seed
        )));
    }
    let cores = || std::thread::available_parallelism().map_or(1, Into::into);
    let jobs = args.jobs.map_or_else(cores, usize::from);
    let mut progress = Progress::start(args.histories);
    let found = search::search(args.seed, args.histories, jobs, history, |tally| {
        progress.show(tally);
    });
    let took = progress.end();
    match found {
        Ok(tally) => say::answer(&report::of_none(&tally, took))?,
        Err((_, violation)) => return Ok(Some(violation)),
    }
    Ok(None)
}

/// Says what is known already before what may take long or fail: makes the history small, and keeps it.
fn tell(violation: impl Broke, args: &Simulate) -> Result<(), Failure> {
    say::answer(&report::of_broken(&violation))?;
    let (steps, attempts) = (violation.events(), attempts(&violation));
    let small = progress::meanwhile("making the history small", || violation.shrunk(attempts));
    say::answer(&report::of_small(&small, steps))?;
    let folder = keep(&small, args)?;
    say::answer(&format!("its picture, its log and a test to paste: {}", folder.display()))?;
    Ok(())
}

/// How often to try to make a history smaller: a long one less often, so that nobody has to wait long.
fn attempts(violation: &impl Broke) -> u32 {
    let affordable = EVENTS / violation.events().max(1);
    u32::try_from(affordable).map_or(ATTEMPTS, |affordable| affordable.min(ATTEMPTS))
}

/// Writes a folder, and answers which.
fn keep(violation: &impl Broke, args: &Simulate) -> Result<PathBuf, Failure> {
    let seed = violation.seed().unwrap_or(args.seed);
    let usual = || PathBuf::from(format!("pglock-failure-{seed}"));
    let folder = args.out.clone().unwrap_or_else(usual);
    match violation.write_to(&folder) {
        Ok(()) => Ok(folder),
        Err(error) => {
            Err(Failure::System(format!("cannot write to {}: {error}", folder.display())))
        }
    }
}

/// Of several kinds of world the seed chooses one.
fn options(args: &Simulate, seed: u64) -> Options {
    let kinds = args.faults.len() as u64;
    let which = seed.checked_rem(kinds).and_then(|which| usize::try_from(which).ok());
    let scenario = which.and_then(|which| args.faults.get(which)).map(|faults| (*faults).into());
    let clients = args.clients.map(usize::from);
    let options = clients.map_or_else(Options::default, |n| Options::default().with_clients(n));
    scenario.map_or(options, |scenario| options.with_scenario(scenario))
}
