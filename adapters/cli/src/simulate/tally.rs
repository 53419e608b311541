//! Adds up what came of histories.

use std::time::Duration;

use pglock_testkit::{Coincidences, History};

/// What came of some histories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) histories: u64,
    pub(super) events: u64,
    pub(super) reached: Coincidences,
}

impl Tally {
    pub(super) fn count(&mut self, history: &History) {
        self.histories += 1;
        self.events += history.steps;
        self.reached.add(&history.reached);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.histories += other.histories;
        self.events += other.events;
        self.reached.add(&other.reached);
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
