//! What was found, for people.

use std::time::Duration;

use pglock_testkit::{Coincidence, Violation};

use super::tally::Tally;
use crate::args::Faults;

/// No rule was broken, and what that is worth: what no history came by was not tried.
pub(super) fn of_none(tally: &Tally, took: Duration) -> String {
    let Tally { histories, events, reached } = tally;
    let counts: Vec<_> = Coincidence::ALL.iter().map(|which| (which, reached.of(*which))).collect();
    let met = counts.iter().filter(|(_, count)| *count > 0).count();
    let mut text = format!(
        "{histories} histories, {events} events, no rule broken\n{}\n\n\
         {met} of {} things worth meeting were met:",
        tally.pace(took),
        counts.len()
    );
    for (which, count) in counts {
        let count = if count == 0 { "never".into() } else { count.to_string() };
        text.push_str(&format!("\n{count:>12}  {}", which.words()));
    }
    text
}

/// A rule was broken, and how to see it again.
pub(super) fn of_broken(violation: &Violation) -> String {
    format!("{}\nto see it again: {}\n", violation.broken, command(violation))
}

/// What is left of the history, of so many events, that the rule needs to be broken.
pub(super) fn of_small(violation: &Violation, steps: u64) -> String {
    let Violation { scenario, steps: left, .. } = violation;
    let picture = violation.timeline().text();
    format!("{scenario:?}, made small: {left} of {steps} events are left\n\n{picture}")
}

/// Runs nothing but the history in which it was found.
fn command(violation: &Violation) -> String {
    let Violation { options, seed, .. } = violation;
    let mut command = "pglock simulate".to_owned();
    if let Some(seed) = seed {
        command.push_str(&format!(" --seed {seed}"));
    }
    command.push_str(" --histories 1");
    if let Some(clients) = options.clients {
        command.push_str(&format!(" --clients {clients}"));
    }
    if let Some(scenario) = options.scenario {
        command.push_str(&format!(" --faults {}", Faults::name_of(scenario)));
    }
    command
}
