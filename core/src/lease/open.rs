//! A row that is not ours as far as we know: what to ask of it, and what its answers mean.
//!
//! An acquire whose outcome is unknown leaves its number behind; the next one accepts it, so that
//! what was granted unknowingly is found. So does a ticket that waits in the row's line: who accepts it has the
//! lock when it is handed over.

use alloc::vec::Vec;
use core::mem;

use super::answer::{self, Line, Snapshot};
use super::giving_back::GivingBack;
use super::held::Granted;
use super::sighting::Sighting;
use super::waiter::Waiter;
use crate::bugs::{Bug, made};
use crate::config::Timing;
use crate::context::Context;
use crate::identity::Rvn;
use crate::name::LockName;
use crate::output::{CommandId, LockId};
use crate::statement::{Acquire, Content, LineUp, Look, Statement};
use crate::time::Instant;
use crate::value::Row;

/// How many numbers of unknown outcome are kept; forgetting one costs a wait, never safety.
const REMEMBERED: usize = 32;

/// How often a row that moves is asked again without a pause.
const AT_ONCE: u32 = 3;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Open {
    /// Numbers of ours that may stand in the row, or may be written yet.
    mine: Vec<Rvn>,
    /// The spans of the last acquire.
    timing: Option<Timing>,
    on_its_way: Option<Sent>,
    next: Instant,
    failures: u32,
    moves: u32,
    /// Who waits in line, as last seen.
    line: Line,
    /// The lock may have been handed over to us since it was asked for.
    hinted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    command: CommandId,
    at: Instant,
    asked: Asked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Asked {
    Look,
    LineUp {
        ticket: Rvn,
    },
    Acquire {
        on_behalf_of: LockId,
        number: Rvn,
        seen: Option<Rvn>,
        timing: Timing,
        keep_data: bool,
    },
}

/// What a reply means.
pub(crate) enum Meaning {
    /// The lock is ours.
    Granted(Granted, Snapshot),
    /// Somebody else holds it.
    HeldBy(Rvn, Snapshot),
    /// It moved while we looked, or is free: to be asked again at once.
    Moved,
    /// The reply cannot be read; what it was to tell is unknown.
    Unreadable,
}

/// A reply, with when it was asked for, and whether that was to line up.
pub(crate) struct Reply {
    pub(crate) asked_at: Instant,
    pub(crate) lined_up: bool,
    pub(crate) meaning: Meaning,
}

impl Open {
    /// A row without a number of ours, to be asked from `next` on.
    pub(crate) const fn at(next: Instant) -> Self {
        Self {
            mine: Vec::new(),
            timing: None,
            on_its_way: None,
            next,
            failures: 0,
            moves: 0,
            line: Line::Empty,
            hinted: false,
        }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        change(&mut self.next);
        self.on_its_way.iter_mut().for_each(|sent| change(&mut sent.at));
    }

    pub(crate) const fn is_on_its_way(&self) -> bool {
        self.on_its_way.is_some()
    }

    pub(crate) fn awaits(&self, command: CommandId) -> bool {
        self.on_its_way.as_ref().is_some_and(|sent| sent.command == command)
    }

    /// Gives back what may be ours though nobody asks for it any more.
    pub(crate) fn give_back(&mut self, now: Instant) -> Option<GivingBack> {
        if made(Bug::StaysInLine) {
            self.mine.retain(|mine| !mine.is_ticket());
        }
        let timing = self.timing.filter(|_| !self.mine.is_empty() && !made(Bug::M60))?;
        Some(GivingBack::abandoned(mem::take(&mut self.mine), timing, now))
    }

    pub(crate) const fn work_due(&self) -> Option<Instant> {
        if self.on_its_way.is_some() { None } else { Some(self.next) }
    }

    /// Whom the acquire on its way is for.
    pub(crate) fn on_behalf_of(&self) -> Option<LockId> {
        match self.on_its_way.as_ref()?.asked {
            Asked::Look | Asked::LineUp { .. } => None,
            Asked::Acquire { on_behalf_of, .. } => Some(on_behalf_of),
        }
    }

    /// Looks at a row whose holder may still be alive, or lines up there; otherwise asks for the lock.
    pub(crate) fn statement(
        &mut self,
        name: &LockName,
        head: &mut Waiter,
        sighting: Option<&Sighting>,
        command: CommandId,
        context: &mut Context<'_>,
    ) -> Statement {
        let dead = |sighting: &Sighting| {
            let dead_at = sighting.dead_at(head.timing.lease, context.config);
            dead_at.is_some_and(|dead_at| dead_at <= context.now)
        };
        let (seen, watched) = match sighting {
            Some(sighting) if dead(sighting) => (Some(sighting.rvn), None),
            sighting => (None, sighting),
        };
        let first = !mem::replace(&mut head.asked, true);
        let (asked, statement) = match watched.filter(|_| !first && !self.hinted) {
            Some(sighting) if self.may_line_up(head, sighting, context) => {
                self.line_up(name, head, context)
            }
            Some(_) => self.look(name),
            None => self.acquire(name, head, seen, context),
        };
        self.on_its_way = Some(Sent { command, at: context.now, asked });
        statement
    }

    fn acquire(
        &mut self,
        name: &LockName,
        head: &Waiter,
        seen: Option<Rvn>,
        context: &mut Context<'_>,
    ) -> (Asked, Statement) {
        self.hinted = false;
        let number = context.numbers.draw();
        self.remember(number);
        self.timing = Some(head.timing);
        let request = &head.request;
        let timing = head.timing;
        let statement = Statement::Acquire(Acquire {
            name: name.clone(),
            seen,
            mine: self.mine.clone(),
            new: number,
            owner: request.owner.clone().unwrap_or_else(|| context.config.owner.clone()),
            lease: timing.lease,
            content: Content { data: request.data.clone(), replace: request.replace_data },
            lock_timeout: timing.lock_timeout,
        });
        let keep_data = request.keep_data;
        (Asked::Acquire { on_behalf_of: head.lock, number, seen, timing, keep_data }, statement)
    }

    /// Whether to wait in line: where the release will be heard of, or somebody else waits there, who would always be
    /// served first.
    pub(crate) fn may_line_up(
        &self,
        head: &Waiter,
        sighting: &Sighting,
        context: &Context<'_>,
    ) -> bool {
        let helps = match self.line {
            Line::Empty => context.hears,
            Line::OfOthers => true,
            Line::Ours => false,
        };
        helps && head.waits_its_turn() && sighting.has_line()
    }

    fn line_up(
        &mut self,
        name: &LockName,
        head: &Waiter,
        context: &mut Context<'_>,
    ) -> (Asked, Statement) {
        let ticket = match self.mine.iter().rfind(|mine| mine.is_ticket()) {
            Some(used) if made(Bug::OldTicket) => *used,
            Some(_) | None => context.numbers.draw_ticket(),
        };
        self.remember(ticket);
        let (name, mine, lock_timeout) =
            (name.clone(), self.mine.clone(), head.timing.lock_timeout);
        let line_up = LineUp { name, mine, ticket, lock_timeout };
        (Asked::LineUp { ticket }, Statement::LineUp(line_up))
    }

    fn look(&self, name: &LockName) -> (Asked, Statement) {
        let look = Look { name: name.clone(), mine: self.mine.clone() };
        (Asked::Look, Statement::Look(look))
    }

    pub(crate) const fn waits_in_line(&self) -> bool {
        matches!(self.line, Line::Ours)
    }

    fn remember(&mut self, number: Rvn) {
        if self.mine.len() == REMEMBERED {
            self.mine.remove(0);
        }
        self.mine.push(number);
    }

    /// The statement on its way has no answer: it may have been applied, or may be yet.
    pub(crate) fn no_answer(&mut self) {
        self.on_its_way = None;
    }

    /// The statement on its way was not applied.
    pub(crate) fn not_applied(&mut self) {
        match self.on_its_way.take().map(|sent| sent.asked) {
            Some(Asked::Acquire { number, .. } | Asked::LineUp { ticket: number }) => {
                self.forget(number);
            }
            Some(Asked::Look) | None => {}
        }
    }

    fn forget(&mut self, number: Rvn) {
        self.mine.retain(|mine| *mine != number);
    }

    /// Asks again after a pause that grows.
    pub(crate) fn pause(&mut self, context: &mut Context<'_>) {
        self.failures = self.failures.saturating_add(1);
        self.next = context.after_pause(self.failures);
    }

    /// Asks again at `moment`.
    pub(crate) const fn ask_at(&mut self, moment: Instant) {
        self.next = moment;
    }

    /// Asks again at once; after some times in a row, with the pauses of a poll.
    pub(crate) fn ask_again(&mut self, context: &mut Context<'_>) {
        self.moves = self.moves.saturating_add(1);
        self.next = if self.moves <= AT_ONCE {
            context.now
        } else {
            context.after_spread(context.config.look_every())
        };
    }

    /// The row stays as it is: asks again within a poll, and at once when the holder would be dead.
    pub(crate) fn watch(&mut self, dead_at: Option<Instant>, context: &mut Context<'_>) {
        self.moves = 0;
        self.failures = 0;
        let polls = if made(Bug::TwoPolls) { 3 } else { 1 };
        let poll = context.after_spread(context.config.look_every().saturating_mul(polls));
        let next = dead_at.map_or(poll, |dead_at| dead_at.min(poll));
        self.next = if self.hinted { context.now } else { next };
    }

    /// The lock has been handed over to whoever drew the ticket.
    pub(crate) fn hint(&mut self, ticket: Rvn, now: Instant) {
        if self.mine.contains(&ticket) {
            self.line = Line::Empty;
            self.hinted = true;
            self.next = now;
        }
    }

    /// Reads the rows that the statement on its way has answered.
    pub(crate) fn read(&mut self, rows: Vec<Row>) -> Option<Reply> {
        let Sent { at, asked, .. } = self.on_its_way.take()?;
        let lined_up = matches!(asked, Asked::LineUp { .. });
        let meaning = match asked {
            Asked::Look => self.looked(rows, None),
            Asked::LineUp { ticket } => self.looked(rows, Some(ticket)),
            Asked::Acquire { on_behalf_of, number, seen, timing, keep_data } => {
                match answer::grant(rows) {
                    Ok(Some((true, row))) => {
                        self.granted(on_behalf_of, number, timing, keep_data, at, row)
                    }
                    Ok(answer) => {
                        self.forget(number);
                        self.seen(answer.map(|(_, row)| row), seen)
                    }
                    Err(answer::Unreadable) => Meaning::Unreadable,
                }
            }
        };
        Some(Reply { asked_at: at, lined_up, meaning })
    }

    /// A look, or lining up with this ticket.
    fn looked(&mut self, rows: Vec<Row>, ticket: Option<Rvn>) -> Meaning {
        let (row, line) = match answer::look(rows) {
            Ok(Some((row, line))) => (Some(row), line),
            Ok(None) => (None, Line::Empty),
            Err(answer::Unreadable) => return Meaning::Unreadable,
        };
        self.line = line;
        let number = row.as_ref().and_then(|row| row.rvn);
        if let Some(ticket) = ticket.filter(|_| line != Line::Ours && number != ticket) {
            self.forget(ticket);
        }
        self.seen(row, None)
    }

    fn granted(
        &mut self,
        lock: LockId,
        number: Rvn,
        timing: Timing,
        keep_data: bool,
        sent: Instant,
        row: Snapshot,
    ) -> Meaning {
        let Some(token) = row.token else { return Meaning::Unreadable };
        self.forget(number);
        let mut unknown = mem::take(&mut self.mine);
        unknown.retain(|number| !number.is_ticket());
        Meaning::Granted(Granted { lock, number, unknown, sent, timing, keep_data, token }, row)
    }

    /// A refusal, or a look. A row that fits the predicate of the statement itself has moved; a ticket of ours that
    /// stands in it has left the line.
    fn seen(&mut self, row: Option<Snapshot>, seen: Option<Rvn>) -> Meaning {
        let Some(row) = row else { return Meaning::Moved };
        match row.rvn {
            Some(rvn) if self.mine.contains(&rvn) => {
                self.line = Line::Empty;
                Meaning::Moved
            }
            Some(rvn) if Some(rvn) != seen => Meaning::HeldBy(rvn, row),
            Some(_) | None => Meaning::Moved,
        }
    }
}
