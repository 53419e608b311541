//! A clock, and a runtime's timers set by it.

use std::marker::PhantomData;
use std::time::Duration;

use pglock_driver::{Clock, Instant, Timer};

use crate::runtime::Runtime;

/// Timers of runtimes stand still during suspend; so none is set for longer than this.
const SLICE: Duration = Duration::from_secs(1);

pub(crate) struct RuntimeClock<R, K> {
    clock: K,
    runtime: PhantomData<fn() -> R>,
}

impl<R, K> RuntimeClock<R, K> {
    pub(crate) const fn new(clock: K) -> Self {
        Self { clock, runtime: PhantomData }
    }
}

impl<R: Runtime, K: Clock> Clock for RuntimeClock<R, K> {
    fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl<R: Runtime, K: Clock> Timer for RuntimeClock<R, K> {
    async fn sleep_until(&self, moment: Instant) {
        loop {
            let rest = moment.since(self.now());
            if rest.is_zero() {
                return;
            }
            R::sleep(rest.min(SLICE)).await;
        }
    }
}
