//! A foreign holder as this client has watched it: which number, and since when it has not changed on
//! this client's clock. Never handed to another client, never kept beyond this process.

use alloc::string::String;
use core::time::Duration;

use super::answer::Snapshot;
use crate::bugs::{Bug, made};
use crate::config::Config;
use crate::event::Holder;
use crate::identity::{Rvn, Token};
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sighting {
    pub(crate) rvn: Rvn,
    since: Instant,
    lease: Option<Duration>,
    owner: Option<String>,
    token: Option<Token>,
    mark: Mark,
}

/// Whether the row is marked as waited for, so that its release is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Mark {
    No,
    /// It was to be; what came of that is not known.
    Tried,
    Yes,
}

impl Sighting {
    /// Notes what a reply showed that was handled at `now`; what was noted before stands if nothing
    /// has changed.
    pub(crate) fn note(before: Option<Self>, rvn: Rvn, row: Snapshot, now: Instant) -> Self {
        let Snapshot { lease, owner, token, .. } = row;
        let mark = match &before {
            Some(before) if before.token == token && before.mark == Mark::Yes => Mark::Yes,
            // The number is the same, and yet it was not to be marked: it had been already.
            Some(before) if before.rvn == rvn && before.mark == Mark::Tried => Mark::Yes,
            Some(_) | None => Mark::No,
        };
        let since = match before {
            Some(before) if before.rvn == rvn && before.lease == lease => before.since,
            Some(before) if made(Bug::M07) => before.since,
            Some(_) | None => now,
        };
        Self { rvn, since, lease, owner, token, mark }
    }

    /// Whether its release would be told if it were marked. A Go client tells nobody.
    pub(crate) fn may_be_marked(&self) -> bool {
        self.mark == Mark::No && self.rvn.is_marked()
    }

    pub(crate) const fn is_marked(&self) -> bool {
        matches!(self.mark, Mark::Yes)
    }

    pub(crate) const fn try_to_mark(&mut self) {
        self.mark = Mark::Tried;
    }

    pub(crate) const fn marked(&mut self) {
        self.mark = Mark::Yes;
    }

    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        change(&mut self.since);
    }

    /// Whether the holder is the same person, though its number may have changed.
    pub(crate) fn same_holder(&self, holder: &Holder) -> bool {
        self.owner == holder.owner && self.token == holder.token
    }

    /// How long the row must stay unchanged before a challenger of lease `own` takes it over: the lease
    /// in the row. A marked row without one was edited by hand; the longest lease covers it.
    fn dead_after(&self, own: Duration, config: &Config) -> Duration {
        if made(Bug::M08) {
            return own;
        }
        match self.lease {
            Some(lease) if made(Bug::TwoLeases) => lease.saturating_mul(2),
            Some(lease) => lease,
            None if self.rvn.is_marked() => config.longest_lease,
            None => config.foreign.dead_after(own),
        }
    }

    /// When a challenger of lease `own` may take the lock over; `None` past the clock's end.
    pub(crate) fn dead_at(&self, own: Duration, config: &Config) -> Option<Instant> {
        if made(Bug::M56) {
            let lease = self.dead_after(own, config).as_nanos() as u64;
            return Some(Instant::from_nanos(self.since.as_nanos().wrapping_add(lease)));
        }
        self.since.checked_add(self.dead_after(own, config))
    }

    pub(crate) fn holder(&self, own: Duration, config: &Config, now: Instant) -> Holder {
        Holder {
            owner: self.owner.clone(),
            token: self.token,
            lease: self.dead_after(own, config),
            unchanged_for: now.since(self.since),
        }
    }
}
