//! What lies between a process and the rows: connections, statements and answers on their way, and the
//! server's sessions, each of which runs one statement at a time.
//!
//! Closing a connection does not stop what is under way on it.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use pglock_core::{Outcome, Severity, Statement};
use pglock_driver::ConnectError;

use crate::chronicle::{Fact, Gist, Written};
use crate::network::{STRAY_ERRORS, ends_session, lock_timeout, says_nothing};
use crate::server::{Record, error, failed, starting_up, too_many};

mod notices;

use notices::Ear;

use super::fault::Fault;
use super::rules::Sender;
use super::scene::{Happening, Scene};

/// One connection: the process's end of it, and the server's session.
#[derive(Debug)]
pub(super) struct Link {
    who: usize,
    end: End,
    /// Whoever waits for it to open, or to break.
    waiting: Vec<Waker>,
    /// The server's session runs what arrives.
    alive: bool,
    standby: bool,
    requests_vanish: bool,
    replies_vanish: bool,
    last_arrival: u64,
    last_reply: u64,
    backlog: VecDeque<usize>,
    busy: bool,
    ear: Ear,
}

/// How a connection looks from the process.
#[derive(Debug)]
enum End {
    Opening,
    Open,
    Refused(ConnectError),
    Broken,
    /// Given up by the process.
    Closed,
}

/// A statement on its way.
#[derive(Debug)]
pub(super) struct Flight {
    link: usize,
    statement: Statement,
    sent: u64,
    /// On its way back.
    outcome: Option<Outcome>,
    /// Has come back, or never will.
    heard: Option<Outcome>,
    waiting: Option<Waker>,
    /// Waiting for a row that a stranger has locked; with what the statement saw when it began.
    parked: Option<Option<Record>>,
    cut_after: bool,
}

impl Link {
    const fn is_open(&self) -> bool {
        matches!(self.end, End::Open)
    }
}

/// The process's end.
impl Scene {
    pub(super) fn connect(&mut self, who: usize) -> usize {
        let link = self.links.len();
        let standby = self.hit(self.faults.standby, Fault::Standby);
        self.links.push(Link {
            who,
            end: End::Opening,
            waiting: Vec::new(),
            alive: false,
            standby,
            requests_vanish: false,
            replies_vanish: false,
            last_arrival: 0,
            last_reply: 0,
            backlog: VecDeque::new(),
            busy: false,
            ear: Ear::default(),
        });
        self.trace.note(self.now, (who, link), || format!("w{who} opens connection {link}"));
        let at = self.now + self.delay() + self.delay();
        if self.hit(self.faults.connect_hangs, Fault::NoAnswer) {
            return link;
        }
        if self.hit(self.faults.connect_refused, Fault::Refused) {
            let full = self.tape.below(2) == 1;
            self.queue.plan(at, Happening::Refused { link, full });
        } else {
            self.queue.plan(at, Happening::Connected { link });
        }
        link
    }

    pub(super) fn poll_connected(
        &mut self,
        link: usize,
        waker: &Waker,
    ) -> Poll<Result<(), ConnectError>> {
        let link = &mut self.links[link];
        match &link.end {
            End::Opening => {
                link.waiting.push(waker.clone());
                Poll::Pending
            }
            End::Open => Poll::Ready(Ok(())),
            End::Refused(error) => Poll::Ready(Err(error.clone())),
            End::Broken | End::Closed => Poll::Ready(Err(ConnectError::unreachable("it broke"))),
        }
    }

    pub(super) fn poll_broken(&mut self, link: usize, waker: &Waker) -> Poll<()> {
        let link = &mut self.links[link];
        if !link.is_open() {
            return Poll::Ready(());
        }
        link.waiting.push(waker.clone());
        Poll::Pending
    }

    /// The process closes a connection. What is on its way may still be run, at any later time.
    pub(super) fn close(&mut self, link: usize) {
        let survives = self.healed || self.tape.below(2) == 1;
        let link = &mut self.links[link];
        link.end = End::Closed;
        link.alive &= survives || link.busy;
    }

    /// Puts a statement on its way.
    pub(super) fn send(&mut self, link: usize, statement: &Statement) -> usize {
        let flight = self.flights.len();
        let who = self.links[link].who;
        let is_open = self.links[link].is_open();
        self.flights.push(Flight {
            link,
            statement: statement.clone(),
            sent: self.now,
            outcome: None,
            heard: (!is_open).then_some(Outcome::Lost),
            waiting: None,
            parked: None,
            cut_after: self.tape.hit(self.faults.reset_after),
        });
        self.trace.note(self.now, (who, link, flight, statement), || {
            format!("w{who} sends {flight} on connection {link}: {statement:?}")
        });
        if let Statement::Acquire(acquire) = statement {
            self.ask_for(&acquire.name);
        }
        let gist = || Gist::of(statement, &self.names);
        self.trace.keep(self.now, || Fact::Sends {
            who,
            flight,
            gist: gist(),
            statement: statement.clone(),
        });
        if is_open {
            self.take_off(flight);
        }
        flight
    }

