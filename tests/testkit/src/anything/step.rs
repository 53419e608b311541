//! The steps of a driver that keeps to no rules, and how they are taken.

use std::time::Duration;

use pglock_core::{
    Acquire, AdvisoryRequest, Amendment, AskError, Content, Instant, LockId, LockName, Owner,
    Question, Request, Rvn, ServerError, SessionId, Statement,
};

use super::draw::{self, Reply};
use super::stranger::Stranger;
use super::{Door, Drive, Promise};
use crate::tape::Tape;

/// Numbers count back from the newest lock, command or session.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Acquire(Request),
    AcquireAdvisory(AdvisoryRequest),
    Release(usize),
    Cancel(usize),
    Heartbeat(usize),
    Amend(usize, Amendment),
    Ask(Question),
    Answer(usize, Reply),
    AnswerAgain(usize, Reply),
    /// Of any connection that was ever asked for.
    Connected(usize),
    Disconnected(usize, Option<ServerError>),
    /// Another client takes the row, if it is free or its holder's time is over.
    Rival(LockName, Duration),
    /// Somebody deletes the row.
    Delete(LockName),
    /// The server only reads, or writes again.
    ReadOnly(bool),
    /// The table is gone.
    DropTable,
    Stray(Stray),
    Pass(Duration),
    /// The clock reads so many nanoseconds less than it ever can.
    NearTheEnd(u64),
    /// By so many nanoseconds, until time passes again.
    TurnBack(u64),
    Door(Door),
    /// What the server has told, and perhaps something else, on any connection that was ever asked for.
    Notified(usize, Option<String>),
    ShutDown,
}

/// What this client has never heard of.
#[derive(Clone, Debug)]
pub(super) enum Stray {
    Lock,
    Session,
    Outcome(Reply),
}

impl Step {
    /// The next step, of which there is none once the bytes are used up.
    pub(super) fn draw(tape: &mut Tape) -> Option<Self> {
        let step = match tape.below(256) {
            0 => return None,
            1..=31 => Self::Acquire(draw::request(tape)?),
            32..=39 => Self::AcquireAdvisory(draw::advisory_request(tape)),
            40..=51 => Self::Release(tape.index(4)),
            52..=55 => Self::Cancel(tape.index(4)),
            56..=67 => Self::Heartbeat(tape.index(4)),
            68..=79 => Self::Amend(tape.index(4), draw::amendment(tape)),
            80..=87 => Self::Ask(draw::question(tape)?),
            88..=171 => Self::Answer(tape.index(4), draw::reply(tape)),
            172..=175 => Self::AnswerAgain(tape.index(8), draw::reply(tape)),
            176..=179 => Self::Connected(tape.index(8)),
            180..=184 => Self::Disconnected(tape.index(8), draw::perhaps(tape, draw::error)),
            185..=191 => Self::Rival(draw::name(tape)?, draw::span(tape)),
            192..=193 => Self::Delete(draw::name(tape)?),
            194..=195 => Self::ReadOnly(tape.below(2) == 1),
            196 => Self::DropTable,
            197..=202 => Self::Stray(match tape.below(3) {
                0 => Stray::Lock,
                1 => Stray::Session,
                _ => Stray::Outcome(draw::reply(tape)),
            }),
            203..=244 => Self::Pass(draw::pause(tape)),
            245 => Self::NearTheEnd(draw::nanos(tape)),
            246..=248 => Self::TurnBack(draw::nanos(tape)),
            249..=253 => Self::Door(tape.pick(&[Door::Open, Door::Open, Door::Shut, Door::Silent])),
            254 => Self::Notified(tape.index(8), draw::perhaps(tape, draw::text)),
            _ => Self::ShutDown,
        };
        Some(step)
    }
}

