//! How long it may take until another has the lock, and how fast this server answers.

use std::time::{Duration, Instant};

use pglock_tokio::{Config, Locks};

use crate::exit::Failure;

/// What is promised once the holder has released or died.
pub(super) struct Bounds {
    pub(super) hand_over: Duration,
    pub(super) take_over: Duration,
    pub(super) round_trip: Duration,
}

impl Bounds {
    /// A waiter looks once a poll; a dead holder's last number must then stay the same for a lease. Clocks
    /// may run slow, and two round trips bring the news and the lock.
    pub(super) fn of(lease: Duration, poll: Duration, round_trip: Duration) -> Self {
        let drift = Config::default().drift;
        let slow = |span: Duration| {
            (span + drift.granularity()).div_f64(1.0 - f64::from(drift.ppm()) / 1e6)
        };
        let hand_over = slow(poll) + 2 * round_trip;
        Self { hand_over, take_over: hand_over + slow(lease), round_trip }
    }
}

/// The slowest of a few.
pub(super) async fn round_trip(locks: &Locks) -> Result<Duration, Failure> {
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let start = Instant::now();
        locks.get("a round trip").await?;
        slowest = slowest.max(start.elapsed());
    }
    Ok(slowest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_stated_one() {
        let of = |millis| Duration::from_millis(millis);
        let bounds = Bounds::of(of(2000), of(500), of(1));
        assert_eq!(bounds.hand_over.as_millis(), 508);
        assert_eq!(bounds.take_over.as_millis(), 2529);
    }
}
