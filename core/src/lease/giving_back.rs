//! A lock on its way back: the row is asked to be freed until the server has said what stands in it.
//!
//! Used for releases, for what an abandoned acquire may have got, and for an expired lock once
//! its lease has passed. Whoever waits is told as soon as the answer is known, or the lock would have
//! expired; cleaning up goes on in silence.

use alloc::vec::Vec;

use super::answer;
use crate::bugs::{Bug, made};
use crate::config::Timing;
use crate::context::Context;
use crate::error::{Failure, Standing};
use crate::event::{Event, LossCause};
use crate::identity::Rvn;
use crate::name::LockName;
use crate::output::{CommandId, LockId, Outcome};
use crate::statement::{Release, Statement};
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GivingBack {
    mine: Vec<Rvn>,
    keep_data: bool,
    timing: Timing,
    /// Who waits to hear of it, and until when its lock would have been valid.
    tell: Option<(LockId, Instant)>,
    on_its_way: Option<CommandId>,
    /// Whether an earlier transmission may have been applied.
    unsure: bool,
    next: Instant,
    failures: u32,
    /// When others have had the time to take the row over anyway.
    pointless_at: Instant,
}

/// What became of it.
pub(crate) enum Step {
    /// Not settled yet.
    Stay(GivingBack),
    /// Nothing of ours stands in the row.
    Done,
}

impl GivingBack {
    /// Gives back a lock that somebody released.
    pub(crate) fn released(
        lock: LockId,
        mine: Vec<Rvn>,
        keep_data: bool,
        valid_until: Instant,
        timing: Timing,
        now: Instant,
    ) -> Self {
        let tell = Some((lock, valid_until));
        Self { tell, keep_data, ..Self::abandoned(mine, timing, now) }
    }

    /// Gives back in silence, from `next` on, whatever stands in the row of ours.
    pub(crate) fn abandoned(mine: Vec<Rvn>, timing: Timing, next: Instant) -> Self {
        Self {
            mine,
            keep_data: true,
            timing,
            tell: None,
            on_its_way: None,
            unsure: false,
            next,
            failures: 0,
            pointless_at: next.saturating_add(timing.lease).saturating_add(timing.lease),
        }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        change(&mut self.next);
        change(&mut self.pointless_at);
        self.tell.iter_mut().for_each(|(_, valid_until)| change(valid_until));
    }

    /// Does not go on for longer than the client's patience.
    pub(crate) fn hurry(&mut self, context: &Context<'_>) {
        let soon = context.now.saturating_add(context.config.patience);
        self.pointless_at = self.pointless_at.min(soon);
    }

    /// Does not wait for the lease to be over.
    pub(crate) fn start(&mut self, now: Instant) {
        self.next = self.next.min(now);
    }

    /// Whether an expired lock is left alone until its lease is over.
    pub(crate) fn is_resting(&self, now: Instant) -> bool {
        self.on_its_way.is_none() && self.failures == 0 && self.next > now
    }

    pub(crate) fn work_due(&self) -> Option<Instant> {
        if self.on_its_way.is_some() { None } else { Some(self.next) }
    }

    pub(crate) fn timer(&self) -> Instant {
        self.tell.map_or(self.pointless_at, |(_, valid_until)| valid_until.min(self.pointless_at))
    }

    /// Until when the deliberate bug believes in the lock.
    pub(crate) fn wrongly_believed(&self, lock: LockId) -> Option<Instant> {
        self.tell.filter(|(told, _)| made(Bug::M17) && *told == lock).map(|(_, until)| until)
    }

    pub(crate) fn on_time(mut self, context: &mut Context<'_>) -> Step {
        if let Some((lock, valid_until)) = self.tell
            && valid_until.min(self.pointless_at) <= context.now
        {
            context.tell(Event::Released { lock, confirmed: false });
            self.tell = None;
        }
        if self.pointless_at <= context.now { Step::Done } else { Step::Stay(self) }
    }

    pub(crate) fn statement(&mut self, name: &LockName, command: CommandId) -> Statement {
        self.on_its_way = Some(command);
        Statement::Release(Release {
            name: name.clone(),
            mine: self.mine.clone(),
            keep_data: self.keep_data,
            lock_timeout: self.timing.lock_timeout,
        })
    }

    pub(crate) const fn reply_deadline(&self) -> core::time::Duration {
        self.timing.reply_deadline
    }

    pub(crate) fn awaits(&self, command: CommandId) -> bool {
        self.on_its_way == Some(command)
    }

    pub(crate) fn handle_outcome(mut self, outcome: Outcome, context: &mut Context<'_>) -> Step {
        self.on_its_way = None;
        match outcome {
            Outcome::Rows(rows) => match answer::done(&rows) {
                Ok(freed) => self.settled(freed, context),
                Err(answer::Unreadable) => self.again(true, context),
            },
            Outcome::Lost => self.again(true, context),
            Outcome::Failed(error) => match error.standing() {
                Standing::Unknown => self.again(true, context),
                Standing::RowLocked | Standing::Passing | Standing::SessionUnfit => {
                    self.again(false, context)
                }
                Standing::Refused => {
                    if let Some((lock, _)) = self.tell {
                        context.tell(Event::Failed { lock, failure: Failure::Server(error) });
                    }
                    Step::Done
                }
            },
        }
    }

    /// The server has answered. A row that shows no number of ours at the first asking was taken.
    fn settled(self, freed: bool, context: &mut Context<'_>) -> Step {
        if let Some((lock, _)) = self.tell {
            context.tell(if freed || self.unsure {
                Event::Released { lock, confirmed: true }
            } else {
                Event::Lost { lock, cause: LossCause::TakenOver }
            });
        }
        Step::Done
    }

    fn again(mut self, unsure: bool, context: &mut Context<'_>) -> Step {
        self.unsure |= unsure;
        self.failures = self.failures.saturating_add(1);
        self.next = context.after_pause(self.failures);
        Step::Stay(self)
    }
}
