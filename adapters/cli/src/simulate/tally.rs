//! Adds up what came of histories.

use std::time::Duration;

use super::world::Passed;

/// What came of some histories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) histories: u64,
    pub(super) events: u64,
    /// What is worth meeting, and how often it was met.
    pub(super) reached: Vec<(&'static str, u64)>,
}

impl Tally {
    pub(super) fn count(&mut self, history: &impl Passed) {
        let (events, reached) = (history.events(), history.reached());
        self.add(&Self { histories: 1, events, reached });
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.events += other.events;
        if self.reached.is_empty() {
            self.reached.clone_from(&other.reached);
            return;
        }
        let counts = self.reached.iter_mut().zip(&other.reached);
        counts.for_each(|((_, sum), (_, count))| *sum += count);
    }

    /// How fast that was.
    pub(super) fn pace(&self, took: Duration) -> String {
        let minutes = took.as_secs_f64().max(1e-9) / 60.0;
        let each = self.events / self.histories.max(1);
        format!("{:.0} a minute, {each} events each", self.histories as f64 / minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_by_the_minute() {
        let tally = Tally { histories: 50, events: 1_020, ..Tally::default() };
        assert_eq!(tally.pace(Duration::from_secs(2)), "1500 a minute, 20 events each");
        assert_eq!(Tally::default().pace(Duration::ZERO), "0 a minute, 0 events each");
    }
}
