//! One row of the lock table as this client sees it: whoever of this client wants the lock, in the
//! order of their coming, and what we know of the row itself.
//!
//! | stage       | what happens            | becomes                                        |
//! |-------------|-------------------------|------------------------------------------------|
//! | open        | granted                 | held; giving back if it came too late or nobody asks |
//! | open        | nobody asks any more    | giving back what may be ours                   |
//! | held        | released                | giving back                                    |
//! | held        | deadline passed         | giving back, when the lease is over            |
//! | held        | number gone             | open                                           |
//! | giving back | settled                 | open                                           |

mod answers;

use alloc::collections::VecDeque;
use core::mem;
use core::time::Duration;

use super::giving_back::{self, GivingBack};
use super::held::{self, Held};
use super::open::Open;
use super::sighting::Sighting;
use super::waiter::Waiter;
use crate::bugs::{Bug, made};
use crate::config::Timing;
use crate::context::Context;
use crate::error::{Failure, ServerError};
use crate::event::{Event, Holder};
use crate::identity::Rvn;
use crate::name::LockName;
use crate::output::{CommandId, LockId, Outcome};
use crate::request::Amendment;
use crate::statement::{Renewal, RenewalVerdict, Statement};
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    name: LockName,
    waiters: VecDeque<Waiter>,
    sighting: Option<Sighting>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Open(Open),
    Held(Held),
    GivingBack(GivingBack),
}

impl Row {
    pub(crate) fn new(name: LockName, now: Instant) -> Self {
        let stage = Stage::Open(Open::at(now));
        Self { name, waiters: VecDeque::new(), sighting: None, stage }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        self.waiters.iter_mut().for_each(|waiter| waiter.each_moment(change));
        self.sighting.iter_mut().for_each(|sighting| sighting.each_moment(change));
        match &mut self.stage {
            Stage::Open(open) => open.each_moment(change),
            Stage::Held(held) => held.each_moment(change),
            Stage::GivingBack(giving_back) => giving_back.each_moment(change),
        }
    }

    // What the caller asks.

    pub(crate) fn acquire(&mut self, waiter: Waiter, context: &mut Context<'_>) {
        match self.own_answer(&waiter, context.now) {
            Some(busy) => context.tell(busy),
            None => self.enqueue(waiter, context.now),
        }
    }

    /// The answer to one that does not wait, where the lock is this very client's, or was until just now.
    fn own_answer(&self, waiter: &Waiter, now: Instant) -> Option<Event> {
        match &self.stage {
            Stage::Held(held) => waiter.see_own(Some(held.holder())),
            Stage::GivingBack(giving_back) if giving_back.is_resting(now) => waiter.see_own(None),
            Stage::Open(_) | Stage::GivingBack(_) => None,
        }
    }

    /// Whoever does not wait for its turn is not kept waiting for the next poll either.
    fn enqueue(&mut self, waiter: Waiter, now: Instant) {
        let now_or_never = self.waiters.is_empty() || !waiter.waits_its_turn();
        self.waiters.push_back(waiter);
        if now_or_never && let Stage::Open(open) = &mut self.stage {
            open.ask_at(now);
        }
    }

    /// Answers whether the lock was held.
    pub(crate) fn release(&mut self, lock: LockId, now: Instant) -> bool {
        let (held, stage) = match mem::replace(&mut self.stage, Stage::Open(Open::at(now))) {
            Stage::Held(held) if held.lock() == lock => {
                (true, Stage::GivingBack(held.release(now)))
            }
            stage @ (Stage::Open(_) | Stage::Held(_) | Stage::GivingBack(_)) => (false, stage),
        };
        self.stage = stage;
        held
    }

    /// Answers whether the lock was held or waited for.
    pub(crate) fn cancel(&mut self, lock: LockId, context: &mut Context<'_>) -> bool {
        let Some(place) = self.waiters.iter().position(|waiter| waiter.lock == lock) else {
            return self.release(lock, context.now);
        };
        self.waiters.remove(place);
        context.tell(Event::Cancelled { lock });
        self.tidy(context.now);
        true
    }

