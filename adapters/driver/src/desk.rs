//! The core, and whom to tell what it says. Both loops work at a desk; they only differ in how they wait
//! and in how they reach their sessions.
//!
//! The clock is read here and nowhere else, so that both loops keep the core's two rules: before a
//! command is handed over, after an outcome has arrived.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use pglock_core::{
    Amendment, Answer, AskError, Client, Command, CommandId, Event, Grant, Instant, LockId,
    Outcome, Output, Question, QuestionId, ServerError, SessionId, SessionKind, Token,
};

use crate::advisory::AdvisoryHold;
use crate::ask::{Ask, Progress, Reply, Ticket};
use crate::belief::{Belief, Ending};
use crate::clock::Clock;
use crate::error::{Error, Loss};
use crate::hold::Hold;
use crate::options::OnGranted;
use crate::party::{Asker, Held, Holding, Party, Stage, answer, report};

/// The core at work.
pub(crate) struct Desk {
    client: Client,
    clock: Arc<dyn Clock>,
    on_granted: OnGranted,
    tickets: BTreeMap<Ticket, LockId>,
    locks: BTreeMap<LockId, Party>,
    questions: BTreeMap<QuestionId, Reply<Answer>>,
    leaving: Vec<oneshot::Sender<()>>,
}

/// What is left for a loop to do once everybody has been told.
pub(crate) enum Work {
    Connect(SessionId, SessionKind),
    Disconnect(SessionId),
    Execute(Command),
    /// Nothing until then, or until something happens.
    Wait(Option<Instant>),
    /// The shut-down is complete.
    Over,
}

impl Desk {
    pub(crate) fn new(client: Client, clock: Arc<dyn Clock>, on_granted: OnGranted) -> Self {
        Self {
            client,
            clock,
            on_granted,
            tickets: BTreeMap::new(),
            locks: BTreeMap::new(),
            questions: BTreeMap::new(),
            leaving: Vec::new(),
        }
    }

    /// How long the first connection may take to open.
    pub(crate) fn connect_deadline(&self) -> Duration {
        self.client.config().connect_deadline
    }

