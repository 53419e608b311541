//! The core, and whom to tell what it says. Both loops work at a desk; they only differ in how they wait
//! and in how they reach their sessions.
//!
//! The clock is read here and nowhere else, so that both loops keep the core's two rules: before a
//! command is handed over, after an outcome has arrived.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use pglock_core::{
    Amendment, Answer, Client, Command, CommandId, Event, Grant, Instant, LockId, LockName,
    Outcome, Output, Question, QuestionId, Request, ServerError, SessionId, SessionKind,
};

use crate::ask::{Ask, Progress, Ticket};
use crate::clock::Clock;
use crate::error::{Error, Loss};
use crate::hold::{Ending, Hold};
use crate::options::OnGranted;

/// The core at work.
pub(crate) struct Desk {
    client: Client,
    clock: Arc<dyn Clock>,
    on_granted: OnGranted,
    tickets: BTreeMap<Ticket, LockId>,
    locks: BTreeMap<LockId, Party>,
    questions: BTreeMap<QuestionId, oneshot::Sender<Result<Answer, Error>>>,
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

/// Whoever asked for a lock.
struct Party {
    ticket: Ticket,
    name: LockName,
    stage: Stage,
}

enum Stage {
    Asking(mpsc::UnboundedSender<Progress>),
    Holding(Holding),
    /// The acquire was cancelled: whatever becomes of it, nobody wants to know.
    Cancelled,
}

struct Holding {
    hold: Hold,
    ending: oneshot::Sender<Ending>,
    /// Whoever waits for a renewal, and since when: one that was sent before does not count.
    heartbeats: Vec<(Instant, oneshot::Sender<Result<(), Error>>)>,
    amendments: Vec<AmendmentAsked>,
}

struct AmendmentAsked {
    data: Option<Option<Arc<[u8]>>>,
    reply: oneshot::Sender<Result<(), Error>>,
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
            Ask::Acquire(ticket, request, progress) => self.acquire(ticket, request, progress),
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
    fn acquire(
        &mut self,
        ticket: Ticket,
        request: Request,
        progress: mpsc::UnboundedSender<Progress>,
    ) {
        let name = request.name.clone();
        match self.client.acquire(request, self.clock.now()) {
            Ok(lock) => {
                self.tickets.insert(ticket, lock);
                self.locks.insert(lock, Party { ticket, name, stage: Stage::Asking(progress) });
            }
            Err(error) => report(&progress, Progress::Refused(error.into())),
        }
    }

    fn cancel(&mut self, ticket: Ticket) {
        let Some((lock, party)) = party(&self.tickets, &mut self.locks, ticket) else { return };
        // It may have been granted before it was known that nobody wants it.
        if let Stage::Holding(holding) = mem::replace(&mut party.stage, Stage::Cancelled) {
            holding.hold.end(Loss::Released);
        }
        let _had_ended = self.client.cancel(lock, self.clock.now()).is_err();
    }

    fn release(&mut self, ticket: Ticket) {
        let Some(lock) = self.tickets.get(&ticket) else { return };
        let _had_ended = self.client.release(*lock, self.clock.now()).is_err();
    }

    fn heartbeat(&mut self, ticket: Ticket, reply: oneshot::Sender<Result<(), Error>>) {
        let Some((lock, holding)) = holding(&self.tickets, &mut self.locks, ticket) else { return };
        let asked_at = self.clock.now();
        match self.client.heartbeat(lock, asked_at) {
            Ok(()) => holding.heartbeats.push((asked_at, reply)),
            Err(_) => answer(reply, Err(Error::Lost(holding.hold.loss()))),
        }
    }

    fn amend(
        &mut self,
        ticket: Ticket,
        amendment: Amendment,
        reply: oneshot::Sender<Result<(), Error>>,
    ) {
        let Some((lock, holding)) = holding(&self.tickets, &mut self.locks, ticket) else { return };
        let data = amendment.data.clone();
        match self.client.amend(lock, amendment, self.clock.now()) {
            Ok(()) => holding.amendments.push(AmendmentAsked { data, reply }),
            Err(pglock_core::AskError::NotHeld(_)) => {
                answer(reply, Err(Error::Lost(holding.hold.loss())));
            }
            Err(error) => answer(reply, Err(error.into())),
        }
    }

