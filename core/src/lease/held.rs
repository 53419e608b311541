//! A lock this client holds: until when, which numbers of ours may stand in the row, when to renew.
//!
//! A definite loss ends it at once; an unknown outcome neither ends nor extends it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::giving_back::GivingBack;
use super::trust::deadline;
use super::{answer, answer::Snapshot};
use crate::bugs::{Bug, made};
use crate::config::Timing;
use crate::context::Context;
use crate::error::{Failure, Standing};
use crate::event::{Event, Grant, Holder, LossCause};
use crate::identity::{Rvn, Token};
use crate::name::LockName;
use crate::output::{CommandId, LockId, Outcome};
use crate::request::Heartbeat;
use crate::statement::{Amend, Renewal, RenewalVerdict, Statement};
use crate::time::Instant;

/// How many locks go into one statement. Above it the server scans the table.
pub(crate) const BATCH: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Held {
    lock: LockId,
    holder: Holder,
    timing: Timing,
    keep_data: bool,
    /// The number that is known to stand in the row, unless one of `unknown` does.
    known: Rvn,
    unknown: Vec<Rvn>,
    /// When the last acknowledged grant or renewal was sent.
    sent: Instant,
    valid_until: Instant,
    next: Option<Instant>,
    /// When the caller asked for a heartbeat that has not been sent yet.
    asked_at: Option<Instant>,
    /// When a second heartbeat falls due though the first was not acknowledged.
    risk_at: Option<Instant>,
    on_its_way: Option<Sent>,
    change: Option<Change>,
    change_at: Instant,
    /// With how many others it may share a statement: halved when one fails.
    group: usize,
}

/// A renewal on its way, with the changes it makes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    command: CommandId,
    number: Rvn,
    at: Instant,
    change: Option<Change>,
}

/// What amendments have asked for and no answer has confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Change {
    timing: Option<Timing>,
    data: Option<Option<Arc<[u8]>>>,
}

impl Change {
    /// This change after an earlier one.
    fn after(self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else { return self };
        Self { timing: self.timing.or(earlier.timing), data: self.data.or(earlier.data) }
    }
}

/// A grant as the server answered it.
pub(crate) struct Granted {
    pub(crate) lock: LockId,
    pub(crate) number: Rvn,
    pub(crate) unknown: Vec<Rvn>,
    pub(crate) sent: Instant,
    pub(crate) timing: Timing,
    pub(crate) keep_data: bool,
    pub(crate) token: Token,
}

/// What becomes of a held lock.
pub(crate) enum Step {
    Stay(Held),
    GiveBack(GivingBack),
    /// Nothing of ours stands in the row.
    Gone,
}

impl Held {
    /// Believes in a grant, unless it came too late: then the caller must give it back.
    pub(crate) fn begin(
        granted: Granted,
        row: Snapshot,
        context: &mut Context<'_>,
    ) -> Result<Self, Granted> {
        let sent = if made(Bug::M01) { context.now } else { granted.sent };
        let lease = granted.timing.lease;
        let valid_until = match deadline(context.config.drift, sent, lease) {
            Some(valid_until) if context.now < valid_until || made(Bug::M12) => valid_until,
            Some(_) | None => return Err(granted),
        };
        let Granted { lock, number, unknown, timing, keep_data, token, .. } = granted;
        let unchanged_for = Duration::ZERO;
        let holder = Holder { owner: row.owner, token: Some(token), lease, unchanged_for };
        context.tell(Event::Acquired { lock, grant: Grant { token, data: row.data, valid_until } });
        let granted_at = context.now;
        let mut held = Self {
            lock,
            holder,
            timing,
            keep_data,
            known: number,
            unknown,
            sent,
            valid_until,
            next: None,
            asked_at: None,
            risk_at: None,
            on_its_way: None,
            change: None,
            change_at: granted_at,
            group: BATCH,
        };
        held.trust_since(sent);
        Ok(held)
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        let Self { sent, valid_until, change_at, next, asked_at, risk_at, on_its_way, .. } = self;
        [sent, valid_until, change_at].into_iter().for_each(&mut *change);
        [next, asked_at, risk_at].into_iter().flatten().for_each(&mut *change);
        on_its_way.iter_mut().for_each(|sent| change(&mut sent.at));
    }

    pub(crate) const fn lock(&self) -> LockId {
        self.lock
    }

    pub(crate) const fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Held while the clock reads less.
    pub(crate) fn valid_until(&self) -> Instant {
        if made(Bug::M16) {
            return Instant::MAX;
        }
        if made(Bug::M57) {
            return self.valid_until.saturating_add(Duration::from_nanos(1));
        }
        self.valid_until
    }

    pub(crate) const fn group(&self) -> usize {
        self.group
    }

    pub(crate) const fn timing(&self) -> &Timing {
        &self.timing
    }

    pub(crate) const fn renewal_due(&self) -> Option<Instant> {
        if self.on_its_way.is_some() { None } else { self.next }
    }

    pub(crate) fn work_due(&self) -> Option<Instant> {
        if self.on_its_way.is_some() || self.change.is_none() { None } else { Some(self.change_at) }
    }

