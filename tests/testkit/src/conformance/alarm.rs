//! Time for the suite itself, by threads that sleep: it must not rest on the timers that it tries out.

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;

/// Rings after a while, or never if it is dropped before.
struct Alarm {
    ring: oneshot::Receiver<()>,
    _unset: Sender<()>,
}

impl Alarm {
    fn set(span: Duration) -> Self {
        let ((unset, is_unset), (rings, ring)) = (channel::<()>(), oneshot::channel());
        thread::spawn(move || {
            let _time_passed = is_unset.recv_timeout(span).is_err();
            let _nobody_waits = rings.send(()).is_err();
        });
        Self { ring, _unset: unset }
    }
}

pub(super) async fn pause(span: Duration) {
    let Alarm { ring, _unset } = Alarm::set(span);
    let _rang = ring.await;
}

/// What the future answers, unless that takes longer. It is polled only when it has been woken itself, not when
/// something else has happened: one that wakes nobody is not found out by chance.
pub(super) async fn within<T>(span: Duration, future: impl Future<Output = T>) -> Option<T> {
    let Alarm { ring, _unset } = Alarm::set(span);
    let mut woken = FuturesUnordered::from_iter([future]);
    match select(woken.next(), ring).await {
        Either::Left((answer, _)) => answer,
        Either::Right(_) => None,
    }
}
