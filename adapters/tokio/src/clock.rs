//! The system's clock, and tokio's timers set by it.

use std::time::Duration;

use pglock_driver::{BootClock, Clock, Instant, Timer};

/// Tokio's timers stand still during suspend; so none is set for longer than this.
const SLICE: Duration = Duration::from_secs(1);

pub(crate) struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Instant {
        BootClock.now()
    }
}

impl Timer for TokioClock {
    async fn sleep_until(&self, moment: Instant) {
        loop {
            let rest = moment.since(self.now());
            if rest.is_zero() {
                return;
            }
            tokio::time::sleep(rest.min(SLICE)).await;
        }
    }
}
