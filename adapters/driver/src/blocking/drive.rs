//! The blocking loop. Carries, waits and wakes; the desk decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use pglock_core::{Instant, SessionId, SessionKind};

use super::connect::Connect;
use super::thread::Link;
use crate::ask::{Ask, Line};
use crate::clock::Clock;
use crate::desk::{Desk, Work};
use crate::error::Error;
use crate::link::Report;

/// Threads sleep by a clock that stands still during suspend; so none sleeps longer in one go.
const SLICE: Duration = Duration::from_secs(1);

/// How many inputs are taken in at once, so that a flood of asks cannot hold up what is due.
const MOST_AT_ONCE: usize = 256;

pub(super) enum Input {
    Ask(Ask),
    Report(SessionId, Report),
}

pub(super) struct Drive<C: Connect> {
    desk: Desk,
    inputs: Receiver<Input>,
    /// For the threads of the connections.
    sender: Sender<Input>,
    connect: Arc<C>,
    /// A connection that was opened to see whether there is a server.
    first: Option<C::Session>,
    links: BTreeMap<SessionId, Link>,
    clock: Arc<dyn Clock>,
}

impl<C: Connect> Drive<C> {
    /// Starts the thread; it ends when a shut-down is complete.
    pub(super) fn start(
        desk: Desk,
        connect: Arc<C>,
        first: Option<C::Session>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Line>, Error> {
        let (sender, inputs) = channel();
        let asks = sender.clone();
        let drive = Self { desk, inputs, sender, connect, first, links: BTreeMap::new(), clock };
        thread::Builder::new()
            .name("pglock".into())
            .spawn(move || drive.run())
            .map_err(|error| Error::System(error.to_string()))?;
        Ok(Line::new(move |ask| {
            let _loop_has_ended = asks.send(Input::Ask(ask)).is_err();
        }))
    }

    fn run(mut self) {
        while let Some(wake) = self.work() {
            if let Some(input) = self.input(wake) {
                self.take(input);
                for _ in 1..MOST_AT_ONCE {
                    let Ok(input) = self.inputs.try_recv() else { break };
                    self.take(input);
                }
            }
        }
    }

    /// Does all there is to do, and says until when there is no more; nothing when all is over.
    fn work(&mut self) -> Option<Option<Instant>> {
        loop {
            match self.desk.poll() {
                Work::Connect(session, kind) => self.open(session, kind),
                Work::Disconnect(session) => drop(self.links.remove(&session)),
                Work::Execute(command) => {
                    if let Some(link) = self.links.get(&command.session()) {
                        link.execute(command);
                    }
                }
                Work::Wait(wake) => return Some(wake),
                Work::Over => return None,
            }
        }
    }

    fn open(&mut self, session: SessionId, kind: SessionKind) {
        let inputs = self.sender.clone();
        let started = match self.first.take_if(|_| kind == SessionKind::Work) {
            Some(first) => Link::start(session, inputs, move || Ok(first)),
            None => {
                let connect = Arc::clone(&self.connect);
                Link::start(session, inputs, move || connect.connect(kind))
            }
        };
        match started {
            Ok(link) => drop(self.links.insert(session, link)),
            Err(_no_thread) => self.desk.disconnected(session, None),
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Ask(ask) => self.desk.ask(ask),
            Input::Report(session, report) => self.reported(session, report),
        }
    }

    /// A connection that was given up has nothing to say any more.
    fn reported(&mut self, session: SessionId, report: Report) {
        if !self.links.contains_key(&session) {
            return;
        }
        match report {
            Report::Connected => self.desk.connected(session),
            Report::Outcome(command, outcome) => self.desk.outcome(command, outcome),
            Report::Notified(payload) => self.desk.notified(session, &payload),
            Report::Disconnected(error) => {
                self.links.remove(&session);
                self.desk.disconnected(session, error);
            }
        }
    }

    /// What has happened before the time came, if anything.
    fn input(&self, wake: Option<Instant>) -> Option<Input> {
        let Some(moment) = wake else { return self.inputs.recv().ok() };
        self.inputs.recv_timeout(moment.since(self.clock.now()).min(SLICE)).ok()
    }
}
