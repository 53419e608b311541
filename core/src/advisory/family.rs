//! All advisory locks of a client: those that share one session, and those that wait in line, each place on a
//! session of its own. Decides only who serves a place: whoever does already.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;

use super::AdvisoryPlace;
use super::locks::{AdvisoryLocks, Fate};
use super::request::AdvisoryRequest;
use super::statement::Call;
use crate::config::Config;
use crate::context::Context;
use crate::error::{Failure, ServerError};
use crate::event::LossCause;
use crate::output::{LockId, Outcome, SessionId};
use crate::request::AskError;
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Family {
    pub(crate) common: AdvisoryLocks,
    lines: BTreeMap<AdvisoryPlace, Line>,
}

/// One place on a session of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Line {
    pub(crate) locks: AdvisoryLocks,
    /// The session that was opened for it last.
    pub(crate) session: Option<SessionId>,
}

impl Line {
    const fn new() -> Self {
        Self { locks: AdvisoryLocks::new(true), session: None }
    }
}

impl Family {
    pub(crate) const fn new() -> Self {
        Self { common: AdvisoryLocks::new(false), lines: BTreeMap::new() }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        self.each_mut().for_each(|locks| locks.each_moment(change));
    }

    fn each(&self) -> impl Iterator<Item = &AdvisoryLocks> {
        [&self.common].into_iter().chain(self.lines.values().map(|line| &line.locks))
    }

    fn each_mut(&mut self) -> impl Iterator<Item = &mut AdvisoryLocks> {
        let lines = self.lines.values_mut().map(|line| &mut line.locks);
        [&mut self.common].into_iter().chain(lines)
    }

    // What the caller asks.

    pub(crate) fn acquire(
        &mut self,
        lock: LockId,
        request: AdvisoryRequest,
        context: &mut Context<'_>,
    ) -> Result<(), AskError> {
        let place = request.key.place();
        let budget = context.config.advisory_places;
        let places: usize = self.each().map(AdvisoryLocks::places).sum();
        if places >= budget && !self.each().any(|locks| locks.serves(place)) {
            return Err(AskError::TooManyPlaces { budget });
        }
        self.serving(&request, context.config).acquire(lock, request, context)
    }

    fn serving(&mut self, request: &AdvisoryRequest, config: &Config) -> &mut AdvisoryLocks {
        let place = request.key.place();
        let has_room = self.lines.len() < config.lines && !self.common.serves(place);
        match self.lines.entry(place) {
            Entry::Occupied(line) => &mut line.into_mut().locks,
            Entry::Vacant(line) if has_room && request.waits_in_line() => {
                &mut line.insert(Line::new()).locks
            }
            Entry::Vacant(_) => &mut self.common,
        }
    }

    /// Answers whether the lock was held; `None` if it is not of this family.
    pub(crate) fn release(&mut self, lock: LockId, context: &mut Context<'_>) -> Option<bool> {
        self.each_mut().find_map(|locks| locks.release(lock, context))
    }

    /// Answers whether the lock was held or waited for; `None` if it is not of this family.
    pub(crate) fn cancel(&mut self, lock: LockId, context: &mut Context<'_>) -> Option<bool> {
        self.each_mut().find_map(|locks| locks.cancel(lock, context))
    }

    pub(crate) fn shut_down(&mut self, context: &mut Context<'_>) {
        self.each_mut().for_each(|locks| locks.shut_down(context));
    }

    /// The last event about a lock has been told.
    pub(crate) fn forget(&mut self, lock: LockId) {
        self.each_mut().for_each(|locks| locks.forget(lock));
    }

    // What the client looks at.

    pub(crate) fn held(&self) -> impl Iterator<Item = (AdvisoryPlace, LockId)> {
        self.each().flat_map(AdvisoryLocks::held)
    }

    /// Until when a lock is held; `None` if it is not.
    pub(crate) fn valid_until(&self, lock: LockId, config: &Config) -> Option<Instant> {
        self.each().find_map(|locks| locks.valid_until(lock, config))
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.each().all(AdvisoryLocks::is_idle)
    }

    /// When statements are due, session by session.
    pub(crate) fn work_due(&self) -> impl Iterator<Item = Instant> {
        self.each().filter_map(AdvisoryLocks::work_due)
    }

    /// When time alone changes something.
    pub(crate) fn timer(&self, config: &Config) -> Option<Instant> {
        self.each().filter_map(|locks| locks.timer(config)).min()
    }

    /// Places in line where a statement is due.
    pub(crate) fn lines_due(&self, now: Instant) -> Vec<AdvisoryPlace> {
        let is_due = |line: &Line| line.locks.work_due().is_some_and(|due| due <= now);
        let due = self.lines.iter().filter(|(_, line)| is_due(line));
        due.map(|(place, _)| *place).collect()
    }

    pub(crate) fn line_mut(&mut self, place: AdvisoryPlace) -> Option<&mut Line> {
        self.lines.get_mut(&place)
    }

    // What happens.

    /// The session answers, or does not; the answer is about this call.
    pub(crate) fn handle_outcome(
        &mut self,
        session: SessionId,
        call: Call,
        outcome: Outcome,
        context: &mut Context<'_>,
    ) -> Fate {
        match self.on(session) {
            Some(locks) => locks.handle_outcome(call, outcome, context),
            None => Fate::Keep,
        }
    }

    /// The server says why there is no session. If that is for good, those who have had no answer yet are told.
    pub(crate) fn cannot_connect(&mut self, error: &ServerError, context: &mut Context<'_>) {
        self.each_mut().for_each(|locks| locks.cannot_connect(error, context));
    }

    /// Everybody who waits is told why nobody can be served any more.
    pub(crate) fn fail_waiters(&mut self, failure: &Failure, context: &mut Context<'_>) {
        self.each_mut().for_each(|locks| locks.fail_waiters(failure, context));
    }

    /// A session is gone, and with it all that it held.
    pub(crate) fn lost(&mut self, session: SessionId, cause: LossCause, context: &mut Context<'_>) {
        if let Some(locks) = self.on(session) {
            locks.lost(cause, context);
        }
    }

    /// Answers a session that has been silent for too long; to be asked again until there is none.
    pub(crate) fn on_time(&mut self, context: &mut Context<'_>) -> Option<SessionId> {
        self.each_mut().find_map(|locks| locks.on_time(context))
    }

    /// Forgets places in line where nothing is under way. Answers the sessions that were theirs.
    pub(crate) fn leave_lines(&mut self) -> Vec<SessionId> {
        let mut left = Vec::new();
        self.lines.retain(|_, line| {
            let stays = !line.locks.is_idle();
            left.extend(line.session.filter(|_| !stays));
            stays
        });
        left
    }

    /// The sessions that carry locks, or soon will.
    pub(crate) fn sessions(&self) -> Vec<SessionId> {
        self.each().filter_map(AdvisoryLocks::session).collect()
    }

    fn on(&mut self, session: SessionId) -> Option<&mut AdvisoryLocks> {
        self.each_mut().find(|locks| locks.session() == Some(session))
    }
}
