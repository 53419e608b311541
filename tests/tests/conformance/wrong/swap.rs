//! Answers that go to whoever is answered next, while more than one waits.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pglock_core::Outcome;

#[derive(Default)]
pub(super) struct Swap {
    waiting: AtomicUsize,
    last: Mutex<Option<Outcome>>,
}

impl Swap {
    pub(super) async fn swapped(&self, answer: impl Future<Output = Outcome>) -> Outcome {
        self.begin();
        self.end(answer.await)
    }

    pub(super) fn begin(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn end(&self, own: Outcome) -> Outcome {
        if self.waiting.fetch_sub(1, Ordering::SeqCst) == 1 {
            return own;
        }
        self.last.lock().unwrap().replace(own.clone()).unwrap_or(own)
    }
}
