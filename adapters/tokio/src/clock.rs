//! A clock, and tokio's timers set by it.

use std::time::Duration;

use pglock_driver::{Clock, Instant, Timer};

/// Tokio's timers stand still during suspend; so none is set for longer than this.
const SLICE: Duration = Duration::from_secs(1);

pub(crate) struct TokioClock<K>(pub(crate) K);

impl<K: Clock> Clock for TokioClock<K> {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl<K: Clock> Timer for TokioClock<K> {
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
