//! What a session is told that listens, until somebody hears it.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Condvar, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

#[derive(Default)]
pub(super) struct Inbox {
    told: Mutex<Told>,
    came: Condvar,
}

#[derive(Default)]
struct Told {
    payloads: VecDeque<String>,
    waiting: Vec<Waker>,
}

impl Inbox {
    pub(super) fn put(&self, payload: &str) {
        let mut told = self.told.lock().unwrap();
        told.payloads.push_back(payload.into());
        told.waiting.drain(..).for_each(Waker::wake);
        self.came.notify_all();
    }

    pub(super) async fn next(&self) -> String {
        poll_fn(|cx| {
            let mut told = self.told.lock().unwrap();
            match told.payloads.pop_front() {
                Some(payload) => Poll::Ready(payload),
                None => {
                    told.waiting.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    pub(super) fn next_within(&self, patience: Duration) -> Option<String> {
        let told = self.told.lock().unwrap();
        let empty = |told: &mut Told| told.payloads.is_empty();
        let (mut told, _) = self.came.wait_timeout_while(told, patience, empty).unwrap();
        told.payloads.pop_front()
    }
}