    pub(crate) fn heartbeat(&mut self, lock: LockId, now: Instant) -> bool {
        self.held_as(lock).map(|held| held.heartbeat(now)).is_some()
    }

    pub(crate) fn amend(
        &mut self,
        lock: LockId,
        amendment: Amendment,
        timing: Option<Timing>,
        now: Instant,
    ) -> bool {
        self.held_as(lock).map(|held| held.amend(timing, amendment.data, now)).is_some()
    }

    /// Gives everything back and cancels whoever waits.
    pub(crate) fn shut_down(&mut self, context: &mut Context<'_>) {
        for waiter in mem::take(&mut self.waiters) {
            context.tell(Event::Cancelled { lock: waiter.lock });
        }
        if let Some(lock) = self.held().map(Held::lock) {
            self.release(lock, context.now);
        }
        self.tidy(context.now);
        if let Stage::GivingBack(giving_back) = &mut self.stage {
            giving_back.start(context.now);
        }
    }

    /// Does not give back for longer than the client's patience.
    pub(crate) fn hurry(&mut self, context: &Context<'_>) {
        if let Stage::GivingBack(giving_back) = &mut self.stage {
            giving_back.hurry(context);
        }
    }

    fn held_as(&mut self, lock: LockId) -> Option<&mut Held> {
        match &mut self.stage {
            Stage::Held(held) if held.lock() == lock => Some(held),
            Stage::Open(_) | Stage::Held(_) | Stage::GivingBack(_) => None,
        }
    }

    // What the client looks at.

    pub(crate) const fn held(&self) -> Option<&Held> {
        match &self.stage {
            Stage::Held(held) => Some(held),
            Stage::Open(_) | Stage::GivingBack(_) => None,
        }
    }

    pub(crate) fn valid_until(&self, lock: LockId) -> Option<Instant> {
        match &self.stage {
            Stage::Held(held) if held.lock() == lock => Some(held.valid_until()),
            Stage::GivingBack(giving_back) => giving_back.wrongly_believed(lock),
            Stage::Open(_) | Stage::Held(_) => None,
        }
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        match &self.stage {
            Stage::Open(open) => self.waiters.is_empty() && !open.is_on_its_way(),
            Stage::Held(_) | Stage::GivingBack(_) => false,
        }
    }