    pub(crate) fn timer(&self) -> Instant {
        let end = if made(Bug::M16) { Instant::MAX } else { self.valid_until };
        self.risk_at.map_or(end, |risk| risk.min(end))
    }

    pub(crate) fn on_time(mut self, context: &mut Context<'_>) -> Step {
        if self.valid_until <= context.now && !made(Bug::M16) {
            return self.expire(context);
        }
        if self.risk_at.is_some_and(|risk| risk <= context.now) {
            self.risk_at = None;
            context.tell(Event::AtRisk { lock: self.lock, valid_until: self.valid_until });
        }
        Step::Stay(self)
    }

    /// The row is left alone until others may take it anyway: the work under the lock may need the rest
    /// of the lease, which its own clock trusts no longer, to stop.
    fn expire(self, context: &mut Context<'_>) -> Step {
        context.tell(Event::Lost { lock: self.lock, cause: LossCause::Expired });
        if made(Bug::M58) {
            context.tell(Event::Lost { lock: self.lock, cause: LossCause::Expired });
        }
        let lease_over = self.sent.saturating_add(self.timing.lease).max(context.now);
        Step::GiveBack(GivingBack::abandoned(self.numbers(), self.timing, lease_over))
    }

    /// Belief ends here, before anything is sent.
    pub(crate) fn release(self, now: Instant) -> GivingBack {
        let mine = self.numbers();
        let valid_until = self.valid_until;
        GivingBack::released(self.lock, mine, self.keep_data, valid_until, self.timing, now)
    }

    /// One that is on its way left too early to count.
    pub(crate) fn heartbeat(&mut self, now: Instant) {
        self.asked_at = Some(now);
        self.next = Some(now);
    }

    /// Merges an amendment into those that have not been sent yet. A shorter lease brings its quicker
    /// heartbeats at once, a longer one only when it stands in the row.
    pub(crate) fn amend(
        &mut self,
        lease: Option<Timing>,
        data: Option<Option<Arc<[u8]>>>,
        now: Instant,
    ) {
        if let Some(timing) = lease
            && timing.lease < self.timing.lease
        {
            self.timing = Timing { lease: self.timing.lease, ..timing };
            self.schedule();
        }
        self.change = Some(Change { timing: lease, data }.after(self.change.take()));
        self.change_at = now;
    }

    /// The renewal to send now, with a number that no row has shown yet.
    pub(crate) fn renewal(
        &mut self,
        name: &LockName,
        command: CommandId,
        context: &mut Context<'_>,
    ) -> Renewal {
        self.next = None;
        self.asked_at = None;
        let (mine, new) = self.draw(command, None, context);
        Renewal { name: name.clone(), mine, new }
    }

    /// The amendment to send now. If it may shorten the lease, the lock is valid no longer than the
    /// shorter one allows, from now on.
    pub(crate) fn statement(
        &mut self,
        name: &LockName,
        command: CommandId,
        context: &mut Context<'_>,
    ) -> Option<Statement> {
        let change = self.change.take()?;
        let lease = change.timing.map(|timing| timing.lease);
        if let Some(lease) = lease {
            self.lower(lease, context);
        }
        let data = change.data.clone();
        let (mine, new) = self.draw(command, Some(change), context);
        let lock_timeout = self.timing.lock_timeout;
        let name = name.clone();
        Some(Statement::Amend(Amend { name, mine, new, lease, data, lock_timeout }))
    }

    fn lower(&mut self, lease: Duration, context: &mut Context<'_>) {
        if made(Bug::M25) {
            return;
        }
        // A lease past the clock's end is longer than any that is believed in.
        let allowed = deadline(context.config.drift, context.now, lease);
        if let Some(allowed) = allowed.filter(|allowed| *allowed < self.valid_until) {
            self.valid_until = allowed;
            let (lock, sent) = (self.lock, self.sent);
            context.tell(Event::Renewed { lock, sent, valid_until: allowed });
        }
    }

    fn draw(
        &mut self,
        command: CommandId,
        change: Option<Change>,
        context: &mut Context<'_>,
    ) -> (Vec<Rvn>, Rvn) {
        let number = match self.unknown.last() {
            Some(used) if made(Bug::M61) => *used,
            Some(_) | None => context.numbers.draw(),
        };
        let mut mine = self.numbers();
        if !made(Bug::M62) {
            mine.push(number);
        }
        if made(Bug::M59) {
            let mut later = context.numbers.clone();
            mine.extend((0..8).map(|_| later.draw()));
        }
        self.unknown.push(number);
        self.on_its_way = Some(Sent { command, number, at: context.now, change });
        (mine, number)
    }

    fn numbers(&self) -> Vec<Rvn> {
        core::iter::once(self.known).chain(self.unknown.iter().copied()).collect()
    }

    pub(crate) fn awaits(&self, command: CommandId) -> bool {
        self.on_its_way.as_ref().is_some_and(|sent| sent.command == command)
    }

