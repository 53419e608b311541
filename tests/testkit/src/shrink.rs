//! Makes a history that broke a rule as small as it gets, by deleting, zeroing and lowering its choices: zero
//! is always the benign one. What is left is what the rule needs to be broken.

use crate::simulate::{Failed, Violation, again, attempt};
use crate::tape::Tape;

impl Violation {
    /// A history that breaks a rule of the same oracle, as small as can be found in so many attempts; some
    /// thousand are enough for most.
    #[must_use]
    pub fn shrunk(self, attempts: u32) -> Self {
        let Self { scenario, options, seed, tape, steps, broken, .. } = self;
        let found = Failed { broken, tape, steps };
        let once_more = |tape, most, by: &str| attempt(scenario, options, tape, most, by);
        let tape = smallest(found, attempts, once_more).tape;
        Self { seed, ..again(scenario, options, Tape::replay(tape)) }
    }
}

/// The smallest history that `attempt` finds in so many attempts; it runs choices for a number of events at
/// most and answers how they broke a rule of an oracle, if they did.
pub(crate) fn smallest(
    found: Failed,
    attempts: u32,
    attempt: impl Fn(Vec<u64>, u64, &str) -> Option<Failed>,
) -> Failed {
    let mut shrinker = Shrinker { attempt, smallest: found, budget: attempts };
    shrinker.run();
    shrinker.smallest
}

struct Shrinker<A> {
    attempt: A,
    smallest: Failed,
    budget: u32,
}

impl<A: Fn(Vec<u64>, u64, &str) -> Option<Failed>> Shrinker<A> {
    /// Until nothing becomes smaller any more.
    fn run(&mut self) {
        loop {
            let before = size(&self.smallest);
            self.cut_tail();
            self.over_blocks(delete);
            self.over_blocks(zero);
            self.lower_all();
            if size(&self.smallest) == before || self.budget == 0 {
                return;
            }
        }
    }

    /// Keeps `tape` if it is smaller and breaks a rule of the same oracle. No more events are tried than are
    /// needed already.
    fn accepts(&mut self, tape: Vec<u64>) -> bool {
        let Some(budget) = self.budget.checked_sub(1) else { return false };
        self.budget = budget;
        let Failed { steps, broken, .. } = &self.smallest;
        let found = (self.attempt)(tape, *steps, broken.by)
            .filter(|found| size(found) < size(&self.smallest));
        let accepted = found.is_some();
        if let Some(found) = found {
            self.smallest = found;
        }
        accepted
    }

    /// Choices past the end are benign.
    fn cut_tail(&mut self) {
        let tape = self.smallest.tape.clone();
        self.least(tape.len(), |length| tape.iter().take(length).copied().collect());
    }

    /// Tries a change of blocks of all sizes, from half of the tape down to single choices.
    fn over_blocks(&mut self, change: fn(&[u64], usize, usize) -> Vec<u64>) {
        let mut length = self.smallest.tape.len().div_ceil(2);
        while length > 0 {
            let mut from = 0;
            while from < self.smallest.tape.len() && self.budget > 0 {
                let changed = change(&self.smallest.tape, from, length);
                if changed == self.smallest.tape || !self.accepts(changed) {
                    from += length;
                }
            }
            length /= 2;
        }
    }

    /// Makes each choice as small as it may be.
    fn lower_all(&mut self) {
        let mut index = 0;
        while let Some(choice) = self.smallest.tape.get(index).copied() {
            let tape = self.smallest.tape.clone();
            self.least(usize::try_from(choice).unwrap_or(usize::MAX), |lower| {
                let mut tape = tape.clone();
                tape.iter_mut().skip(index).take(1).for_each(|choice| *choice = lower as u64);
                tape
            });
            index += 1;
        }
    }

    /// Halves its way to the smallest number whose tape is accepted.
    fn least(&mut self, enough: usize, tape: impl Fn(usize) -> Vec<u64>) {
        let (mut needed, mut enough) = (0, enough);
        while needed < enough && self.budget > 0 {
            let middle = needed.midpoint(enough);
            if self.accepts(tape(middle)) {
                enough = middle;
            } else {
                needed = middle + 1;
            }
        }
    }
}

fn delete(tape: &[u64], from: usize, length: usize) -> Vec<u64> {
    let outside = |(index, _): &(usize, &u64)| *index < from || *index >= from + length;
    tape.iter().enumerate().filter(outside).map(|(_, choice)| *choice).collect()
}

fn zero(tape: &[u64], from: usize, length: usize) -> Vec<u64> {
    let mut tape = tape.to_vec();
    tape.iter_mut().skip(from).take(length).for_each(|choice| *choice = 0);
    tape
}

/// What counts as smaller: fewer events, then fewer choices that are not benign, fewer at all, lower ones.
fn size(failed: &Failed) -> (u64, usize, usize, u128) {
    let tape = &failed.tape;
    let unwanted = tape.iter().filter(|choice| **choice > 0).count();
    (failed.steps, unwanted, tape.len(), tape.iter().map(|choice| u128::from(*choice)).sum())
}
