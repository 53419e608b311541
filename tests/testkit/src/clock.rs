//! The clock of one process: arbitrary offset, a rate within its bound, readings that may be late by
//! up to its granularity. True time is in nanoseconds since the history began.

use pglock_core::Instant;

const FRACTION: u32 = 32;

/// The rate of a perfect clock.
pub(crate) const TRUE_RATE: u64 = 1 << FRACTION;

/// A clock that runs at one rate since `since`.
///
/// Its readings `C` keep `(1-rho)(t2-t1) - g <= C(t2) - C(t1) <= (1+rho)(t2-t1) + g`: each lies between
/// the ideal reading and `g` below it.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    since: u64,
    base: u128,
    rate: u64,
    granularity: u64,
    style: Style,
}

/// How readings differ from the ideal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// Not at all, but for the fraction of a nanosecond.
    #[default]
    Fine,
    /// They stand still between multiples of the granularity.
    Steps,
    /// Each is late by an amount of its own, so that later ones may be smaller.
    Jitter,
}

impl Clock {
    /// A clock that shows `offset` at true time `now`.
    pub(crate) fn new(now: u64, offset: u64, rate: u64, granularity: u64, style: Style) -> Self {
        Self { since: now, base: u128::from(offset) << FRACTION, rate, granularity, style }
    }

    pub(crate) fn set_rate(&mut self, now: u64, rate: u64) {
        self.base = self.ideal(now);
        self.since = now;
        self.rate = rate;
    }

    /// A deliberate bug: somebody sets the clock back.
    pub(crate) fn set_back(&mut self, now: u64, by: u64) {
        self.base = self.ideal(now).saturating_sub(u128::from(by) << FRACTION);
        self.since = now;
    }

    /// A deliberate bug: the clock stands still from `now` until `until`.
    pub(crate) fn freeze(&mut self, now: u64, until: u64) {
        self.base = self.ideal(now);
        self.since = until;
    }

    pub(crate) fn jitters(&self) -> bool {
        self.style == Style::Jitter
    }

    /// The reading at true time `now`, with `late` quarters of the granularity of jitter.
    pub(crate) fn read(&self, now: u64, late: u64) -> Instant {
        let ideal = self.ideal(now);
        let whole = ideal >> FRACTION;
        let granularity = u128::from(self.granularity);
        let reading = match self.style {
            Style::Fine => whole,
            Style::Steps => whole - whole % granularity.max(1),
            Style::Jitter => {
                let least = ceil(ideal).saturating_sub(granularity);
                whole.saturating_sub((granularity * u128::from(late)).div_ceil(4)).max(least)
            }
        };
        Instant::from_nanos(u64::try_from(reading).unwrap_or(u64::MAX))
    }

    /// The first true time from `now` on at which the clock may show `reading`.
    pub(crate) fn reaches(&self, reading: Instant, now: u64) -> u64 {
        let reading = match self.style {
            Style::Fine | Style::Jitter => u128::from(reading.as_nanos()),
            Style::Steps => {
                u128::from(reading.as_nanos()).next_multiple_of(u128::from(self.granularity.max(1)))
            }
        };
        self.when((reading << FRACTION).saturating_sub(self.base)).max(now)
    }

    /// When to look again so that the clock may show `reading`: later than now, though a late reading may have shown
    /// less than the clock can show already.
    pub(crate) fn wakes(&self, reading: Instant, now: u64) -> u64 {
        let due = self.reaches(reading, now);
        if due > now { due } else { now + 1 + self.granularity / 4 }
    }

    /// The first true time from which on no reading can be less than `deadline`, whatever the jitter.
    pub(crate) fn surely_reaches(&self, deadline: Instant) -> u64 {
        let least = u128::from(deadline.as_nanos()) + u128::from(self.granularity);
        // The least reading is `ceil(ideal) - granularity`.
        let beyond = (least.saturating_sub(1) << FRACTION) + 1;
        self.when(beyond.saturating_sub(self.base))
    }

    fn ideal(&self, now: u64) -> u128 {
        self.base + u128::from(now.saturating_sub(self.since)) * u128::from(self.rate)
    }

    fn when(&self, distance: u128) -> u64 {
        let span = distance.div_ceil(u128::from(self.rate.max(1)));
        u64::try_from(u128::from(self.since) + span).unwrap_or(u64::MAX)
    }
}

fn ceil(ideal: u128) -> u128 {
    (ideal + u128::from(TRUE_RATE) - 1) >> FRACTION
}

/// The rate that is `ppm` parts per million off, never beyond the bound by rounding.
pub(crate) fn rate(fast: bool, ppm: u64) -> u64 {
    let off = u64::try_from(u128::from(TRUE_RATE) * u128::from(ppm) / 1_000_000).unwrap_or(0);
    if fast { TRUE_RATE + off } else { TRUE_RATE - off }
}

/// How long a span lasts at least that is counted on a clock which is so many parts per million off.
pub(crate) fn fastest(span: u64, ppm: u64, granularity: u64) -> u64 {
    let span = u128::from(span.saturating_sub(granularity)) * 1_000_000;
    u64::try_from(span.div_ceil(u128::from(1_000_000 + ppm))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(clock: &Clock, now: u64, late: u64) -> u64 {
        clock.read(now, late).as_nanos()
    }

    #[test]
    fn rates_change_without_a_jump() {
        let mut clock = Clock::new(100, 1_000, TRUE_RATE, 1, Style::Fine);
        assert_eq!(read(&clock, 150, 0), 1_050);
        clock.set_rate(150, rate(true, 250_000));
        assert_eq!(read(&clock, 150, 0), 1_050);
        assert_eq!(read(&clock, 250, 0), 1_175);
    }

    #[test]
    fn the_contract_is_kept() {
        for style in [Style::Fine, Style::Steps, Style::Jitter] {
            for (fast, sign) in [(true, 1.0), (false, -1.0)] {
                let clock = Clock::new(0, 77, rate(fast, 10_000), 1_000, style);
                for now in (0..1_000_000).step_by(7_919) {
                    for late in 0..=4 {
                        let ideal = 77.0 + now as f64 * (1.0 + sign * 0.01);
                        let reading = read(&clock, now, late) as f64;
                        assert!(reading <= ideal + 0.01, "{reading} {ideal}");
                        assert!(reading >= (ideal - 1_000.01).max(0.0), "{reading} {ideal}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_deadline_is_reached_to_the_nanosecond() {
        let clock = Clock::new(0, 0, TRUE_RATE, 1, Style::Jitter);
        let deadline = Instant::from_nanos(500);
        assert_eq!(clock.reaches(deadline, 0), 500);
        assert_eq!(clock.surely_reaches(deadline), 501);
        assert_eq!(read(&clock, 500, 4), 499);
        assert_eq!(read(&clock, 501, 4), 500);
    }

    #[test]
    fn steps_are_waited_for() {
        let clock = Clock::new(0, 5, rate(false, 250_000), 100, Style::Steps);
        let moment = clock.reaches(Instant::from_nanos(201), 0);
        assert_eq!(read(&clock, moment, 0), 300);
        assert_eq!(read(&clock, moment - 1, 0), 200);
    }

    #[test]
    fn the_end_of_the_clock_is_its_last_reading() {
        let clock = Clock::new(0, u64::MAX - 10, TRUE_RATE, 1, Style::Fine);
        assert_eq!(clock.read(1_000, 0), Instant::MAX);
        assert!(clock.surely_reaches(Instant::MAX) <= 12);
    }
}
