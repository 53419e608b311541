//! An acquire that waits for its lock, and what a look at the row means to it.

use core::time::Duration;

use super::sighting::Sighting;
use crate::config::Timing;
use crate::context::Context;
use crate::error::{Failure, ServerError};
use crate::event::{Event, Holder};
use crate::identity::Rvn;
use crate::output::LockId;
use crate::request::{Request, Wait};
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiter {
    pub(crate) lock: LockId,
    pub(crate) request: Request,
    pub(crate) timing: Timing,
    pub(crate) since: Instant,
    /// Whether the server has been asked on its behalf, and has answered.
    pub(crate) asked: bool,
    pub(crate) answered: bool,
    give_up: Option<Instant>,
    baseline: Option<Rvn>,
    told: Option<Holder>,
    trouble: Option<ServerError>,
}

impl Waiter {
    pub(crate) fn new(
        lock: LockId,
        request: Request,
        timing: Timing,
        context: &Context<'_>,
    ) -> Self {
        let give_up = request.wait.gives_up_at(context.now, context.config.patience);
        Self {
            lock,
            request,
            timing,
            since: context.now,
            asked: false,
            answered: false,
            give_up,
            baseline: None,
            told: None,
            trouble: None,
        }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        change(&mut self.since);
        self.give_up.iter_mut().for_each(change);
    }

    pub(crate) const fn waits_its_turn(&self) -> bool {
        self.request.wait.waits_its_turn()
    }

    /// Whether it came too late for what was just shown, and does not wait for the next look.
    pub(crate) const fn wants_an_answer_now(&self) -> bool {
        !self.answered && !self.waits_its_turn()
    }

    /// When it stops waiting if nothing happens.
    pub(crate) const fn gives_up_at(&self) -> Option<Instant> {
        self.give_up
    }

    pub(crate) fn note_trouble(&mut self, error: &ServerError) {
        self.trouble = Some(error.clone());
    }

    /// The event that ends it for want of time.
    pub(crate) fn too_late(self, holder: Option<Holder>) -> Event {
        let lock = self.lock;
        match self.request.wait {
            Wait::ForEver | Wait::AtMost(_) => Event::TimedOut { lock, holder },
            Wait::Try | Wait::Probe => {
                Event::Failed { lock, failure: Failure::Unreachable(self.trouble) }
            }
        }
    }

    /// The lock was seen with another holder. Answers the event that ends the waiting, if it does.
    pub(crate) fn see(&mut self, sighting: &Sighting, context: &mut Context<'_>) -> Option<Event> {
        self.answered = true;
        let lock = self.lock;
        let holder = || sighting.holder(self.timing.lease, context.config, context.now);
        match self.request.wait {
            Wait::Try if !sighting.is_handed_over() => {
                Some(Event::Busy { lock, holder: Some(holder()) })
            }
            Wait::Try | Wait::Probe if self.baseline.is_some_and(|seen| seen != sighting.rvn) => {
                Some(Event::Busy { lock, holder: Some(holder()) })
            }
            Wait::Try | Wait::Probe => {
                self.baseline = Some(sighting.rvn);
                self.give_up = Some(context.now.saturating_add(context.config.patience));
                self.tell_holder(holder(), sighting, context);
                None
            }
            Wait::ForEver | Wait::AtMost(_) => {
                self.tell_holder(holder(), sighting, context);
                None
            }
        }
    }

    fn tell_holder(&mut self, holder: Holder, sighting: &Sighting, context: &mut Context<'_>) {
        let known = self.told.as_ref().is_some_and(|told| sighting.same_holder(told));
        if known || sighting.is_handed_over() {
            return;
        }
        self.told = Some(holder.clone());
        context.tell(Event::Waiting { lock: self.lock, holder });
    }

    /// A deliberate bug: nobody has seen this holder.
    pub(crate) fn taken_for_busy(&self) -> Event {
        let (lease, unchanged_for) = (self.timing.lease, Duration::ZERO);
        let holder = Some(Holder { owner: None, token: None, lease, unchanged_for });
        Event::Busy { lock: self.lock, holder }
    }

    /// The lock is held by this very client: what that means to one that does not wait.
    pub(crate) fn see_own(&self, holder: Option<&Holder>) -> Option<Event> {
        match self.request.wait {
            Wait::Try | Wait::Probe => {
                Some(Event::Busy { lock: self.lock, holder: holder.cloned() })
            }
            Wait::ForEver | Wait::AtMost(_) => None,
        }
    }
}