    fn question(&mut self, question: Question, reply: oneshot::Sender<Result<Answer, Error>>) {
        match self.client.ask(question, self.clock.now()) {
            Ok(id) => {
                self.questions.insert(id, reply);
            }
            Err(error) => answer(reply, Err(error.into())),
        }
    }

    fn shut_down(&mut self, reply: Option<oneshot::Sender<()>>) {
        for party in self.locks.values() {
            if let Stage::Holding(holding) = &party.stage {
                holding.hold.end(Loss::Released);
            }
        }
        self.leaving.push(reply.unwrap_or_else(|| oneshot::channel().0));
        self.client.shut_down(self.clock.now());
    }
}

/// Events.
impl Desk {
    fn tell(&mut self, event: Event) {
        match event {
            Event::Acquired { lock, grant } => self.acquired(lock, grant),
            Event::Waiting { lock, holder } => {
                if let Some(Party { stage: Stage::Asking(progress), .. }) = self.locks.get(&lock) {
                    report(progress, Progress::Waiting(holder));
                }
            }
            Event::Renewed { lock, sent, valid_until } => self.renewed(lock, sent, valid_until),
            Event::AtRisk { lock, .. } => {
                if let Some(holding) = self.held(lock) {
                    holding.hold.set_at_risk();
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
        let Stage::Asking(progress) = &party.stage else { return };
        let (hold, ending) = Hold::new(party.name.clone(), grant, Arc::clone(&self.clock));
        self.on_granted.tell(&hold);
        report(progress, Progress::Granted(hold.clone()));
        let (heartbeats, amendments) = (Vec::new(), Vec::new());
        party.stage = Stage::Holding(Holding { hold, ending, heartbeats, amendments });
    }

    fn renewed(&mut self, lock: LockId, sent: Instant, valid_until: Instant) {
        let Some(holding) = self.held(lock) else { return };
        holding.hold.renew(valid_until);
        for (_, reply) in holding.heartbeats.extract_if(.., |(asked_at, _)| *asked_at <= sent) {
            answer(reply, Ok(()));
        }
    }

    fn amended(&mut self, lock: LockId, result: &Result<(), Error>) {
        let Some(holding) = self.held(lock) else { return };
        for asked in holding.amendments.drain(..) {
            if let (Ok(()), Some(data)) = (result, asked.data) {
                holding.hold.set_data(data);
            }
            answer(asked.reply, result.clone());
        }
    }

    fn refused(&mut self, lock: LockId, error: Error) {
        self.ended(lock, error, Ending::Released { confirmed: true });
    }

    /// The lock has had its terminal event: an error for whoever asked, an ending for whoever holds.
    fn ended(&mut self, lock: LockId, error: Error, ending: Ending) {
        let party = self.locks.remove(&lock);
        debug_assert!(party.is_some(), "a second terminal event for {lock:?}");
        let Some(party) = party else { return };
        self.tickets.remove(&party.ticket);
        match party.stage {
            Stage::Asking(progress) => report(&progress, Progress::Refused(error)),
            Stage::Holding(holding) => {
                holding.hold.end(ending.loss());
                answer(holding.ending, ending);
            }
            Stage::Cancelled => {}
        }
    }

    fn held(&mut self, lock: LockId) -> Option<&mut Holding> {
        match &mut self.locks.get_mut(&lock)?.stage {
            Stage::Holding(holding) => Some(holding),
            Stage::Asking(_) | Stage::Cancelled => None,
        }
    }
}

/// When the loop ends, for whatever reason, nobody renews the locks any more.
impl Drop for Desk {
    fn drop(&mut self) {
        for party in self.locks.values() {
            if let Stage::Holding(holding) = &party.stage {
                holding.hold.end(Loss::Closed);
            }
        }
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
    match &mut party.stage {
        Stage::Holding(holding) => Some((lock, holding)),
        Stage::Asking(_) | Stage::Cancelled => None,
    }
}

/// Whoever asked may have stopped listening; that is its right.
fn answer<T>(reply: oneshot::Sender<T>, told: T) {
    let _nobody_listens = reply.send(told).is_err();
}

fn report(progress: &mpsc::UnboundedSender<Progress>, told: Progress) {
    let _nobody_listens = progress.unbounded_send(told).is_err();
}
