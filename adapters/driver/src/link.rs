//! One connection of the async loop: being opened, or open with commands on their way. Dropping it closes
//! the connection and forgets the commands.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use pglock_core::{Command, CommandId, Outcome, ServerError, SessionKind};

use crate::connect::{Connect, ConnectError, Session};

/// What a connection has to say.
pub(crate) enum Report {
    Connected,
    Disconnected(Option<ServerError>),
    Outcome(CommandId, Outcome),
    /// With what it says.
    Notified(String),
}

pub(crate) enum Link<S> {
    Opening(BoxFuture<'static, Result<S, ConnectError>>),
    Open(Open<S>),
}

pub(crate) struct Open<S> {
    session: Arc<S>,
    closed: BoxFuture<'static, ()>,
    /// Nothing if the driver panics.
    notified: BoxFuture<'static, Option<String>>,
    running: FuturesUnordered<BoxFuture<'static, (CommandId, Outcome)>>,
}

impl<S: Session> Link<S> {
    pub(crate) fn opening(connect: Arc<impl Connect<Session = S>>, kind: SessionKind) -> Self {
        let connecting = async move { connect.connect(kind).await };
        Self::Opening(caught(connecting, |_| Err(ConnectError::unreachable("the driver panicked"))))
    }

    /// Starts a command. One for a connection that is not open is forgotten: its loss has been
    /// reported.
    pub(crate) fn execute(&mut self, command: Command) {
        let Self::Open(open) = self else { return };
        let session = Arc::clone(&open.session);
        let id = command.id();
        let executing = async move { (id, session.execute(command).await) };
        open.running.push(caught(executing, move |_| (id, Outcome::Lost)));
    }

    /// Nothing more comes after `Disconnected`.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        match self {
            Self::Opening(opening) => Poll::Ready(match ready!(opening.poll_unpin(cx)) {
                Ok(session) => {
                    *self = Self::Open(Open::new(session));
                    Report::Connected
                }
                Err(error) => Report::Disconnected(error.server),
            }),
            Self::Open(open) => open.poll(cx),
        }
    }
}

impl<S: Session> Open<S> {
    fn new(session: S) -> Self {
        let session = Arc::new(session);
        let watched = Arc::clone(&session);
        let closed = caught(async move { watched.closed().await }, |_| ());
        let notified = notified(&session);
        Self { session, closed, notified, running: FuturesUnordered::new() }
    }

    /// What arrived before the end is reported before it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        if let Poll::Ready(Some((id, outcome))) = self.running.poll_next_unpin(cx) {
            return Poll::Ready(Report::Outcome(id, outcome));
        }
        match self.notified.poll_unpin(cx) {
            Poll::Ready(Some(payload)) => {
                self.notified = notified(&self.session);
                Poll::Ready(Report::Notified(payload))
            }
            Poll::Ready(None) => Poll::Ready(Report::Disconnected(None)),
            Poll::Pending => self.closed.poll_unpin(cx).map(|()| Report::Disconnected(None)),
        }
    }
}

fn notified(session: &Arc<impl Session>) -> BoxFuture<'static, Option<String>> {
    let session = Arc::clone(session);
    caught(async move { Some(session.notified().await) }, |_| None)
}

/// A driver's panic is its own connection's trouble only.
fn caught<T: 'static>(
    future: impl Future<Output = T> + Send + 'static,
    or: impl FnOnce(Box<dyn Any + Send>) -> T + Send + 'static,
) -> BoxFuture<'static, T> {
    AssertUnwindSafe(future).catch_unwind().map(|done| done.unwrap_or_else(or)).boxed()
}