    fn take_off(&mut self, flight: usize) {
        let link = self.flights[flight].link;
        let mut leaves = self.now;
        if self.hit(self.faults.pause_before_sending, Fault::StoodStillBeforeSending) {
            let span = self.tape.below(self.faults.pause + 1);
            self.stand_still(self.links[link].who, span);
            leaves += span;
        }
        let at = leaves + self.delay();
        if self.hit(self.faults.reset_before, Fault::BrokenBefore) {
            self.links[link].alive = false;
            self.queue.plan(at, Happening::Broken { link });
            return;
        }
        self.links[link].requests_vanish |= self.hit(self.faults.request_lost, Fault::RequestLost);
        let link = &mut self.links[link];
        if !link.requests_vanish {
            link.last_arrival = link.last_arrival.max(at);
            self.queue.plan(link.last_arrival, Happening::Arrive { flight });
        }
    }

    pub(super) fn poll_outcome(&mut self, flight: usize, waker: &Waker) -> Poll<Outcome> {
        let flight = &mut self.flights[flight];
        match flight.heard.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                flight.waiting = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

/// What comes to the process.
impl Scene {
    pub(super) fn connected(&mut self, link: usize) {
        if self.now < self.server_up_at {
            return self.refused(link, Some(ConnectError::refused(starting_up())));
        }
        let link = &mut self.links[link];
        if matches!(link.end, End::Opening) {
            link.end = End::Open;
            link.alive = true;
            link.waiting.drain(..).for_each(Waker::wake);
        }
    }

    pub(super) fn turned_away(&mut self, link: usize, full: bool) {
        self.refused(link, full.then(|| ConnectError::refused(too_many())));
    }

    fn refused(&mut self, link: usize, error: Option<ConnectError>) {
        let error = error.unwrap_or_else(|| ConnectError::unreachable("nobody listens"));
        self.trace.note(self.now, (link, &error), || format!("connection {link}: {error}"));
        let link = &mut self.links[link];
        if matches!(link.end, End::Opening) {
            link.end = End::Refused(error);
            link.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// The connection breaks for the process; what it waits for has no outcome.
    pub(super) fn cut(&mut self, index: usize) {
        let link = &mut self.links[index];
        if !link.is_open() {
            return;
        }
        link.end = End::Broken;
        self.trace.note(self.now, index, || format!("connection {index} is broken"));
        for flight in 0..self.flights.len() {
            if self.flights[flight].link == index && self.flights[flight].waiting.is_some() {
                self.hear(flight, Outcome::Lost);
            }
        }
        self.links[index].waiting.drain(..).for_each(Waker::wake);
    }

    pub(super) fn replied(&mut self, flight: usize) {
        let Some(outcome) = self.flights[flight].outcome.clone() else { return };
        if self.links[self.flights[flight].link].is_open() {
            self.trace.note(self.now, flight, || format!("{flight} is answered"));
            self.trace.keep(self.now, || Fact::Hears { flight, read_at: self.now, saw: None });
            self.hear(flight, outcome);
        }
    }

    fn hear(&mut self, flight: usize, outcome: Outcome) {
        let flight = &mut self.flights[flight];
        flight.heard.get_or_insert(outcome);
        flight.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// The server's end.
impl Scene {
    pub(super) fn arrive(&mut self, flight: usize) {
        let index = self.flights[flight].link;
        let link = &mut self.links[index];
        if link.alive {
            link.backlog.push_back(flight);
            self.run_next(index);
        }
    }

    fn run_next(&mut self, link: usize) {
        while !self.links[link].busy {
            let Some(flight) = self.links[link].backlog.pop_front() else { return };
            if self.links[link].alive {
                self.begin(flight);
            }
        }
    }

    fn begin(&mut self, flight: usize) {
        let link = self.flights[flight].link;
        if let Some(outcome) = self.stray_error(flight) {
            return self.reply(flight, outcome);
        }
        let statement = &self.flights[flight].statement;
        let seen = self.server.begin(statement);
        if self.links[link].standby || self.server.waits_for(statement).is_none() {
            let outcome = self.run_statement(flight, seen);
            return self.reply(flight, outcome);
        }
        let timeout = lock_timeout(statement);
        self.meet(Fault::RowLocked);
        self.flights[flight].parked = Some(seen);
        self.links[link].busy = true;
        self.parked.push(flight);
        self.queue.plan(self.now + timeout, Happening::Unpark { flight });
    }

    /// The wait for a locked row ends: it is free, or the lock time-out has passed.
    pub(super) fn unpark(&mut self, flight: usize) {
        let Some(seen) = self.flights[flight].parked.take() else { return };
        self.parked.retain(|parked| *parked != flight);
        let link = self.flights[flight].link;
        self.links[link].busy = false;
        if self.links[link].alive {
            let outcome = self.run_statement(flight, seen);
            self.reply(flight, outcome);
        }
        self.run_next(link);
    }

    /// A stranger's lock on a row is gone: those that wait for it go on, in turn.
    pub(super) fn unlocked(&mut self) {
        for flight in self.parked.clone() {
            if self.server.waits_for(&self.flights[flight].statement).is_none() {
                self.unpark(flight);
            }
        }
    }

    fn run_statement(&mut self, flight: usize, seen: Option<Record>) -> Outcome {
        let standby = self.links[self.flights[flight].link].standby;
        self.server.set_read_only(standby);
        let twice = self.hit(self.faults.twice, Fault::RunTwice);
        let statement = self.flights[flight].statement.clone();
        if matches!(statement, Statement::DropTable) && !standby {
            let token = |name| self.server.row(name).and_then(|row| row.token);
            self.rules.dropped(self.names.iter().map(|name| (name, token(name))));
        }
        let mut outcome = self.server.finish(&statement, seen);
        self.committed(flight, &outcome);
        if twice {
            outcome = self.server.execute(&statement);
            self.committed(flight, &outcome);
        }
        self.server.set_read_only(false);
        self.tell(flight, &outcome);
        outcome
    }

    /// A statement was run.
    fn committed(&mut self, flight: usize, outcome: &Outcome) {
        let changes = self.server.take_changes();
        let Flight { link, statement, sent, .. } = &self.flights[flight];
        let link = &self.links[*link];
        let late = matches!(link.end, End::Closed | End::Broken);
        let sender = Sender { who: link.who, sent: *sent, late };
        self.trace.note(self.now, (flight, outcome), || format!("{flight} -> {outcome:?}"));
        let wrote = || Written::of(&changes, &self.names);
        self.trace.keep(self.now, || Fact::Applied { flight, late, wrote: wrote() });
        for change in &changes {
            self.rules.changed(change, statement, sender, self.now);
        }
        if late && !changes.is_empty() {
            self.meet(Fault::AppliedLate);
        }
    }

    /// An error that has nothing to do with the rows; if it says nothing about the statement, that may
    /// have been run.
    fn stray_error(&mut self, flight: usize) -> Option<Outcome> {
        if !self.hit(self.faults.errors, Fault::StrayError) {
            return None;
        }
        let code = self.tape.pick(&STRAY_ERRORS);
        let unknown = ends_session(code) || says_nothing(code);
        let is_run = unknown && self.tape.below(2) == 1;
        if is_run && self.server.waits_for(&self.flights[flight].statement).is_none() {
            let seen = self.server.begin(&self.flights[flight].statement);
            let _unread = self.run_statement(flight, seen);
        }
        if !ends_session(code) {
            return Some(failed(code, "stray"));
        }
        self.flights[flight].cut_after = true;
        Some(Outcome::Failed(error(Severity::Fatal, code, "stray")))
    }

    fn reply(&mut self, flight: usize, outcome: Outcome) {
        let index = self.flights[flight].link;
        let at = self.now + self.delay();
        let cut = self.flights[flight].cut_after;
        let fatal = matches!(&outcome, Outcome::Failed(error) if error.severity != Severity::Error);
        self.flights[flight].outcome = Some(outcome);
        self.links[index].replies_vanish |= self.hit(self.faults.reply_lost, Fault::ReplyLost);
        let link = &mut self.links[index];
        if link.replies_vanish {
            return;
        }
        link.last_reply = link.last_reply.max(at);
        let at = link.last_reply;
        if !cut || fatal {
            self.queue.plan(at, Happening::Reply { flight });
        }
        if cut {
            link.alive = false;
            self.queue.plan(at, Happening::Broken { link: index });
            self.meet(Fault::BrokenAfter);
        }
    }

    /// The server crashes and comes back without loss: all sessions end.
    pub(super) fn crash_server(&mut self) {
        self.meet(Fault::ServerRestarted);
        self.trace.note(self.now, (), || "the server restarts".into());
        self.trace.keep(self.now, || Fact::ServerCrashes);
        self.server_up_at = self.now + self.delay() * 2;
        for link in 0..self.links.len() {
            if std::mem::take(&mut self.links[link].alive) && self.links[link].is_open() {
                let at = self.now + self.delay();
                self.queue.plan(at, Happening::Broken { link });
            }
        }
    }

    fn delay(&mut self) -> u64 {
        let delay = self.faults.delay(&mut self.tape);
        if delay > self.faults.usual_delay {
            self.meet(Fault::Delayed);
        }
        delay
    }
}
