//! Clocks that run as they are told to, and the one true clock of the host that they are held against.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use pglock_driver::{BootClock, Clock, Instant};

/// True time, in nanoseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Truth {
    origin: u64,
}

impl Truth {
    pub(crate) fn new() -> Self {
        Self { origin: BootClock.now().as_nanos() }
    }

    pub(crate) fn now(self) -> u64 {
        BootClock.now().as_nanos() - self.origin
    }
}

/// How a clock is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Skew {
    /// How much faster than true time it runs, in parts per million.
    pub(crate) rate: i64,
    /// What it reads at the beginning.
    pub(crate) offset: u64,
    /// After which of its readings its process stands still. They are few, so that work gets done in between.
    pub(crate) pauses: Vec<u32>,
    /// For so long.
    pub(crate) pause: Duration,
}

impl Skew {
    pub(crate) const fn of_rate(rate: i64) -> Self {
        Self { rate, offset: 0, pauses: Vec::new(), pause: Duration::ZERO }
    }
}

const MILLION: u128 = 1_000_000;

/// The clock of one process.
#[derive(Debug)]
pub(crate) struct SkewedClock {
    truth: Truth,
    skew: Skew,
    readings: AtomicU32,
}

impl SkewedClock {
    pub(crate) const fn new(truth: Truth, skew: Skew) -> Self {
        Self { truth, skew, readings: AtomicU32::new(0) }
    }

    /// The first true moment at which it reads so much.
    pub(crate) fn reaches(&self, reading: Instant) -> u64 {
        let span = u128::from(reading.as_nanos().saturating_sub(self.skew.offset));
        u64::try_from((span * MILLION).div_ceil(self.pace())).unwrap_or(u64::MAX)
    }

    fn at(&self, now: u64) -> Instant {
        let span = u128::from(now) * self.pace() / MILLION;
        Instant::from_nanos(self.skew.offset + u64::try_from(span).unwrap_or(u64::MAX))
    }

    /// How much it goes on in a million nanoseconds.
    fn pace(&self) -> u128 {
        u128::try_from(1_000_000 + self.skew.rate).expect("a clock that runs forwards")
    }
}

impl Clock for SkewedClock {
    /// A process that stands still does so when a reading hurts most: before it is used.
    fn now(&self) -> Instant {
        let reading = self.at(self.truth.now());
        let readings = self.readings.fetch_add(1, Ordering::Relaxed);
        if self.skew.pauses.contains(&readings) {
            thread::sleep(self.skew.pause);
        }
        reading
    }
}

#[test]
fn a_reading_is_reached_to_the_nanosecond() {
    for rate in [-999_000, -100_000, -1, 0, 1, 100_000] {
        let clock = SkewedClock::new(Truth::new(), Skew { offset: 7, ..Skew::of_rate(rate) });
        for reading in [8, 1_000, 1_000_003, 777_777_777_777].map(Instant::from_nanos) {
            let moment = clock.reaches(reading);
            assert!(clock.at(moment) >= reading && clock.at(moment - 1) < reading, "{rate}");
        }
    }
}