impl Drive {
    pub(super) fn take(&mut self, step: Step) -> Promise {
        let now = self.now;
        match step {
            Step::Acquire(request) => self.asked.extend(self.client.acquire(request, now)),
            Step::AcquireAdvisory(request) => {
                self.asked.extend(self.client.acquire_advisory(request, now));
            }
            Step::Release(n) => self.about(n, |drive, lock| drive.client.release(lock, now)),
            Step::Cancel(n) => self.about(n, |drive, lock| drive.client.cancel(lock, now)),
            Step::Heartbeat(n) => self.about(n, |drive, lock| drive.client.heartbeat(lock, now)),
            Step::Amend(n, amendment) => {
                self.about(n, |drive, lock| drive.client.amend(lock, amendment, now));
            }
            Step::Ask(question) => self.unanswered.extend(self.client.ask(question, now)),
            Step::Answer(n, reply) => self.answer(n, reply),
            Step::AnswerAgain(n, reply) => {
                if let Some(command) = self.answered.iter().rev().nth(n) {
                    let outcome = reply.to(command, &mut self.server);
                    self.client.handle_outcome(command.id(), outcome, now);
                }
            }
            Step::Connected(n) => {
                if let Some(session) = self.session(n) {
                    self.client.handle_connected(session, now);
                }
            }
            Step::Disconnected(n, error) => {
                if let Some(session) = self.session(n) {
                    self.client.handle_disconnected(session, error, now);
                }
            }
            Step::Rival(name, lease) => self.rival(name, lease),
            Step::Delete(name) => self.server.rows.delete(&name),
            Step::ReadOnly(read_only) => self.server.rows.set_read_only(read_only),
            Step::DropTable => {
                self.server.rows.execute(&Statement::DropTable);
            }
            Step::Stray(stray) => return self.stray(stray),
            Step::Pass(span) => self.now = self.latest.saturating_add(span),
            Step::NearTheEnd(left) => self.now = now.max(Instant::from_nanos(u64::MAX - left)),
            Step::TurnBack(by) => {
                self.now = Instant::from_nanos(now.as_nanos().saturating_sub(by));
            }
            Step::Door(door) => self.door = door,
            Step::Notified(n, other) => {
                if let Some(session) = self.session(n) {
                    for payload in self.server.rows.take_notifications().iter().chain(&other) {
                        self.client.handle_notification(session, payload, now);
                    }
                }
            }
            Step::ShutDown => self.client.shut_down(now),
        }
        Ok(())
    }

    /// Asks something of a lock, which may be over long since.
    fn about(&mut self, n: usize, ask: impl FnOnce(&mut Self, LockId) -> Result<(), AskError>) {
        if let Some(lock) = self.asked.iter().rev().nth(n).copied() {
            let _ = ask(self, lock);
        }
    }

    fn session(&self, n: usize) -> Option<SessionId> {
        self.sessions.iter().rev().nth(n).copied()
    }

    fn answer(&mut self, n: usize, reply: Reply) {
        if let Some(n) = n.checked_rem(self.open.len()) {
            let command = self.open.remove(n);
            let outcome = reply.to(&command, &mut self.server);
            self.client.handle_outcome(command.id(), outcome, self.now);
            self.answered.push(command);
        }
    }

    fn rival(&mut self, name: LockName, lease: Duration) {
        let number = i64::try_from(self.steps.len()).unwrap_or(0);
        let new = Rvn::new(Rvn::MARK + number);
        let acquire = Acquire {
            seen: self.server.rows.row(&name).and_then(|row| row.rvn),
            name,
            mine: vec![new],
            new,
            owner: Owner::default(),
            lease,
            content: Content::default(),
            lock_timeout: Duration::ZERO,
        };
        self.server.rows.execute(&Statement::Acquire(acquire));
    }

    /// Nothing of it may change anything but the count of what was ignored.
    fn stray(&mut self, stray: Stray) -> Promise {
        let Stranger { lock, command } = Stranger::met()?;
        let now = self.now;
        self.client.handle_timeout(now);
        let client = &mut self.client;
        let before = client.clone();
        match &stray {
            Stray::Lock => {
                let answers = [
                    client.release(*lock, now),
                    client.cancel(*lock, now),
                    client.heartbeat(*lock, now),
                    client.amend(*lock, Amendment::default(), now),
                ];
                if answers.iter().any(|answer| *answer != Err(AskError::NotHeld(*lock))) {
                    return Err(format!("a lock that it never asked for: {answers:?}"));
                }
            }
            Stray::Session => {
                client.handle_connected(command.session(), now);
                client.handle_disconnected(command.session(), None, now);
            }
            Stray::Outcome(reply) => {
                let outcome = reply.clone().to(command, &mut self.server.clone());
                client.handle_outcome(command.id(), outcome, now);
                let ignored =
                    client.counters().ignored_outcomes - before.counters().ignored_outcomes;
                return if ignored == 1 {
                    Ok(())
                } else {
                    Err(format!("{stray:?} is not ignored"))
                };
            }
        }
        if *client == before { Ok(()) } else { Err(format!("{stray:?} changes something")) }
    }
}
