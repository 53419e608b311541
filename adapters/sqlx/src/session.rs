//! One connection in use: carries statements, passes on notifications, and notices its end.

use std::future::pending;
use std::pin::pin;

use futures::channel::{mpsc, oneshot};
use futures::future::{BoxFuture, Either, Shared, select};
use futures::lock::Mutex;
use futures::{FutureExt, StreamExt};
use pglock_driver::{Command, Outcome};

use crate::line::Line;

pub(crate) struct Session {
    asks: mpsc::UnboundedSender<Ask>,
    told: Mutex<mpsc::UnboundedReceiver<String>>,
    /// Has the line, and ends with it. Whoever waits for anything here lends a hand, so that no task is needed.
    work: Shared<BoxFuture<'static, ()>>,
    /// Whether the server's session is known to be shared with others.
    shared: bool,
}

struct Ask {
    command: Command,
    reply: oneshot::Sender<Outcome>,
}

impl Session {
    pub(crate) fn new(line: Line, prepared: bool) -> Self {
        let (asks, asked) = mpsc::unbounded();
        let (tell, told) = mpsc::unbounded();
        let work = work(line, prepared, asked, tell).boxed().shared();
        Self { asks, told: told.into(), work, shared: false }
    }

    pub(crate) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }

    /// Works until something has come; nothing if the line ends before.
    async fn working<T>(&self, something: impl Future<Output = T>) -> Option<T> {
        match select(pin!(something), self.work.clone()).await {
            Either::Left((something, _)) => Some(something),
            Either::Right(((), something)) => something.now_or_never(),
        }
    }
}

impl pglock_driver::Session for Session {
    async fn execute(&self, command: Command) -> Outcome {
        if self.shared {
            return Outcome::shared_session();
        }
        let (reply, answered) = oneshot::channel();
        let _line_has_ended = self.asks.unbounded_send(Ask { command, reply }).is_err();
        self.working(answered).await.and_then(Result::ok).unwrap_or(Outcome::Lost)
    }

    async fn closed(&self) {
        self.work.clone().await;
    }

    /// After the end there are no more.
    async fn notified(&self) -> String {
        let mut told = self.told.lock().await;
        match self.working(told.next()).await.flatten() {
            Some(payload) => payload,
            None => pending().await,
        }
    }
}

/// Until the line ends.
async fn work(
    mut line: Line,
    prepared: bool,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    tell: mpsc::UnboundedSender<String>,
) {
    loop {
        let next = match select(asked.next(), pin!(line.notified())).await {
            Either::Left((ask, _)) => Either::Left(ask),
            Either::Right((payload, _)) => Either::Right(payload),
        };
        match next {
            Either::Left(Some(Ask { command, reply })) => {
                let outcome = line.execute(&command, prepared).await;
                let is_over = outcome == Outcome::Lost;
                let _nobody_waits = reply.send(outcome).is_err();
                if is_over {
                    return;
                }
            }
            Either::Right(Some(payload)) => {
                let _nobody_listens = tell.unbounded_send(payload).is_err();
            }
            Either::Left(None) | Either::Right(None) => return,
        }
    }
}
