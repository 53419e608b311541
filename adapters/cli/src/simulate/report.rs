//! What was found, for people.

use std::time::Duration;

use super::tally::Tally;
use super::world::Broke;

/// No rule was broken, and what that is worth: what no history came by was not tried.
pub(super) fn of_none(tally: &Tally, took: Duration) -> String {
    let Tally { histories, events, reached } = tally;
    let met = reached.iter().filter(|(_, count)| *count > 0).count();
    let mut text = format!(
        "{histories} histories, {events} events, no rule broken\n{}\n\n\
         {met} of {} things worth meeting were met:",
        tally.pace(took),
        reached.len()
    );
    for (words, count) in reached {
        let count = if *count == 0 { "never".into() } else { count.to_string() };
        text.push_str(&format!("\n{count:>12}  {words}"));
    }
    text
}

/// A rule was broken, and how to see it again.
pub(super) fn of_broken(violation: &impl Broke) -> String {
    format!("{}\nto see it again: {}\n", violation.rule(), command(violation))
}

/// What is left of the history, of so many events, that the rule needs to be broken.
pub(super) fn of_small(violation: &impl Broke, steps: u64) -> String {
    let (kind, left, picture) = (violation.kind(), violation.events(), violation.picture());
    format!("{kind}, made small: {left} of {steps} events are left\n\n{picture}")
}

/// Runs nothing but the history in which it was found.
fn command(violation: &impl Broke) -> String {
    let seed = violation.seed().map(|seed| format!(" --seed {seed}")).unwrap_or_default();
    format!("pglock simulate{seed} --histories 1{}", violation.command())
}
