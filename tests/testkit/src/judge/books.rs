//! What is known at one moment of an account.

use std::collections::{BTreeMap, BTreeSet};

use pglock_core::{LockName, Rvn};

use super::belief::Belief;
use super::row::{End, Row};
use crate::account::{Bounds, Ending, Entry, Grant, Holder, Step, What, Write};

#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) bounds: Bounds,
    pub(super) now: u64,
    pub(super) lives: BTreeMap<Holder, Life>,
    /// Those that have been granted and have not ended, for each name.
    pub(super) granted: BTreeMap<LockName, BTreeSet<Holder>>,
    pub(super) rows: BTreeMap<LockName, Row>,
    /// When a process first saw a number.
    sightings: BTreeMap<(usize, LockName, Rvn), u64>,
    /// Processes that have crashed.
    pub(super) gone: BTreeSet<usize>,
    /// Processes that owe nothing any more.
    pub(super) excused: BTreeSet<usize>,
    pub(super) healed: Option<u64>,
    pub(super) over: bool,
}

/// What has become of a lock.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) name: LockName,
    pub(super) asked: u64,
    pub(super) grant: Option<Grant>,
    pub(super) let_go: bool,
    pub(super) denied: bool,
    pub(super) ended: Option<Ending>,
    pub(super) belief: Belief,
}

impl Books {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    pub(super) fn enter(&mut self, entry: &Entry) {
        self.now = entry.at;
        match &entry.what {
            What::Lock { of, step } => self.step(entry.at, *of, step),
            What::Row(write) => self.write(entry.at, write),
            What::Sees { who, name, rvn, read_at } => {
                self.sightings.entry((*who, name.clone(), *rvn)).or_insert(*read_at);
            }
            What::Crashes { who } => {
                self.gone.insert(*who);
                let own = self.lives.iter_mut().filter(|(of, _)| of.who == *who);
                own.for_each(|(_, life)| life.belief.end(entry.at));
            }
            What::ClockEnds { who } => {
                self.excused.insert(*who);
            }
            What::Healed => self.healed = Some(entry.at),
            What::Over => self.over = true,
        }
    }

    fn step(&mut self, at: u64, of: Holder, step: &Step) {
        if let Step::Asked { name } = step {
            self.lives.insert(of, Life::new(name.clone(), at));
        }
        if let Step::Granted(grant) = step {
            self.claim(of, grant.token);
        }
        let Some(life) = self.lives.get_mut(&of) else { return };
        match step {
            Step::Asked { .. } => {}
            Step::Granted(grant) => {
                life.belief.trust(at, grant.until);
                life.grant = Some(grant.clone());
                self.granted.entry(life.name.clone()).or_default().insert(of);
            }
            Step::Trusted { until } => life.belief.trust(at, *until),
            Step::LetGo => {
                life.belief.end(at);
                life.let_go = true;
            }
            Step::Denied => {
                life.belief.end(at);
                life.denied = true;
            }
            Step::Ended(ending) => {
                life.belief.end(at);
                life.ended = Some(*ending);
                self.granted.entry(life.name.clone()).or_default().remove(&of);
            }
        }
    }

    /// A lock is told of its grant, which may have been ended by a stranger already.
    fn claim(&mut self, of: Holder, token: i64) {
        let Some(life) = self.lives.get_mut(&of) else { return };
        let Some(row) = self.rows.get_mut(&life.name) else { return };
        if row.claim(of, token) == Some(End::ByStranger) {
            life.belief.cease_to_count(self.now);
        }
    }

    fn write(&mut self, at: u64, write: &Write) {
        let row = self.rows.entry(write.name.clone()).or_default();
        let owner = row.current().and_then(|grant| grant.lock);
        row.enter(at, write, self.bounds);
        if write.by.is_none()
            && let Some(life) = owner.and_then(|owner| self.lives.get_mut(&owner))
        {
            life.belief.cease_to_count(at);
        }
    }

    pub(super) fn life(&self, of: Holder) -> Option<&Life> {
        self.lives.get(&of)
    }

    pub(super) fn believes(&self, of: Holder, at: u64) -> bool {
        self.life(of).is_some_and(|life| life.belief.until() > at)
    }

    /// Since when, at the earliest, a process can have watched a number that stands in a row.
    pub(super) fn watched_since(&self, who: usize, name: &LockName, rvn: Rvn) -> u64 {
        let written = self.rows.get(name).map_or(0, |row| row.since);
        let seen = self.sightings.get(&(who, name.clone(), rvn)).copied();
        seen.unwrap_or(written).max(written)
    }
}

impl Life {
    const fn new(name: LockName, asked: u64) -> Self {
        Self {
            name,
            asked,
            grant: None,
            let_go: false,
            denied: false,
            ended: None,
            belief: Belief::none(),
        }
    }
}
