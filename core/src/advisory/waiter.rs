//! An acquire that waits for its advisory lock.

use super::request::{AdvisoryMode, AdvisoryRequest, OwnerId};
use crate::context::Context;
use crate::error::{Failure, ServerError};
use crate::event::Event;
use crate::output::LockId;
use crate::request::Wait;
use crate::time::Instant;

/// For whom a lock is taken: locks of one taker stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Taker {
    Owner(OwnerId),
    /// A lock that was taken on behalf of nobody else.
    Lock(LockId),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiter {
    pub(super) lock: LockId,
    pub(super) taker: Taker,
    pub(super) mode: AdvisoryMode,
    /// Whether the statement on its way was sent on its behalf, too.
    pub(super) asked: bool,
    /// Whether the server has ever answered one that was.
    pub(super) answered: bool,
    wait: Wait,
    give_up: Option<Instant>,
    trouble: Option<ServerError>,
}

impl Waiter {
    pub(super) fn new(lock: LockId, request: &AdvisoryRequest, context: &Context<'_>) -> Self {
        Self {
            lock,
            taker: request.owner.map_or(Taker::Lock(lock), Taker::Owner),
            mode: request.mode,
            asked: false,
            answered: false,
            wait: request.wait,
            give_up: request.wait.gives_up_at(context.now, context.config.patience),
            trouble: None,
        }
    }

    pub(super) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        self.give_up.iter_mut().for_each(change);
    }

    pub(super) const fn waits_its_turn(&self) -> bool {
        self.wait.waits_its_turn()
    }

    /// When it stops waiting if nothing happens.
    pub(super) const fn gives_up_at(&self) -> Option<Instant> {
        self.give_up
    }

    pub(super) fn note_trouble(&mut self, error: &ServerError) {
        self.trouble = Some(error.clone());
    }

    /// The event that ends it for want of time.
    pub(super) fn too_late(&self) -> Event {
        let lock = self.lock;
        if self.waits_its_turn() {
            Event::TimedOut { lock, holder: None }
        } else {
            Event::Failed { lock, failure: Failure::Unreachable(self.trouble.clone()) }
        }
    }

    /// The event that ends it because others have the lock.
    pub(super) const fn busy(&self) -> Event {
        Event::Busy { lock: self.lock, holder: None }
    }

    pub(super) fn failed(&self, failure: &Failure) -> Event {
        Event::Failed { lock: self.lock, failure: failure.clone() }
    }
}