    /// Whether there is nothing to remember either.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.is_idle() && self.sighting.is_none()
    }

    /// Since when the holder has been watched, while nobody asks.
    pub(crate) fn remembered_since(&self) -> Option<Instant> {
        self.sighting.as_ref().filter(|_| self.is_idle()).map(Sighting::since)
    }

    /// Whether its statement frees or keeps a lock.
    pub(crate) const fn is_urgent(&self) -> bool {
        match &self.stage {
            Stage::Held(_) | Stage::GivingBack(_) => true,
            Stage::Open(_) => false,
        }
    }

    /// When a statement of its own is due.
    pub(crate) fn work_due(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Open(open) if !self.waiters.is_empty() => open.work_due(),
            Stage::Open(_) => None,
            Stage::Held(held) => held.work_due(),
            Stage::GivingBack(giving_back) => giving_back.work_due(),
        }
    }

    /// When a renewal is due.
    pub(crate) fn renewal_due(&self) -> Option<Instant> {
        self.held().and_then(Held::renewal_due)
    }

    /// When time alone changes something.
    pub(crate) fn timer(&self) -> Option<Instant> {
        let waiters = self.waiters.iter().filter_map(Waiter::gives_up_at);
        let stage = match &self.stage {
            Stage::Open(_) => None,
            Stage::Held(held) => Some(held.timer()),
            Stage::GivingBack(giving_back) => Some(giving_back.timer()),
        };
        waiters.chain(stage).min()
    }

    // What happens.

    pub(crate) fn on_time(&mut self, context: &mut Context<'_>) {
        self.give_up_waiting(context);
        let stage = mem::replace(&mut self.stage, Stage::Open(Open::at(context.now)));
        self.stage = match stage {
            Stage::Open(open) => Stage::Open(open),
            Stage::Held(held) => Self::after_held(held.on_time(context), context),
            Stage::GivingBack(giving_back) => {
                Self::after_giving_back(giving_back.on_time(context), context)
            }
        };
    }

    fn give_up_waiting(&mut self, context: &mut Context<'_>) {
        let over = |waiter: &Waiter| waiter.gives_up_at().is_some_and(|at| at <= context.now);
        if !self.waiters.iter().any(over) {
            return;
        }
        for waiter in mem::take(&mut self.waiters) {
            if waiter.gives_up_at().is_some_and(|at| at <= context.now) {
                let holder = self.holder_for(&waiter, context);
                context.tell(waiter.too_late(holder));
            } else {
                self.waiters.push_back(waiter);
            }
        }
        self.tidy(context.now);
    }

    fn holder_for(&self, waiter: &Waiter, context: &Context<'_>) -> Option<Holder> {
        match &self.stage {
            Stage::Held(held) => Some(held.holder().clone()),
            Stage::Open(_) | Stage::GivingBack(_) => {
                let sighting = self.sighting.as_ref()?;
                Some(sighting.holder(waiter.timing.lease, context.config, context.now))
            }
        }
    }

    /// The statement that is due, and how long to wait for its reply.
    pub(crate) fn statement(
        &mut self,
        command: CommandId,
        context: &mut Context<'_>,
    ) -> Option<(Statement, Duration)> {
        match &mut self.stage {
            Stage::Open(open) => {
                let head = self.waiters.front_mut()?;
                let sighting = self.sighting.as_ref();
                let statement = open.statement(&self.name, head, sighting, command, context);
                Some((statement, head.timing.reply_deadline))
            }
            Stage::Held(held) => {
                let deadline = held.timing().reply_deadline;
                Some((held.statement(&self.name, command, context)?, deadline))
            }
            Stage::GivingBack(giving_back) => {
                let deadline = giving_back.reply_deadline();
                Some((giving_back.statement(&self.name, command), deadline))
            }
        }
    }

    /// The renewal that is due.
    pub(crate) fn renewal(
        &mut self,
        command: CommandId,
        context: &mut Context<'_>,
    ) -> Option<Renewal> {
        match &mut self.stage {
            Stage::Held(held) => Some(held.renewal(&self.name, command, context)),
            Stage::Open(_) | Stage::GivingBack(_) => None,
        }
    }

    /// Whether somebody here waits for another client's release.
    pub(crate) fn wants_hints(&self) -> bool {
        match &self.stage {
            Stage::Open(_) => {
                self.sighting.is_some() && self.waiters.iter().any(Waiter::waits_its_turn)
            }
            Stage::Held(_) | Stage::GivingBack(_) => false,
        }
    }

    /// Asks the row again at once.
    pub(crate) const fn look_again(&mut self, now: Instant) {
        if let Stage::Open(open) = &mut self.stage {
            open.ask_at(now);
        }
    }

    /// The lock has been handed over to whoever drew the ticket.
    pub(crate) fn hint(&mut self, ticket: Rvn, now: Instant) {
        if let Stage::Open(open) = &mut self.stage {
            open.hint(ticket, now);
        }
    }

    /// The outcome of a statement of its own.
    pub(crate) fn handle_outcome(
        &mut self,
        command: CommandId,
        outcome: Outcome,
        context: &mut Context<'_>,
    ) {
        let stage = mem::replace(&mut self.stage, Stage::Open(Open::at(context.now)));
        self.stage = match stage {
            Stage::Open(open) if open.awaits(command) => self.answered(open, outcome, context),
            Stage::Held(held) if held.awaits(command) => {
                Self::after_held(held.handle_outcome(outcome, context), context)
            }
            Stage::GivingBack(giving_back) if giving_back.awaits(command) => {
                let step = giving_back.handle_outcome(outcome, context);
                Self::after_giving_back(step, context)
            }
            stage @ (Stage::Open(_) | Stage::Held(_) | Stage::GivingBack(_)) => stage,
        };
    }

    /// The verdict on its renewal.
    pub(crate) fn handle_verdict(
        &mut self,
        command: CommandId,
        verdict: RenewalVerdict,
        lease: Option<Duration>,
        context: &mut Context<'_>,
    ) {
        self.with_renewal(command, context, |held, context| {
            held.handle_verdict(verdict, lease, context)
        });
    }

    /// The statement that carried its renewal, with `companions` in all, has no verdict on it.
    pub(crate) fn handle_failure(
        &mut self,
        command: CommandId,
        outcome: &Outcome,
        companions: usize,
        context: &mut Context<'_>,
    ) {
        self.with_renewal(command, context, |held, context| {
            held.handle_failure(outcome, companions, context)
        });
    }

    fn with_renewal(
        &mut self,
        command: CommandId,
        context: &mut Context<'_>,
        then: impl FnOnce(Held, &mut Context<'_>) -> held::Step,
    ) {
        let stage = mem::replace(&mut self.stage, Stage::Open(Open::at(context.now)));
        self.stage = match stage {
            Stage::Held(held) if held.awaits(command) || made(Bug::M18) => {
                Self::after_held(then(held, context), context)
            }
            stage @ (Stage::Open(_) | Stage::Held(_) | Stage::GivingBack(_)) => stage,
        };
    }

    /// The server cannot be reached and says why: whoever has never had an answer is told at once.
    /// Behind a lock of this very client nobody has needed one.
    pub(crate) fn fail_unanswered(&mut self, failure: &Failure, context: &mut Context<'_>) {
        match self.stage {
            Stage::Open(_) => self.fail_those(|waiter| !waiter.answered, failure, context),
            Stage::Held(_) | Stage::GivingBack(_) => {}
        }
    }

    /// Nobody can have the lock any more.
    pub(crate) fn fail_waiters(&mut self, failure: &Failure, context: &mut Context<'_>) {
        self.fail_those(|_| true, failure, context);
    }

    fn fail_those(
        &mut self,
        chosen: impl Fn(&Waiter) -> bool,
        failure: &Failure,
        context: &mut Context<'_>,
    ) {
        self.end_waiters(context, |waiter, _| {
            let failed = Event::Failed { lock: waiter.lock, failure: failure.clone() };
            chosen(waiter).then_some(failed)
        });
        self.tidy(context.now);
    }

    pub(crate) fn note_trouble(&mut self, error: &ServerError) {
        for waiter in &mut self.waiters {
            waiter.note_trouble(error);
        }
    }

    // Transitions.

    fn after_held(step: held::Step, context: &Context<'_>) -> Stage {
        match step {
            held::Step::Stay(held) => Stage::Held(held),
            held::Step::GiveBack(giving_back) => Stage::GivingBack(giving_back),
            held::Step::Gone => Stage::Open(Open::at(context.now)),
        }
    }

    fn after_giving_back(step: giving_back::Step, context: &Context<'_>) -> Stage {
        match step {
            giving_back::Step::Stay(giving_back) => Stage::GivingBack(giving_back),
            giving_back::Step::Done => Stage::Open(Open::at(context.now)),
        }
    }

    fn tidy(&mut self, now: Instant) {
        let stage = mem::replace(&mut self.stage, Stage::Open(Open::at(now)));
        self.stage = match stage {
            Stage::Open(open) => self.open_or_give_back(open, now),
            stage @ (Stage::Held(_) | Stage::GivingBack(_)) => stage,
        };
    }

    /// An open row that nobody asks for any more gives back what may be ours.
    fn open_or_give_back(&self, mut open: Open, now: Instant) -> Stage {
        if !self.waiters.is_empty() || open.is_on_its_way() {
            return Stage::Open(open);
        }
        open.give_back(now).map_or(Stage::Open(open), Stage::GivingBack)
    }
}
