//! Clocks and timers that are wrong.

use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pglock_driver::{BootClock, Clock, Instant, Timer};
use tokio::sync::oneshot;

use super::bug::Bug;

const DAY: Duration = Duration::from_secs(24 * 3_600);

pub(super) struct WrongClock {
    bug: Bug,
    readings: AtomicU64,
    last: AtomicU64,
    /// Wakes the only one who sleeps.
    alarm: Mutex<Option<oneshot::Sender<()>>>,
}

impl WrongClock {
    pub(super) fn new(bug: Bug) -> Self {
        Self { bug, readings: 0.into(), last: 0.into(), alarm: Mutex::default() }
    }
}

impl Clock for WrongClock {
    fn now(&self) -> Instant {
        let now = BootClock.now().as_nanos();
        let reading = self.readings.fetch_add(1, Ordering::SeqCst);
        Instant::from_nanos(match self.bug {
            Bug::ClockSetBack if reading % 1_000 == 999 => now - 1_000_000,
            Bug::ClockReadBefore if reading.is_multiple_of(64) => {
                self.last.fetch_max(now, Ordering::SeqCst).max(now)
            }
            Bug::ClockReadBefore => self.last.load(Ordering::SeqCst),
            Bug::ClockSlow => now / 2,
            Bug::ClockFast => now / 2 * 3,
            _ => now,
        })
    }
}

impl Timer for WrongClock {
    async fn sleep_until(&self, moment: Instant) {
        let rest = moment.since(self.now());
        let (tell, told) = oneshot::channel();
        match self.bug {
            Bug::SleepMissesThePast if rest.is_zero() => pending().await,
            Bug::SleepEarly => return tokio::time::sleep(rest / 2).await,
            Bug::FarOffIsNow if rest > DAY => return,
            Bug::FarOffPanics if rest > DAY => panic!("overflow when adding duration to instant"),
            Bug::OneSleeper => *self.alarm.lock().unwrap() = Some(tell),
            _ => std::mem::forget(tell),
        }
        if self.bug == Bug::OneSleeper && self.replaced_during(rest, told).await {
            pending().await
        }
        while !moment.since(self.now()).is_zero() {
            tokio::time::sleep(moment.since(self.now()).min(DAY)).await;
        }
        if self.bug == Bug::SleepLate {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
}

impl WrongClock {
    async fn replaced_during(&self, rest: Duration, replaced: oneshot::Receiver<()>) -> bool {
        tokio::time::timeout(rest.min(DAY), replaced).await.is_ok()
    }
}
