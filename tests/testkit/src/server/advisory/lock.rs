//! One key: who holds it, who waits for it, and who comes first.

use std::collections::{BTreeMap, BTreeSet};

use super::{AdvisoryMode, Entry, Level, Session};
use pglock_core::AdvisoryPlace;

/// A key that somebody holds or waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "all there is about a key")]
pub struct Lock {
    /// What each session holds.
    pub holds: BTreeMap<Session, Hold>,
    /// Who waits, first who is served first.
    pub queue: Vec<Waiter>,
}

/// What one session holds of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "PostgreSQL has these two modes")]
pub struct Hold {
    /// Exclusively.
    pub exclusive: Count,
    /// Shared.
    pub shared: Count,
}

/// How a session holds a key in one mode. Both levels share the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "PostgreSQL has these two levels")]
pub struct Count {
    /// How often for itself.
    pub session: u32,
    /// Whether for its transaction; how often makes no difference.
    pub transaction: bool,
}

/// A session that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "what there is about a waiter")]
pub struct Waiter {
    /// Who.
    pub session: Session,
    /// For which mode.
    pub mode: AdvisoryMode,
    /// How long it will hold the key.
    pub level: Level,
}

/// What becomes of one who asks.
pub(super) enum Admission {
    Granted,
    /// Behind so many others.
    Waits(usize),
    /// It and a waiter would wait for each other.
    Deadlock,
}

impl Count {
    const NONE: Self = Self { session: 0, transaction: false };

    const fn is_held(self) -> bool {
        self.session > 0 || self.transaction
    }
}

impl Hold {
    /// How it is held in a mode.
    #[must_use]
    pub const fn count(&self, mode: AdvisoryMode) -> Count {
        match mode {
            AdvisoryMode::Exclusive => self.exclusive,
            AdvisoryMode::Shared => self.shared,
        }
    }

    pub(super) const fn count_mut(&mut self, mode: AdvisoryMode) -> &mut Count {
        match mode {
            AdvisoryMode::Exclusive => &mut self.exclusive,
            AdvisoryMode::Shared => &mut self.shared,
        }
    }

    /// The modes in which it is held.
    pub fn modes(&self) -> impl Iterator<Item = AdvisoryMode> {
        let held = |mode: &AdvisoryMode| self.count(*mode).is_held();
        [AdvisoryMode::Exclusive, AdvisoryMode::Shared].into_iter().filter(held)
    }

    pub(super) const fn is_held(&self) -> bool {
        self.exclusive.is_held() || self.shared.is_held()
    }

    /// Whether another session cannot have the key in this mode.
    fn conflicts(&self, mode: AdvisoryMode) -> bool {
        self.modes().any(|held| held.conflicts(mode))
    }

    pub(super) const fn end(&mut self) {
        *self = Self { exclusive: Count::NONE, shared: Count::NONE };
    }

    pub(super) const fn end_session(&mut self) {
        self.exclusive.session = 0;
        self.shared.session = 0;
    }

    pub(super) const fn end_transaction(&mut self) {
        self.exclusive.transaction = false;
        self.shared.transaction = false;
    }
}

impl Lock {
    /// What becomes of a session that asks for the key. One that holds it may pass those that wait for it,
    /// unless it asks by a try on a server where `passes` is false.
    pub(super) fn admit(&self, session: Session, mode: AdvisoryMode, passes: bool) -> Admission {
        let mine = self.holds.get(&session);
        if mine.is_some_and(|hold| hold.count(mode).is_held())
            || self.is_free(session, mode, &self.queue)
        {
            return Admission::Granted;
        }
        // Those that wait for it must come after it, or they would wait for ever.
        let waits_for_me = |waiter: &Waiter| mine.is_some_and(|hold| hold.conflicts(waiter.mode));
        let Some(ahead) = self.queue.iter().position(waits_for_me).filter(|_| passes) else {
            return Admission::Waits(self.queue.len());
        };
        let (before, behind) = self.queue.split_at(ahead);
        let holds_against_me = |waiter: &Waiter| self.has_against(waiter.session, mode);
        if behind.first().is_some_and(holds_against_me) {
            Admission::Deadlock
        } else if self.is_free(session, mode, before) {
            Admission::Granted
        } else {
            Admission::Waits(ahead)
        }
    }

