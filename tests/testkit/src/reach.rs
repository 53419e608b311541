//! Which coincidences a statement, a reply or an event amounts to.

use pglock_core::{
    Acquire, Event, Failure, Instant, LossCause, Outcome, Renew, RenewalVerdict, Rvn, Statement,
    Value,
};

use crate::coincidence::Coincidence;
use crate::server::{Change, Record};
use crate::world::World;

impl World {
    pub(crate) fn meet(&mut self, coincidence: Coincidence) {
        self.reached.met(coincidence);
    }

    /// A statement was run.
    pub(crate) fn recognise_statement(
        &mut self,
        flight: usize,
        changes: &[Change],
        outcome: &Outcome,
        late: bool,
    ) {
        if late && !changes.is_empty() {
            self.reached.met(Coincidence::AppliedLate);
        }
        let since = |change: &Change| self.waiting_since(flight, self.index_of(&change.name)?);
        let waited = changes.first().and_then(since).is_some();
        let met = &mut self.reached;
        let before = changes.first().and_then(|change| change.before.as_ref());
        match (&self.flights[flight].statement, outcome) {
            (_, Outcome::Failed(error)) => match error.sqlstate.as_str() {
                "55P03" => met.met(Coincidence::LockTimedOut),
                "25006" => met.met(Coincidence::StandbyMet),
                _ => {}
            },
            (Statement::Acquire(acquire), Outcome::Rows(rows)) => {
                let values = rows.first().map_or(&[][..], |row| &row.0);
                let which = acquired(acquire, before, values);
                which.into_iter().for_each(|which| met.met(which));
                if let (true, Some(Coincidence::TookOver | Coincidence::TookOverFromGo)) =
                    (waited, which)
                {
                    met.met(Coincidence::TookOverPromptly);
                }
            }
            (Statement::Renew(renew), Outcome::Rows(rows)) => {
                let settled = |change: &&Change| has_settled(renew, change);
                changes
                    .iter()
                    .filter(settled)
                    .for_each(|_| met.met(Coincidence::LostRenewalSettled));
                let verdicts = rows.iter().filter_map(|row| row.0.get(1));
                verdicts.filter_map(verdict).for_each(|which| met.met(which));
            }
            (Statement::Release(_), Outcome::Rows(_)) => {
                let after = changes.first().and_then(|change| change.after.as_ref());
                let is_ticket = |row: Option<&Record>| row?.rvn.filter(|rvn| rvn.is_ticket());
                match (is_ticket(before), is_ticket(after)) {
                    (Some(own), other) if Some(own) != other => met.met(Coincidence::HandedOn),
                    (None, Some(_)) => met.met(Coincidence::HandedOver),
                    _ => {}
                }
            }
            (Statement::Amend(_), Outcome::Rows(_)) => {
                let after = changes.first().and_then(|change| change.after.as_ref());
                if let (Some(before), Some(after)) = (before, after)
                    && after.lease_ms < before.lease_ms
                {
                    met.met(Coincidence::LeaseShortened);
                }
            }
            _ => {}
        }
    }

    /// A reply has been handled on a connection that the client had not closed.
    pub(crate) fn recognise_reply(&mut self, flight: usize, reading: Instant) {
        let flight = &self.flights[flight];
        match (&flight.statement, &flight.outcome) {
            (Statement::Acquire(acquire), Some(Outcome::Rows(rows))) => {
                let granted = rows.first().and_then(|row| row.0.first());
                if granted != Some(&Value::Bool(true)) {
                    return;
                }
                let who = self.links[flight.link].who;
                let valid = self.plan.config.drift.validity(acquire.lease);
                let name = self.names.iter().position(|name| *name == acquire.name);
                let held = name.and_then(|name| self.oracle.lives.holding(who, name));
                if flight.left.saturating_add(valid) <= reading {
                    self.meet(Coincidence::GrantTooLate);
                } else if held.is_none() {
                    self.meet(Coincidence::GrantUnwanted);
                }
            }
            (Statement::Renew(renew), Some(Outcome::Failed(_))) if renew.locks.len() > 1 => {
                self.meet(Coincidence::BatchSplit);
            }
            _ => {}
        }
    }

    /// A caller is told something.
    pub(crate) fn recognise_event(&mut self, client: usize, event: &Event) {
        let which = match event {
            Event::Waiting { .. } => Coincidence::Waiting,
            Event::AtRisk { .. } => Coincidence::AtRisk,
            Event::Amended { .. } => Coincidence::Amended,
            Event::Released { confirmed: true, .. } => Coincidence::Released,
            Event::Released { confirmed: false, .. } => Coincidence::ReleasedUnconfirmed,
            Event::Lost { cause: LossCause::TakenOver, .. } => Coincidence::LostTakenOver,
            Event::Lost { .. } => {
                if self.processes[client].paused_until == self.now {
                    self.meet(Coincidence::PausedAcrossDeadline);
                }
                Coincidence::LostExpired
            }
            Event::Busy { .. } => Coincidence::Busy,
            Event::TimedOut { .. } => Coincidence::TimedOut,
            Event::Cancelled { .. } => Coincidence::Cancelled,
            Event::Failed { failure, .. } => match failure {
                Failure::RowLocked => Coincidence::FailedRowLocked,
                Failure::Unreachable(_) => Coincidence::FailedUnreachable,
                Failure::ClockExhausted => Coincidence::FailedClockExhausted,
                Failure::Server(_) | Failure::Undecodable | _ => Coincidence::FailedByServer,
            },
            Event::Acquired { .. }
            | Event::Renewed { .. }
            | Event::AmendFailed { .. }
            | Event::Answered { .. }
            | _ => return,
        };
        self.meet(which);
    }

    /// Whether a client holds some lock.
    pub(crate) fn holds_any(&self, who: usize) -> bool {
        (0..self.names.len()).any(|name| self.oracle.lives.holding(who, name).is_some())
    }
}

fn acquired(acquire: &Acquire, before: Option<&Record>, values: &[Value]) -> Option<Coincidence> {
    match values {
        [Value::Bool(true), ..] => match before?.rvn {
            None => Some(Coincidence::Granted),
            Some(rvn) if rvn == acquire.new => None,
            Some(rvn) if rvn.is_ticket() && Some(rvn) != acquire.seen => {
                Some(Coincidence::CameForIt)
            }
            Some(rvn) if rvn.is_ticket() => Some(Coincidence::NobodyCame),
            Some(rvn) if Some(rvn) != acquire.seen => Some(Coincidence::LostGrantSettled),
            Some(rvn) if rvn.is_marked() => Some(Coincidence::TookOver),
            Some(_) => Some(Coincidence::TookOverFromGo),
        },
        [_, Value::Int8(number), ..] if Rvn::new(*number).is_marked() => Some(Coincidence::Refused),
        [_, Value::Int8(_), ..] => Some(Coincidence::RefusedByGo),
        _ => None,
    }
}

/// Whether the row showed a number whose fate the client did not know.
fn has_settled(renew: &Renew, change: &Change) -> bool {
    let before = change.before.as_ref().and_then(|row| row.rvn);
    let renewal = renew.locks.iter().find(|renewal| renewal.name == change.name);
    renewal.is_some_and(|renewal| {
        before != renewal.mine.first().copied() && before != Some(renewal.new)
    })
}

fn verdict(value: &Value) -> Option<Coincidence> {
    let Value::Text(text) = value else { return None };
    if text == RenewalVerdict::RowLocked.as_str() {
        Some(Coincidence::RowSkipped)
    } else if text == RenewalVerdict::Lost.as_str() {
        Some(Coincidence::LossLearned)
    } else {
        None
    }
}
