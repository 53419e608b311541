//! What the answers to an acquire or a look mean to those who wait.

use alloc::vec::Vec;

use super::{Row, Stage};
use crate::bugs::{Bug, made};
use crate::context::Context;
use crate::error::{Failure, ServerError, Standing};
use crate::event::Event;
use crate::lease::answer::Snapshot;
use crate::lease::giving_back::GivingBack;
use crate::lease::held::{Granted, Held};
use crate::lease::open::{Meaning, Open};
use crate::lease::sighting::Sighting;
use crate::lease::waiter::Waiter;
use crate::output::Outcome;
use crate::request::Wait;
use crate::time::Instant;
use crate::value;

impl Row {
    /// The row was asked for the lock, or looked at.
    pub(super) fn answered(
        &mut self,
        mut open: Open,
        outcome: Outcome,
        context: &mut Context<'_>,
    ) -> Stage {
        match outcome {
            Outcome::Rows(rows) => self.answered_rows(open, rows, context),
            Outcome::Lost => {
                open.no_answer();
                open.pause(context);
                self.open_or_give_back(open, context.now)
            }
            Outcome::Failed(error) => self.answered_error(open, &error, context),
        }
    }

    fn answered_rows(
        &mut self,
        mut open: Open,
        rows: Vec<value::Row>,
        context: &mut Context<'_>,
    ) -> Stage {
        let Some(reply) = open.read(rows) else { return Stage::Open(open) };
        match reply.meaning {
            Meaning::Granted(granted, row) => return self.granted(granted, row, context),
            Meaning::HeldBy(rvn, row) => {
                let noted_at = if made(Bug::M06) { reply.asked_at } else { context.now };
                let sighting = Sighting::note(self.sighting.take(), rvn, row, noted_at);
                self.show(&sighting, reply.asked_at, context);
                self.watch(&mut open, &sighting, reply.lined_up, context);
                self.sighting = Some(sighting);
            }
            Meaning::Moved => {
                self.sighting = None;
                open.ask_again(context);
            }
            Meaning::Unreadable => {
                self.fail_head(Failure::Undecodable, context);
                open.pause(context);
            }
        }
        self.open_or_give_back(open, context.now)
    }

    /// The row is to be asked again: at once if somebody may line up there who has not just tried to, or needs an
    /// answer now.
    fn watch(
        &self,
        open: &mut Open,
        sighting: &Sighting,
        has_tried: bool,
        context: &mut Context<'_>,
    ) {
        let head = self.waiters.front();
        let own = head.map_or(context.config.lease, |head| head.timing.lease);
        open.watch(sighting.dead_at(own, context.config), context);
        if made(Bug::M41) && open.waits_in_line() {
            open.ask_at(Instant::END);
        }
        let lines_up =
            head.is_some_and(|head| !has_tried && open.may_line_up(head, sighting, context));
        if lines_up || self.waiters.iter().any(Waiter::wants_an_answer_now) {
            open.ask_at(context.now);
        }
    }

    fn answered_error(
        &mut self,
        mut open: Open,
        error: &ServerError,
        context: &mut Context<'_>,
    ) -> Stage {
        let asked_for = open.on_behalf_of();
        if error.standing() == Standing::Unknown {
            open.no_answer();
        } else {
            open.not_applied();
        }
        open.pause(context);
        self.note_trouble(error);
        let head = self.waiters.front().filter(|head| asked_for.is_none_or(|id| id == head.lock));
        let failure = head.and_then(|head| match error.standing() {
            Standing::Refused => Some(Failure::Server(error.clone())),
            Standing::SessionUnfit if error.is_standby() && !head.answered => {
                Some(Failure::Server(error.clone()))
            }
            Standing::RowLocked if head.request.wait == Wait::Try => Some(Failure::RowLocked),
            Standing::RowLocked
            | Standing::SessionUnfit
            | Standing::Passing
            | Standing::Unknown => None,
        });
        if let Some(failure) = failure {
            self.fail_head(failure, context);
        }
        self.open_or_give_back(open, context.now)
    }

    /// A grant is believed if it came in time and whoever it is for still waits, first of all.
    fn granted(&mut self, granted: Granted, row: Snapshot, context: &mut Context<'_>) -> Stage {
        self.sighting = None;
        let wanted = self.waiters.front().is_some_and(|head| head.lock == granted.lock);
        let believed = if wanted { Held::begin(granted, row, context) } else { Err(granted) };
        match believed {
            Ok(held) => {
                self.waiters.pop_front();
                let holder = held.holder().clone();
                self.end_waiters(context, |waiter, _| waiter.see_own(Some(&holder)));
                Stage::Held(held)
            }
            Err(Granted { number, mut unknown, timing, .. }) => {
                unknown.push(number);
                if wanted && context.now.checked_add(timing.lease).is_none() {
                    self.fail_head(Failure::ClockExhausted, context);
                }
                if made(Bug::M60) {
                    return Stage::Open(Open::at(context.now));
                }
                Stage::GivingBack(GivingBack::abandoned(unknown, timing, context.now))
            }
        }
    }

    /// Shows a foreign holder to whoever waited already when the row was asked.
    fn show(&mut self, sighting: &Sighting, asked_at: Instant, context: &mut Context<'_>) {
        self.end_waiters(context, |waiter, context| {
            if waiter.since <= asked_at { waiter.see(sighting, context) } else { None }
        });
    }

    pub(super) fn end_waiters(
        &mut self,
        context: &mut Context<'_>,
        mut end: impl FnMut(&mut Waiter, &mut Context<'_>) -> Option<Event>,
    ) {
        self.waiters.retain_mut(|waiter| match end(waiter, context) {
            Some(event) => {
                context.tell(event);
                false
            }
            None => true,
        });
    }

    fn fail_head(&mut self, failure: Failure, context: &mut Context<'_>) {
        if let Some(head) = self.waiters.pop_front() {
            context.tell(if made(Bug::M54) && head.request.wait == Wait::Try {
                head.taken_for_busy()
            } else {
                Event::Failed { lock: head.lock, failure }
            });
        }
    }
}