    /// Grants what can be granted, from the first waiter on. Who still waits is in the way of those behind.
    pub(super) fn wake(&mut self) -> Vec<Waiter> {
        let mut woken = Vec::new();
        for waiter in std::mem::take(&mut self.queue) {
            if self.is_free(waiter.session, waiter.mode, &self.queue) {
                self.grant(waiter);
                woken.push(waiter);
            } else {
                self.queue.push(waiter);
            }
        }
        woken
    }

    pub(super) fn grant(&mut self, Waiter { session, mode, level }: Waiter) {
        let count = self.holds.entry(session).or_default().count_mut(mode);
        match level {
            Level::Session => count.session = count.session.saturating_add(1),
            Level::Transaction => count.transaction = true,
        }
    }

    pub(super) fn end_transaction(&mut self, session: Session) {
        if let Some(hold) = self.holds.get_mut(&session) {
            hold.end_transaction();
        }
        self.holds.retain(|_, hold| hold.is_held());
    }

    /// Those who hold what a waiter must not share, then those ahead of it who want such.
    pub(super) fn blockers(&self, session: Session) -> impl Iterator<Item = Session> {
        self.holders_against(session).chain(self.waiters_against(session, &self.queue))
    }

    /// Those who hold what a waiter must not share.
    pub(super) fn holders_against(&self, session: Session) -> impl Iterator<Item = Session> {
        let mode = self.awaited(session);
        let against = move |holder: &Session| {
            *holder != session && mode.is_some_and(|mode| self.has_against(*holder, mode))
        };
        self.holds.keys().copied().filter(against)
    }

    /// Those who want what a waiter must not share, and are ahead of it in a queue.
    pub(super) fn waiters_against(
        &self,
        session: Session,
        queue: &[Waiter],
    ) -> impl Iterator<Item = Session> {
        let mode = self.awaited(session);
        let ahead = queue.iter().take_while(move |waiter| waiter.session != session);
        ahead
            .filter(move |waiter| mode.is_some_and(|mode| waiter.mode.conflicts(mode)))
            .map(|waiter| waiter.session)
    }

    pub(super) fn entries(&self, place: AdvisoryPlace) -> impl Iterator<Item = Entry> {
        let entry = move |session, mode, granted| Entry { session, place, mode, granted };
        let held = self.holds.iter().flat_map(move |(session, hold)| {
            hold.modes().map(move |mode| entry(*session, mode, true))
        });
        held.chain(self.queue.iter().map(move |waiter| entry(waiter.session, waiter.mode, false)))
    }

    /// Whether the session is somewhere in the lock table because of this key.
    pub(super) fn knows(&self, session: Session) -> bool {
        self.holds.contains_key(&session)
            || self.queue.iter().any(|waiter| waiter.session == session)
    }

    /// How many sessions hold it or wait for it.
    pub(super) fn sessions(&self) -> usize {
        let waiting = self.queue.iter().map(|waiter| waiter.session);
        self.holds.keys().copied().chain(waiting).collect::<BTreeSet<_>>().len()
    }

    fn awaited(&self, session: Session) -> Option<AdvisoryMode> {
        self.queue.iter().find(|waiter| waiter.session == session).map(|waiter| waiter.mode)
    }

    fn has_against(&self, holder: Session, mode: AdvisoryMode) -> bool {
        self.holds.get(&holder).is_some_and(|hold| hold.conflicts(mode))
    }

    /// Whether neither another holder nor any of these waiters is in the way.
    fn is_free(&self, session: Session, mode: AdvisoryMode, ahead: &[Waiter]) -> bool {
        let against = |holder: &Session| *holder != session && self.has_against(*holder, mode);
        !self.holds.keys().any(against) && !ahead.iter().any(|waiter| waiter.mode.conflicts(mode))
    }
}
