//! The async loop. Carries, waits and wakes; the desk decides.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::channel::mpsc;
use futures::future::{self, Either};
use futures::{FutureExt, StreamExt};
use pglock_core::{Instant, SessionId, SessionKind};

use crate::ask::Ask;
use crate::clock::Timer;
use crate::connect::Connect;
use crate::desk::{Desk, Work};
use crate::link::{Link, Report};

/// How many inputs are taken in at once, so that a flood of asks cannot hold up what is due.
const MOST_AT_ONCE: usize = 256;

pub(crate) struct Drive<C: Connect, T> {
    desk: Desk,
    asks: mpsc::UnboundedReceiver<Ask>,
    connect: Arc<C>,
    /// A connection that was opened to see whether there is a server.
    first: Option<C::Session>,
    links: BTreeMap<SessionId, Link<C::Session>>,
    timer: Arc<T>,
}

enum Input {
    Ask(Ask),
    Report(SessionId, Report),
}

impl<C: Connect, T: Timer> Drive<C, T> {
    pub(crate) fn new(
        desk: Desk,
        asks: mpsc::UnboundedReceiver<Ask>,
        connect: C,
        first: Option<C::Session>,
        timer: Arc<T>,
    ) -> Self {
        Self { desk, asks, connect: Arc::new(connect), first, links: BTreeMap::new(), timer }
    }

    /// Ends when the shut-down is complete.
    pub(crate) async fn run(mut self) {
        while let Some(wake) = self.work() {
            for input in self.inputs(wake).await {
                self.take(input);
            }
        }
    }

    /// Does all there is to do, and says until when there is no more; nothing when all is over.
    fn work(&mut self) -> Option<Option<Instant>> {
        loop {
            match self.desk.poll() {
                Work::Connect(session, kind) => {
                    let link = self.open(kind);
                    self.links.insert(session, link);
                }
                Work::Disconnect(session) => drop(self.links.remove(&session)),
                Work::Execute(command) => {
                    if let Some(link) = self.links.get_mut(&command.session()) {
                        link.execute(command);
                    }
                }
                Work::Wait(wake) => return Some(wake),
                Work::Over => return None,
            }
        }
    }

    fn open(&mut self, kind: SessionKind) -> Link<C::Session> {
        match self.first.take_if(|_| kind == SessionKind::Work) {
            Some(session) => Link::Opening(future::ready(Ok(session)).boxed()),
            None => Link::opening(Arc::clone(&self.connect), kind),
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Ask(ask) => self.desk.ask(ask),
            Input::Report(session, Report::Connected) => self.desk.connected(session),
            Input::Report(_, Report::Outcome(command, outcome)) => {
                self.desk.outcome(command, outcome);
            }
            Input::Report(session, Report::Notified(payload)) => {
                self.desk.notified(session, &payload);
            }
            Input::Report(session, Report::Disconnected(error)) => {
                self.desk.disconnected(session, error);
            }
        }
    }

    /// Waits until something has happened or the time has come.
    async fn inputs(&mut self, wake: Option<Instant>) -> Vec<Input> {
        let timer = Arc::clone(&self.timer);
        let mut sleep = pin!(match wake {
            Some(moment) => Either::Left(timer.sleep_until(moment)),
            None => Either::Right(future::pending()),
        });
        future::poll_fn(|cx| {
            let inputs = self.arrived(cx);
            if inputs.is_empty() {
                sleep.poll_unpin(cx).map(|()| inputs)
            } else {
                Poll::Ready(inputs)
            }
        })
        .await
    }

    fn arrived(&mut self, cx: &mut Context<'_>) -> Vec<Input> {
        let mut inputs = Vec::new();
        while inputs.len() < MOST_AT_ONCE {
            match self.poll_input(cx) {
                Poll::Ready(input) => inputs.push(input),
                Poll::Pending => break,
            }
        }
        inputs
    }

    /// Replies before asks: they may have waited longer.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let reports = self.links.iter_mut().map(|(session, link)| (*session, link.poll(cx)));
        if let Some((session, report)) = reports.filter_map(ready).next() {
            if matches!(report, Report::Disconnected(_)) {
                self.links.remove(&session);
            }
            return Poll::Ready(Input::Report(session, report));
        }
        match self.asks.poll_next_unpin(cx) {
            Poll::Ready(Some(ask)) => Poll::Ready(Input::Ask(ask)),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

fn ready(polled: (SessionId, Poll<Report>)) -> Option<(SessionId, Report)> {
    match polled {
        (session, Poll::Ready(report)) => Some((session, report)),
        (_, Poll::Pending) => None,
    }
}
