//! What every small machine is given with a transition: the moment, the settings, the sources of
//! numbers, and where to tell what happened.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::config::Config;
use crate::event::Event;
use crate::identity::{Jitter, Numbers};
use crate::time::Instant;

pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
    /// Whether releases are heard of.
    pub(crate) hears: bool,
    pub(crate) numbers: &'a mut Numbers,
    pub(crate) jitter: &'a mut Jitter,
    pub(crate) events: &'a mut VecDeque<Event>,
}

impl Context<'_> {
    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// The moment after the pause that follows this many failures in a row.
    pub(crate) fn after_pause(&mut self, failures: u32) -> Instant {
        self.now.saturating_add(self.config.backoff.pause(failures, self.jitter))
    }

    /// A moment between half of `span` and the whole of it from now.
    pub(crate) fn after_spread(&mut self, span: Duration) -> Instant {
        self.now.saturating_add(self.jitter.spread(span))
    }
}
