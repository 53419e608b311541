//! What the shipped loop is given: it opens connections, carries statements and waits, by asking the world for it. The
//! loop wants to be sendable, as most runtimes do; the world is not, and need not be, since only asks and answers
//! travel.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use futures::StreamExt;
use futures::channel::{mpsc, oneshot};
use futures::lock::Mutex as Turn;
use pglock_driver::{
    BootClock, Clock, Command, Connect, ConnectError, Instant, Outcome, SessionKind, Timer,
};

/// The way to the world.
#[derive(Clone)]
pub(crate) struct Port {
    pub(super) openings: mpsc::UnboundedSender<Opening>,
    pub(super) next_frame: Arc<Mutex<Vec<Waker>>>,
}

/// Somebody wants a connection.
pub(super) struct Opening {
    pub(super) opened: oneshot::Sender<Result<Session, ConnectError>>,
}

/// One end of a connection, of which the world has the other.
pub(crate) struct Session {
    pub(super) orders: mpsc::UnboundedSender<Order>,
    pub(super) news: Turn<mpsc::UnboundedReceiver<String>>,
    pub(super) end: Turn<oneshot::Receiver<()>>,
}

/// A statement and where its outcome goes.
pub(super) struct Order {
    pub(super) command: Command,
    pub(super) reply: oneshot::Sender<Outcome>,
}

impl Port {
    /// Until the next frame has begun.
    pub(crate) async fn next_frame(&self) {
        let mut asked = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut asked, true) {
                return Poll::Ready(());
            }
            let mut waiting = self.next_frame.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Clock for Port {
    fn now(&self) -> Instant {
        BootClock.now()
    }
}

/// A frame is as exact as anybody here needs to be.
impl Timer for Port {
    async fn sleep_until(&self, moment: Instant) {
        while self.now() < moment {
            self.next_frame().await;
        }
    }
}

impl Connect for Port {
    type Session = Session;

    async fn connect(&self, _: SessionKind) -> Result<Session, ConnectError> {
        let (opened, session) = oneshot::channel();
        let _world_has_ended = self.openings.unbounded_send(Opening { opened }).is_err();
        session.await.unwrap_or_else(|_| Err(ConnectError::unreachable("the world has ended")))
    }
}

impl pglock_driver::Session for Session {
    async fn execute(&self, command: Command) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        let _connection_has_ended = self.orders.unbounded_send(Order { command, reply }).is_err();
        outcome.await.unwrap_or(Outcome::Lost)
    }

    async fn closed(&self) {
        let _ended = (&mut *self.end.lock().await).await.is_err();
    }

    async fn notified(&self) -> String {
        match self.news.lock().await.next().await {
            Some(payload) => payload,
            None => pending().await,
        }
    }
}