    /// The verdict on one renewal of a batch.
    pub(crate) fn handle_verdict(
        mut self,
        verdict: RenewalVerdict,
        lease: Option<Duration>,
        context: &mut Context<'_>,
    ) -> Step {
        let Some(sent) = self.on_its_way.take() else { return Step::Stay(self) };
        self.group = BATCH;
        match verdict {
            RenewalVerdict::Renewed => self.renewed(sent, lease, context),
            RenewalVerdict::RowLocked => self.retry(context),
            RenewalVerdict::Lost => self.taken(context),
        }
    }

    /// The statement that carried the renewal, with `companions` in all, has failed or was lost.
    pub(crate) fn handle_failure(
        mut self,
        outcome: &Outcome,
        companions: usize,
        context: &mut Context<'_>,
    ) -> Step {
        let Some(sent) = self.on_its_way.take() else { return Step::Stay(self) };
        if matches!(outcome, Outcome::Failed(_)) && !made(Bug::M67) {
            self.group = (companions / 2).max(1);
        }
        if made(Bug::M14) {
            return self.renewed(sent, None, context);
        }
        if made(Bug::M15) {
            return self.taken(context);
        }
        self.retry(context)
    }

    /// The outcome of an amendment.
    pub(crate) fn handle_outcome(mut self, outcome: Outcome, context: &mut Context<'_>) -> Step {
        let Some(sent) = self.on_its_way.take() else { return Step::Stay(self) };
        match outcome {
            Outcome::Rows(rows) => match answer::amended(&rows) {
                Ok(Some(lease)) => self.amended(sent, lease, context),
                Ok(None) => self.taken(context),
                Err(answer::Unreadable) => self.refused(Failure::Undecodable, context),
            },
            Outcome::Failed(error) if error.standing() == Standing::Refused => {
                self.refused(Failure::Server(error), context)
            }
            Outcome::Failed(_) | Outcome::Lost => self.change_later(sent.change, context),
        }
    }

    fn amended(mut self, sent: Sent, lease: Option<Duration>, context: &mut Context<'_>) -> Step {
        if let Some(timing) = sent.change.as_ref().and_then(|change| change.timing) {
            self.timing = timing;
        }
        let (lock, settled) = (self.lock, self.change.is_none());
        let step = self.renewed(sent, lease, context);
        if settled {
            context.tell(Event::Amended { lock });
        }
        step
    }

    fn change_later(mut self, change: Option<Change>, context: &mut Context<'_>) -> Step {
        let newer = self.change.take();
        self.change = newer.map_or(change.clone(), |newer| Some(newer.after(change)));
        self.change_at = context.after_spread(self.pause());
        self.beat_soon(context)
    }

    fn refused(mut self, failure: Failure, context: &mut Context<'_>) -> Step {
        self.change = None;
        context.tell(Event::AmendFailed { lock: self.lock, failure });
        self.beat_soon(context)
    }

    /// The lock is trusted again from the moment the renewal was sent, as far as the lease in the row
    /// allows; a renewal that would end at once, or past the clock's end, changes nothing.
    fn renewed(mut self, sent: Sent, lease: Option<Duration>, context: &mut Context<'_>) -> Step {
        self.known = sent.number;
        self.unknown.clear();
        let at = if made(Bug::M01) { context.now } else { sent.at };
        let lease = lease.unwrap_or(self.timing.lease);
        self.trust_since(at);
        if let Some(valid_until) = deadline(context.config.drift, at, lease)
            && (context.now < valid_until || made(Bug::M12))
        {
            self.valid_until = valid_until;
            context.tell(Event::Renewed { lock: self.lock, sent: at, valid_until });
        }
        Step::Stay(self)
    }

    fn taken(self, context: &mut Context<'_>) -> Step {
        if made(Bug::M13) {
            return self.retry(context);
        }
        context.tell(Event::Lost { lock: self.lock, cause: LossCause::TakenOver });
        Step::Gone
    }

    /// A grant or renewal that was sent then is acknowledged.
    fn trust_since(&mut self, sent: Instant) {
        self.sent = sent;
        self.risk_at = match self.timing.heartbeat {
            Heartbeat::Every(every) => Some(sent.saturating_add(every.saturating_mul(2))),
            Heartbeat::ByHand => None,
        };
        self.schedule();
    }

    /// Counted from the sending, so that heartbeats do not drift later and later.
    fn schedule(&mut self) {
        let next = match self.timing.heartbeat {
            Heartbeat::Every(every) => Some(self.sent.saturating_add(every)),
            Heartbeat::ByHand => None,
        };
        self.next = self.asked_at.or(next);
    }

    /// An amendment that did not come through has kept a heartbeat from leaving, which goes first now.
    fn beat_soon(mut self, context: &Context<'_>) -> Step {
        match self.timing.heartbeat {
            Heartbeat::Every(_) => self.next = Some(context.now),
            Heartbeat::ByHand => {}
        }
        Step::Stay(self)
    }

    fn retry(mut self, context: &mut Context<'_>) -> Step {
        self.next = Some(context.after_spread(self.pause()));
        Step::Stay(self)
    }

    /// How soon a renewal that failed is repeated.
    fn pause(&self) -> Duration {
        match self.timing.heartbeat {
            Heartbeat::Every(every) => every / 8,
            Heartbeat::ByHand => self.timing.lease / 32,
        }
    }
}
