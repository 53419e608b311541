//! Advisory locks as a part of the client: they share its clock, its connections and its commands' numbers.

use core::time::Duration;

use super::Client;
use crate::advisory::family::Family;
use crate::advisory::locks::Fate;
use crate::advisory::{Advisory, AdvisoryPlace, AdvisoryRequest, Call};
use crate::context::Context;
use crate::error::Failure;
use crate::event::LossCause;
use crate::flight::Cargo;
use crate::output::{LockId, Outcome, Output, SessionId};
use crate::request::AskError;
use crate::session::Place;
use crate::statement::Statement;
use crate::time::Instant;

impl Client {
    /// Asks for an advisory lock. What comes of it is told by events with the returned id;
    /// [`Client::release`] gives it back.
    ///
    /// # Errors
    /// When the name clashes with another, an owner that shares the lock would wait to have it alone, there are too
    /// many locks, the client is shutting down, or the clock is near its end.
    pub fn acquire_advisory(
        &mut self,
        request: AdvisoryRequest,
        now: Instant,
    ) -> Result<LockId, AskError> {
        self.advance(now);
        if self.shutting_down {
            return Err(AskError::ShuttingDown);
        }
        if self.now.checked_add(self.config.silence).is_none() {
            return Err(AskError::ClockExhausted);
        }
        let lock = LockId::new(self.next_lock);
        let (advisory, mut context) = self.advisory_and_context();
        advisory.acquire(lock, request, &mut context)?;
        self.next_lock += 1;
        Ok(lock)
    }

    /// The advisory locks held, by place.
    pub fn held_advisory(&self) -> impl Iterator<Item = (AdvisoryPlace, LockId)> {
        self.advisory.held()
    }

    /// What the sessions of the advisory locks are to do.
    pub(super) fn send_advisory(&mut self) -> Option<Output> {
        self.send_common().or_else(|| {
            let due = self.advisory.lines_due(self.now);
            due.into_iter().find_map(|place| self.send_in_line(place))
        })
    }

    fn send_common(&mut self) -> Option<Output> {
        self.advisory.common.work_due().filter(|due| *due <= self.now)?;
        let session = match self.sessions.for_advisory(&self.config, self.now) {
            Place::Session(session) => session,
            elsewhere @ (Place::Connect(..) | Place::None) => return elsewhere.connect(),
        };
        let (advisory, mut context) = self.advisory_and_context();
        let statement = advisory.common.statement(session, &mut context)?;
        self.send_statement(session, statement)
    }

    fn send_in_line(&mut self, place: AdvisoryPlace) -> Option<Output> {
        let line = self.advisory.line_mut(place)?;
        let session = match self.sessions.for_line(&mut line.session, &self.config, self.now) {
            Place::Session(session) => session,
            elsewhere @ (Place::Connect(..) | Place::None) => return elsewhere.connect(),
        };
        let (advisory, mut context) = self.advisory_and_context();
        let statement = advisory.line_mut(place)?.locks.statement(session, &mut context)?;
        self.send_statement(session, statement)
    }

    fn send_statement(&mut self, session: SessionId, statement: Advisory) -> Option<Output> {
        let command = self.flights.next();
        let deadline = self.reply_deadline_of(statement.call);
        let cargo = Cargo::Advisory(session, statement.call);
        self.send(session, command, cargo, Statement::Advisory(statement), deadline)
    }

    /// Whoever waits on the server answers later.
    fn reply_deadline_of(&self, call: Call) -> Duration {
        let usual = self.config.reply_deadline.min(self.config.silence / 3);
        usual.saturating_add(call.slice().unwrap_or_default())
    }

    /// Closes the sessions of those who waited in line and need them no more.
    pub(super) fn close_idle_lines(&mut self) {
        for session in self.advisory.leave_lines() {
            if let Some(command) = self.sessions.close_line(session) {
                self.flights.land(command);
            }
        }
    }

    pub(super) fn deliver_advisory(&mut self, session: SessionId, call: Call, outcome: Outcome) {
        let (advisory, mut context) = self.advisory_and_context();
        match advisory.handle_outcome(session, call, outcome, &mut context) {
            Fate::Keep => {}
            Fate::GiveUp(cause) => {
                self.lose_advisory(session, cause);
                self.give_up(session);
            }
        }
    }

    /// A session is gone, whatever it carried.
    pub(super) fn lose_advisory(&mut self, session: SessionId, cause: LossCause) {
        let (advisory, mut context) = self.advisory_and_context();
        advisory.lost(session, cause, &mut context);
    }

    /// Time alone changes something.
    pub(super) fn advance_advisory(&mut self) {
        let (advisory, mut context) = self.advisory_and_context();
        if let Some(silent) = advisory.on_time(&mut context) {
            self.give_up(silent);
            self.advance_advisory();
        }
    }

    /// The clock is at its end: nobody waits any more, not even for the answer to a release.
    pub(super) fn end_advisory(&mut self) {
        let (advisory, mut context) = self.advisory_and_context();
        advisory.fail_waiters(&Failure::ClockExhausted, &mut context);
        for session in advisory.sessions() {
            self.give_up(session);
        }
    }

    pub(super) const fn advisory_and_context(&mut self) -> (&mut Family, Context<'_>) {
        let context = context!(self);
        (&mut self.advisory, context)
    }
}