    /// What the loop must do next. Call again until it is `Wait` or `Over`.
    pub(crate) fn poll(&mut self) -> Work {
        loop {
            let now = self.clock.now();
            match self.client.poll_output(now) {
                Output::Connect(session, kind) => return Work::Connect(session, kind),
                Output::Disconnect(session) => return Work::Disconnect(session),
                Output::Execute(command) => return Work::Execute(command),
                Output::Event(event) => self.tell(event),
                Output::Wait(_) if self.is_over() => {
                    debug_assert!(self.locks.is_empty(), "a lock without its terminal event");
                    return Work::Over;
                }
                Output::Wait(wake) => {
                    // Else the loop would come back at once, and go on so for ever.
                    debug_assert!(wake.at.is_none_or(|at| at > now), "{wake:?} at {now:?}");
                    return Work::Wait(wake.at);
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        !self.leaving.is_empty() && self.client.is_shut_down()
    }

    pub(crate) fn connected(&mut self, session: SessionId) {
        self.client.handle_connected(session, self.clock.now());
    }

    pub(crate) fn disconnected(&mut self, session: SessionId, error: Option<ServerError>) {
        self.client.handle_disconnected(session, error, self.clock.now());
    }

    pub(crate) fn outcome(&mut self, command: CommandId, outcome: Outcome) {
        self.client.handle_outcome(command, outcome, self.clock.now());
    }

    pub(crate) fn notified(&mut self, session: SessionId, payload: &str) {
        self.client.handle_notification(session, payload, self.clock.now());
    }

    /// Whoever asks now must not be told of what happened before.
    pub(crate) fn ask(&mut self, ask: Ask) {
        while let Some(event) = self.client.poll_event() {
            self.tell(event);
        }
        match ask {
            Ask::Acquire(ticket, request, progress) => {
                let asker = Asker::Lease(request.name.clone(), progress);
                let asked = self.client.acquire(request, self.clock.now());
                self.asked(ticket, asker, asked);
            }
            Ask::AcquireAdvisory(ticket, request, progress) => {
                let asker = Asker::Advisory(request.key.clone(), request.mode, progress);
                let asked = self.client.acquire_advisory(request, self.clock.now());
                self.asked(ticket, asker, asked);
            }
            Ask::Cancel(ticket) => self.cancel(ticket),
            Ask::Release(ticket) => self.release(ticket),
            Ask::Heartbeat(ticket, reply) => self.heartbeat(ticket, reply),
            Ask::Amend(ticket, amendment, reply) => self.amend(ticket, amendment, reply),
            Ask::Question(question, reply) => self.question(question, reply),
            Ask::Counters(reply) => answer(reply, self.client.counters()),
            Ask::ShutDown(reply) => self.shut_down(reply),
        }
    }
}

/// Asks.
impl Desk {
    fn asked(&mut self, ticket: Ticket, asker: Asker, asked: Result<LockId, AskError>) {
        match asked {
            Ok(lock) => {
                self.tickets.insert(ticket, lock);
                self.locks.insert(lock, Party::new(ticket, asker));
            }
            Err(error) => asker.refuse(error.into()),
        }
    }

    fn cancel(&mut self, ticket: Ticket) {
        let Some((lock, party)) = party(&self.tickets, &mut self.locks, ticket) else { return };
        // It may have been granted before it was known that nobody wants it.
        party.end_belief(Loss::Released);
        party.stage = Stage::Cancelled;
        let _had_ended = self.client.cancel(lock, self.clock.now()).is_err();
    }

    fn release(&mut self, ticket: Ticket) {
        let Some(lock) = self.tickets.get(&ticket) else { return };
        let _had_ended = self.client.release(*lock, self.clock.now()).is_err();
    }

    fn heartbeat(&mut self, ticket: Ticket, reply: Reply<()>) {
        let Some((lock, holding)) = holding(&self.tickets, &mut self.locks, ticket) else { return };
        let asked_at = self.clock.now();
        match self.client.heartbeat(lock, asked_at) {
            Ok(()) => holding.await_renewal(asked_at, reply),
            Err(_) => answer(reply, Err(Error::Lost(holding.held.loss()))),
        }
    }

    fn amend(&mut self, ticket: Ticket, amendment: Amendment, reply: Reply<()>) {
        let Some((lock, holding)) = holding(&self.tickets, &mut self.locks, ticket) else { return };
        let data = amendment.data.clone();
        match self.client.amend(lock, amendment, self.clock.now()) {
            Ok(()) => holding.await_amendment(data, reply),
            Err(AskError::NotHeld(_)) => {
                answer(reply, Err(Error::Lost(holding.held.loss())));
            }
            Err(error) => answer(reply, Err(error.into())),
        }
    }

    fn question(&mut self, question: Question, reply: Reply<Answer>) {
        match self.client.ask(question, self.clock.now()) {
            Ok(id) => {
                self.questions.insert(id, reply);
            }
            Err(error) => answer(reply, Err(error.into())),
        }
    }

    fn shut_down(&mut self, reply: Option<oneshot::Sender<()>>) {
        self.locks.values().for_each(|party| party.end_belief(Loss::Released));
        self.leaving.push(reply.unwrap_or_else(|| oneshot::channel().0));
        self.client.shut_down(self.clock.now());
    }
}

/// Events.
impl Desk {
    fn tell(&mut self, event: Event) {
        match event {
            Event::Acquired { lock, grant } => self.acquired(lock, grant),
            Event::AdvisoryAcquired { lock, token } => self.acquired_advisory(lock, token),
            Event::Waiting { lock, holder } => {
                if let Some(party) = self.locks.get(&lock) {
                    party.waits_for(holder);
                }
            }
            Event::Renewed { lock, sent, valid_until } => {
                if let Some(holding) = self.held(lock) {
                    holding.renewed(sent, valid_until);
                }
            }
            Event::AtRisk { lock, .. } => {
                if let Some(holding) = self.held(lock) {
                    holding.held.set_at_risk();
                }
            }
            Event::Amended { lock } => self.amended(lock, &Ok(())),
            Event::AmendFailed { lock, failure } => self.amended(lock, &Err(failure.into())),
            Event::Released { lock, confirmed } => {
                self.ended(lock, Error::Closed, Ending::Released { confirmed });
            }
            Event::Lost { lock, cause } => {
                self.ended(lock, Error::Lost(cause.into()), Ending::Lost(cause.into()));
            }
            Event::Failed { lock, failure } => {
                let ending = Ending::ReleaseFailed(failure.clone());
                self.ended(lock, Error::Failed(failure), ending);
            }
            Event::Busy { lock, holder } => self.refused(lock, Error::Busy(holder)),
            Event::TimedOut { lock, holder } => self.refused(lock, Error::TimedOut(holder)),
            Event::Cancelled { lock } => self.refused(lock, Error::Closed),
            Event::Answered { question, answer: told } => {
                if let Some(reply) = self.questions.remove(&question) {
                    answer(reply, told.map_err(Error::Failed));
                }
            }
            _ => {}
        }
    }

    fn acquired(&mut self, lock: LockId, grant: Grant) {
        let Some(party) = self.locks.get_mut(&lock) else { return };
        let Stage::Asking(Asker::Lease(name, progress)) = &party.stage else { return };
        let (hold, ending) = Hold::new(name.clone(), grant, Arc::clone(&self.clock));
        self.on_granted.tell(&hold);
        report(progress, Progress::Granted(hold.clone()));
        party.stage = Stage::Holding(Holding::new(Held::Lease(hold), ending));
    }

    fn acquired_advisory(&mut self, lock: LockId, token: Option<Token>) {
        // If it has been lost since, there is no such moment, and the event that says so follows.
        let valid_until = self.client.valid_until(lock).unwrap_or_default();
        let Some(party) = self.locks.get_mut(&lock) else { return };
        let Stage::Asking(Asker::Advisory(key, mode, progress)) = &party.stage else { return };
        let clock = Arc::clone(&self.clock);
        let (belief, ending) = Belief::new(valid_until, Loss::SessionEnded, clock);
        let hold = AdvisoryHold::new(key.clone(), *mode, token, belief);
        report(progress, Progress::Granted(hold.clone()));
        party.stage = Stage::Holding(Holding::new(Held::Advisory(hold), ending));
    }

    fn amended(&mut self, lock: LockId, result: &Result<(), Error>) {
        if let Some(holding) = self.held(lock) {
            holding.amended(result);
        }
    }

    fn refused(&mut self, lock: LockId, error: Error) {
        self.ended(lock, error, Ending::Released { confirmed: true });
    }

    fn ended(&mut self, lock: LockId, error: Error, ending: Ending) {
        let party = self.locks.remove(&lock);
        debug_assert!(party.is_some(), "a second terminal event for {lock:?}");
        let Some(party) = party else { return };
        self.tickets.remove(&party.ticket);
        party.ended(error, ending);
    }

    fn held(&mut self, lock: LockId) -> Option<&mut Holding> {
        self.locks.get_mut(&lock)?.holding()
    }
}

/// When the loop ends, for whatever reason, nobody renews the locks any more.
impl Drop for Desk {
    fn drop(&mut self) {
        self.locks.values().for_each(|party| party.end_belief(Loss::Closed));
    }
}

fn party<'a>(
    tickets: &BTreeMap<Ticket, LockId>,
    locks: &'a mut BTreeMap<LockId, Party>,
    ticket: Ticket,
) -> Option<(LockId, &'a mut Party)> {
    let lock = *tickets.get(&ticket)?;
    Some((lock, locks.get_mut(&lock)?))
}

fn holding<'a>(
    tickets: &BTreeMap<Ticket, LockId>,
    locks: &'a mut BTreeMap<LockId, Party>,
    ticket: Ticket,
) -> Option<(LockId, &'a mut Holding)> {
    let (lock, party) = party(tickets, locks, ticket)?;
    Some((lock, party.holding()?))
}
