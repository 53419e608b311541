//! What must never happen, checked after every event. The first broken rule ends the history.

mod belief;
mod ledger;
mod life;

use std::fmt;

use pglock_core::{Client, Instant, LockId};

use crate::clock::Clock;
use crate::plan::Plan;
use belief::Beliefs;
use ledger::Ledger;
use life::Lives;

pub(crate) use ledger::Cause;
pub(crate) use life::{Asked, Careful};

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Broken {
    /// Which oracle saw it.
    pub by: &'static str,
    /// The rule and how it was broken, in words.
    pub words: String,
    /// From when to when, at true time, a lock is believed in that others have or may have.
    pub overlap: Option<(u64, u64)>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.by, self.words)
    }
}

pub(crate) type Verdict = Result<(), Broken>;

pub(crate) fn broken(by: &'static str, words: impl Into<String>) -> Verdict {
    Err(Broken { by, words: words.into(), overlap: None })
}

/// Two beliefs meet, or one meets what the row allows others.
fn overlapping(from: u64, to: u64, words: impl Into<String>) -> Verdict {
    Err(Broken { by: "O1", words: words.into(), overlap: Some((from, to)) })
}

/// One incarnation of a client holding, or having held, one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) who: usize,
    pub(crate) lock: LockId,
}

#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    pub(crate) ledger: Ledger,
    pub(crate) lives: Lives,
    beliefs: Beliefs,
}

impl Oracle {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { ledger: Ledger::new(plan), lives: Lives::default(), beliefs: Beliefs::new(plan) }
    }

    /// Looks at a client that has been drained at the reading `reading`.
    pub(crate) fn look(
        &mut self,
        who: usize,
        client: &Client,
        clock: &Clock,
        reading: Instant,
        now: u64,
    ) -> Verdict {
        let mut held = 0;
        for (name, lock) in client.held() {
            held += 1;
            let holder = Holder { who, lock };
            let Some(name) = self.lives.name_of(holder) else {
                return broken("O3", format!("{lock:?} of {name} is held but nobody asked for it"));
            };
            let Some(until) = client.valid_until(lock) else {
                return broken("O3", format!("{lock:?} is listed as held but has no deadline"));
            };
            self.beliefs.believe(name, holder, until, clock, now, &self.ledger)?;
            self.lives.check_held(holder, until, reading)?;
        }
        self.beliefs.forget(who, now, |lock| client.valid_until(lock).is_some());
        self.lives.check_all_held(who, held)?;
        self.lives.check_overdue(who, reading, client.config().drift.granularity())
    }

    /// The rate of a client's clock has changed, and with it the true moments of its deadlines.
    pub(crate) fn clock_changed(&mut self, who: usize, clock: &Clock, now: u64) -> Verdict {
        self.beliefs.clock_changed(who, clock, now, &self.ledger)
    }

    /// The process is gone and believes nothing any more.
    pub(crate) fn died(&mut self, who: usize, now: u64) {
        self.beliefs.forget(who, now, |_| false);
        self.lives.died(who);
    }

    /// A statement, or somebody else, has changed a row.
    pub(crate) fn changed(
        &mut self,
        name: usize,
        change: &crate::server::Change,
        cause: &Cause<'_>,
        plan: &Plan,
    ) -> Verdict {
        self.ledger.enter(name, change, cause, plan, &self.lives)?;
        self.beliefs.check_row(name, cause.now(), &self.ledger)
    }
}
