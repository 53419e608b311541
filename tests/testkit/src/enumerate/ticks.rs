//! Time in ticks, what clocks show then, and settings whose spans fall on them.
//!
//! Clocks may be one fifth too slow or too fast. In a tick a slow one goes on by four units and a fast one by six,
//! so a lease of six units a tick is trusted by a slow holder for exactly as many ticks as a fast challenger waits.

use std::time::Duration;

use pglock_core::{Backoff, Config, Drift, Heartbeat, Instant};

const UNIT: u64 = 1_000_000;

/// What clocks show at the beginning, in units.
const ORIGIN: u64 = 1_000;

/// Later than any tick.
pub(super) const NEVER: u16 = u16::MAX;

/// How a client's clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rate {
    /// As slow as it may be.
    Slow,
    /// As fast as it may be.
    Fast,
}

impl Rate {
    const fn units(self) -> u64 {
        match self {
            Self::Slow => 4,
            Self::Fast => 6,
        }
    }

    pub(super) fn reading(self, tick: u16) -> Instant {
        Instant::from_nanos((ORIGIN + u64::from(tick) * self.units()) * UNIT)
    }

    /// What a clock counts in so many ticks.
    pub(super) const fn span(self, ticks: u16) -> Duration {
        Duration::from_nanos(ticks as u64 * self.units() * UNIT)
    }

    /// How many ticks a clock needs to count `span`.
    pub(super) const fn ticks(self, span: Duration) -> u16 {
        let ticks = span.as_nanos().div_ceil(self.span(1).as_nanos());
        if ticks < NEVER as u128 { ticks as u16 } else { NEVER }
    }

    /// The first tick at which the clock shows `reading` or more.
    pub(super) fn tick_of(self, reading: Instant) -> u16 {
        let span = reading.as_nanos().saturating_sub(ORIGIN * UNIT);
        u16::try_from(span.div_ceil(self.units() * UNIT)).unwrap_or(NEVER)
    }
}

/// A lease that a fast challenger waits for `ticks`.
pub(super) const fn lease(ticks: u16) -> Duration {
    Rate::Fast.span(ticks)
}

/// Two heartbeats and the wait for a reply take all the time for which the lease can be trusted. Pauses are too short
/// to be seen.
pub(super) fn config(ticks: u16, polls: bool) -> Config {
    let lease = lease(ticks);
    let mut config = Config::default();
    config.lease = lease;
    config.heartbeat = Some(Heartbeat::Every(lease / 4));
    config.reply_deadline = lease / 6;
    config.drift = Drift::new(200_000, Duration::ZERO).unwrap_or_default();
    config.poll = if polls { lease * 2 / 3 } else { Duration::from_secs(1_000_000) };
    config.patience = Duration::from_secs(3_000_000);
    config.backoff = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(1) };
    config.work_sessions = 1;
    // This world brings no notifications.
    config.hints = false;
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_holder_trusts_its_lease_for_as_long_as_a_fast_challenger_waits() {
        for ticks in 1..100 {
            let config = config(ticks, true);
            assert_eq!(config.check(), Ok(()));
            let trusted = config.drift.validity(config.lease);
            assert_eq!(trusted, Rate::Slow.span(ticks));
            assert_eq!(config.lease, Rate::Fast.span(ticks));
        }
    }

    #[test]
    fn a_reading_is_reached_with_the_first_tick_that_shows_it() {
        let reading = Rate::Fast.reading(7);
        assert_eq!(Rate::Fast.tick_of(reading), 7);
        assert_eq!(Rate::Fast.tick_of(reading.saturating_add(Duration::from_nanos(1))), 8);
        assert_eq!(Rate::Slow.tick_of(Instant::MAX), NEVER);
    }
}
