//! Readings of the caller's clock, and how far two clocks can drift apart. Knows no clock itself.

use core::fmt;
use core::time::Duration;

/// A reading of the caller's monotonic clock, in nanoseconds since an arbitrary origin.
///
/// Readings of different clients are never compared. The clock should count the time a machine
/// is suspended (`CLOCK_BOOTTIME` on Linux).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The last reading a clock can have. Locks that would be valid beyond it are refused.
    pub const MAX: Self = Self(u64::MAX);

    /// The last reading that counts: what falls due at [`Instant::MAX`] never does.
    pub(crate) const END: Self = Self(u64::MAX - 1);

    /// A reading of `nanos` nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The reading in nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this reading; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The reading `span` later, or `None` past the clock's end.
    #[must_use]
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        self.0.checked_add(nanos(span)).map(Self)
    }

    /// The reading `span` later, or the last one.
    #[must_use]
    pub fn saturating_add(self, span: Duration) -> Self {
        self.checked_add(span).unwrap_or(Self::MAX)
    }

    /// The reading `span` earlier, or the first one; what never comes does not come earlier.
    pub(crate) fn saturating_sub(self, span: Duration) -> Self {
        if self == Self::MAX { self } else { Self(self.0.saturating_sub(nanos(span))) }
    }
}

/// How far a clock may be wrong: the relative error of its rate, and its granularity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Drift {
    ppm: u32,
    granularity: Duration,
}

impl Drift {
    /// A clock whose rate lies within `ppm` parts per million of true time and whose readings
    /// are at most `granularity` off.
    ///
    /// # Errors
    /// When `ppm` is one million or more: such a clock may stand still.
    pub const fn new(ppm: u32, granularity: Duration) -> Result<Self, DriftError> {
        if ppm < 1_000_000 { Ok(Self { ppm, granularity }) } else { Err(DriftError) }
    }

    /// The largest relative error of the rate, in parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.ppm
    }

    /// The granularity of the clock, with the jitter of reading it.
    #[must_use]
    pub const fn granularity(self) -> Duration {
        self.granularity
    }

    /// How long a holder may trust a lease, counted on its own clock from before it sent the
    /// statement that renewed it: `floor((lease - g)(1 - rho) / (1 + rho)) - g`.
    ///
    /// A challenger on another clock, who waits `lease` from its first sight of the record
    /// version number, writes later than that. Zero when the lease is too short to be of use.
    #[must_use]
    pub fn validity(self, lease: Duration) -> Duration {
        let granularity = self.granularity.as_nanos();
        let lease = lease.as_nanos().saturating_sub(granularity);
        let scaled = lease.saturating_mul(1_000_000 - u128::from(self.ppm))
            / (1_000_000 + u128::from(self.ppm));
        let valid = scaled.saturating_sub(granularity);
        Duration::from_nanos(u64::try_from(valid).unwrap_or(u64::MAX))
    }
}

/// One per cent and one millisecond.
impl Default for Drift {
    fn default() -> Self {
        Self { ppm: 10_000, granularity: Duration::from_millis(1) }
    }
}

/// A rate error of one hundred per cent or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DriftError;

impl fmt::Display for DriftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a clock's rate error must stay below 1,000,000 parts per million")
    }
}

impl core::error::Error for DriftError {}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn validity_at_the_defaults() {
        let validity = Drift::default().validity(Duration::from_secs(20));
        assert_eq!(validity, Duration::from_nanos(19_601_980_198));
    }

    #[test]
    fn a_perfect_clock_trusts_the_whole_lease() {
        let perfect = Drift::new(0, Duration::ZERO).unwrap();
        assert_eq!(perfect.validity(Duration::from_secs(1)), Duration::from_secs(1));
    }

    #[test]
    fn a_lease_below_the_granularity_is_worth_nothing() {
        assert_eq!(Drift::default().validity(Duration::from_micros(1)), Duration::ZERO);
        assert_eq!(Drift::default().validity(Duration::MAX), Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn a_reading_is_what_it_was_made_of() {
        assert_eq!(Instant::from_nanos(17).as_nanos(), 17);
    }

    #[test]
    fn a_drift_tells_its_parts() {
        let drift = Drift::new(999_999, Duration::from_nanos(7)).unwrap();
        assert_eq!((drift.ppm(), drift.granularity()), (999_999, Duration::from_nanos(7)));
    }

    #[test]
    fn a_clock_that_may_stand_still_is_refused() {
        assert_eq!(
            Drift::new(1_000_000, Duration::ZERO).unwrap_err().to_string(),
            "a clock's rate error must stay below 1,000,000 parts per million"
        );
    }

    #[test]
    fn nothing_wraps_at_the_end_of_the_clock() {
        assert_eq!(Instant::MAX.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(Instant::MAX.saturating_add(Duration::from_secs(1)), Instant::MAX);
        assert_eq!(Instant::default().since(Instant::MAX), Duration::ZERO);
    }
}
