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
}

impl Sighting {
    /// Notes what a reply showed that was handled at `now`; what was noted before stands if nothing
    /// has changed.
    pub(crate) fn note(before: Option<Self>, rvn: Rvn, row: Snapshot, now: Instant) -> Self {
        let Snapshot { lease, owner, token, .. } =
            if rvn.is_ticket() { row.of_nobody() } else { row };
        let since = match before {
            Some(before) if before.rvn == rvn && before.lease == lease => before.since,
            Some(before) if made(Bug::M07) => before.since,
            Some(_) | None => now,
        };
        Self { rvn, since, lease, owner, token }
    }

    /// Whether its release will tell those that wait in line. A Go client tells nobody.
    pub(crate) const fn has_line(&self) -> bool {
        self.rvn.is_marked()
    }

    /// Whether the lock has been handed over to somebody who has not come for it yet.
    pub(crate) const fn is_handed_over(&self) -> bool {
        self.rvn.is_ticket()
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
    /// in the row. A marked row without one was edited by hand; the longest lease covers it. Whom a lock is handed
    /// over to holds nothing yet, and has had the time to look twice.
    fn dead_after(&self, own: Duration, config: &Config) -> Duration {
        if made(Bug::M08) {
            return own;
        }
        if self.is_handed_over() && made(Bug::ComesBetween) {
            return Duration::ZERO;
        }
        if self.is_handed_over() && !made(Bug::KeptForEver) {
            return config.hand_over();
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
