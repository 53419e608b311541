//! What goes out, and who goes first: renewals, then rows, then questions; and when to wake up if nothing can go.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::Client;
use crate::bugs::{Bug, made};
use crate::flight::Cargo;
use crate::lease::held::BATCH;
use crate::lease::row::Row;
use crate::name::LockName;
use crate::output::{Command, CommandId, Output, Reason, SessionId, Wake};
use crate::request::Heartbeat;
use crate::session::Place;
use crate::statement::{Renew, Statement};
use crate::time::Instant;

impl Client {
    /// The renewals that are due, and those that soon will be, in one statement.
    pub(super) fn send_renewals(&mut self) -> Option<Output> {
        self.renewals.first().filter(|due| *due <= self.now)?;
        let place = if made(Bug::M68) {
            self.sessions.for_work(&self.config, self.now)
        } else {
            self.sessions.for_renewals(&self.config, self.now)
        };
        let session = match place {
            Place::Session(session) => session,
            elsewhere @ (Place::Connect(..) | Place::None) => return elsewhere.connect(),
        };
        let names = self.due_renewals();
        let command = self.flights.next();
        let mut reply_deadline = self.config.reply_deadline;
        let mut locks = Vec::with_capacity(names.len());
        for name in &names {
            self.with_row(name, |row, context| {
                let deadline = row.held().map(|held| held.timing().reply_deadline);
                reply_deadline = deadline.map_or(reply_deadline, |own| own.min(reply_deadline));
                locks.extend(row.renewal(command, context));
            });
        }
        let statement = Statement::Renew(Renew { locks });
        self.send(session, command, Cargo::Renewals(names), statement, reply_deadline)
    }

    /// Whose renewals go now: as many as may share a statement with the first. Locks of another
    /// reply deadline may not: one with a short lease would have a large batch given up too early.
    fn due_renewals(&mut self) -> Vec<LockName> {
        let mut names: Vec<LockName> = Vec::new();
        let mut aside: Vec<LockName> = Vec::new();
        let mut reply_deadline = None;
        let mut room = BATCH;
        let mut until = self.now;
        while let Some(name) = self.renewals.pop_due(until) {
            let Some(held) = self.rows.get(&name).and_then(Row::held) else { continue };
            let own_deadline = held.timing().reply_deadline;
            if *reply_deadline.get_or_insert(own_deadline) != own_deadline {
                aside.push(name);
                continue;
            }
            room = room.min(held.group());
            if names.len() >= room {
                aside.push(name);
                break;
            }
            if let (true, Heartbeat::Every(every)) = (names.is_empty(), held.timing().heartbeat) {
                until = self.now.saturating_add(every / 4);
            }
            names.push(name);
        }
        for name in aside {
            self.reschedule(&name);
        }
        names
    }

    /// What has been due for longer goes first.
    pub(super) fn send_row_or_question(&mut self) -> Option<Output> {
        match (self.next_work(), self.questions.next_ask()) {
            (Some(row), Some(question)) if question < row => {
                self.send_question().or_else(|| self.send_work())
            }
            _ => self.send_work().or_else(|| self.send_question()),
        }
    }

    fn next_work(&self) -> Option<Instant> {
        self.urgent.first().into_iter().chain(self.work.first()).min()
    }

    /// Releases and amendments go before acquires, which may have to wait for a locked row.
    fn send_work(&mut self) -> Option<Output> {
        self.next_work().filter(|due| *due <= self.now)?;
        let session = match self.sessions.for_work(&self.config, self.now) {
            Place::Session(session) => session,
            elsewhere @ (Place::Connect(..) | Place::None) => return elsewhere.connect(),
        };
        while let Some(name) = self.urgent.pop_due(self.now).or_else(|| self.work.pop_due(self.now))
        {
            let command = self.flights.next();
            let statement = self.with_row(&name, |row, context| row.statement(command, context));
            if let Some((statement, deadline)) = statement {
                return self.send(session, command, Cargo::Row(name), statement, deadline);
            }
        }
        None
    }

    fn send_question(&mut self) -> Option<Output> {
        self.questions.next_ask().filter(|due| *due <= self.now)?;
        let session = match self.sessions.for_work(&self.config, self.now) {
            Place::Session(session) => session,
            elsewhere @ (Place::Connect(..) | Place::None) => return elsewhere.connect(),
        };
        let (questions, context) = self.questions_and_context();
        let (id, statement, deadline) = questions.statement(&context)?;
        let command = self.flights.next();
        self.send(session, command, Cargo::Question(id), statement, deadline)
    }

    /// Has the server tell of releases once somebody waits for one.
    pub(super) fn send_listen(&mut self) -> Option<Output> {
        self.listen_due().filter(|due| *due <= self.now)?;
        let session = match self.sessions.for_hints(&self.config, self.now) {
            Place::Session(session) => session,
            Place::None => return None,
            elsewhere @ Place::Connect(..) => {
                self.rest_from_hints();
                return elsewhere.connect();
            }
        };
        self.hints.ask();
        let command = self.flights.next();
        let deadline = self.config.reply_deadline;
        self.send(session, command, Cargo::Listen(session), Statement::Listen, deadline)
    }

    fn listen_due(&self) -> Option<Instant> {
        let watches = !self.watched.is_empty() || self.advisory.common.watches();
        self.hints.due().filter(|_| watches && self.config.hints)
    }

    pub(super) fn send(
        &mut self,
        session: SessionId,
        id: CommandId,
        cargo: Cargo,
        statement: Statement,
        reply_deadline: Duration,
    ) -> Option<Output> {
        self.counters.commands += 1;
        self.flights.depart(id, cargo);
        self.sessions.sent(session, id, self.now.saturating_add(reply_deadline));
        let sql = Arc::clone(&self.sql);
        Some(Output::Execute(Command::new(id, session, statement, sql)))
    }

    /// Nothing can be done before the wake-up.
    pub(super) fn rest(&mut self) -> Output {
        if self.shutting_down && self.is_quiet() && !self.sessions.all_closed() {
            self.sessions.close_all();
            if let Some(session) = self.sessions.pop_closing() {
                return Output::Disconnect(session);
            }
        }
        let listen = self.listen_due();
        let wanted = [self.next_work(), self.renewals.first(), self.questions.next_ask(), listen]
            .into_iter()
            .flatten()
            .chain(self.advisory.work_due())
            .any(|due| due <= self.now);
        let advisory = self.advisory.work_due().filter(|due| *due > self.now).min();
        let candidates = [
            (self.renewals.first(), Reason::Renewal),
            (self.timers.first(), Reason::Lock),
            (self.urgent.first(), Reason::Lock),
            (self.work.first(), Reason::Lock),
            (advisory, Reason::Lock),
            (self.advisory.timer(&self.config), Reason::Lock),
            (self.sessions.due(wanted, self.now), Reason::Session),
            (listen, Reason::Session),
            (self.questions.next_ask(), Reason::Question),
            (self.questions.next_give_up(), Reason::Question),
        ];
        let wake = candidates
            .into_iter()
            .filter_map(|(at, reason)| {
                Some((at.filter(|at| *at > self.now && self.now < Instant::END)?, reason))
            })
            .min_by_key(|(at, _)| *at);
        Output::Wait(match wake {
            Some((at, reason)) => Wake { at: Some(at), reason },
            None => Wake { at: None, reason: Reason::Idle },
        })
    }
}
