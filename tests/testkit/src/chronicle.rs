//! What happened in a history, as facts from which a picture can be drawn. Kept only where the log is kept, so
//! that histories which break no rule pay nothing for it.

use pglock_core::{Event, LockId, LockName, Read, Statement};

use crate::clock::Clock;
use crate::server::Change;

/// The facts of one history, in the order of true time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Chronicle {
    /// The rows.
    pub(crate) names: Vec<String>,
    pub(crate) moments: Vec<Moment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Moment {
    pub(crate) at: u64,
    pub(crate) fact: Fact,
}

/// Processes are counted by incarnation, rows as the names are, statements by flight; `until` is true time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fact {
    Starts { who: usize, client: usize },
    Crashes { who: usize },
    StandsStill { who: usize, until: u64 },
    Asks { who: usize, lock: LockId, name: usize },
    LetsGo { who: usize, lock: LockId },
    Told { who: usize, lock: LockId, what: Told },
    Trusts { who: usize, lock: LockId, until: u64 },
    Sends { who: usize, flight: usize, gist: Gist },
    Applied { flight: usize, late: bool, wrote: Vec<Written> },
    Hears { flight: usize },
    RowLocked { name: usize, until: u64 },
    StrangerWrites { wrote: Vec<Written> },
    ServerCrashes,
    Healed,
}

/// What a caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Granted { token: i64, until: u64 },
    Renewed { until: u64 },
    Ended(&'static str),
    Other(&'static str),
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gist {
    pub(crate) verb: &'static str,
    pub(crate) names: Vec<usize>,
}

/// How a row stands after it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Written {
    pub(crate) name: usize,
    pub(crate) held: bool,
    pub(crate) token: Option<i64>,
}

impl Told {
    /// An event as its caller understands it; `clock` turns readings into true time.
    pub(crate) fn by(event: &Event, clock: &Clock) -> Self {
        match event {
            Event::Acquired { grant, .. } => Self::Granted {
                token: grant.token.as_i64(),
                until: clock.surely_reaches(grant.valid_until),
            },
            Event::Renewed { valid_until, .. } => {
                Self::Renewed { until: clock.surely_reaches(*valid_until) }
            }
            Event::Waiting { .. } => Self::Other("waits for another"),
            Event::Amended { .. } => Self::Other("amended"),
            Event::AmendFailed { .. } => Self::Other("not amended"),
            Event::AtRisk { .. } => Self::Other("at risk"),
            Event::Released { confirmed: true, .. } => Self::Ended("released"),
            Event::Released { confirmed: false, .. } => Self::Ended("released, unconfirmed"),
            Event::Lost { .. } => Self::Ended("lost"),
            Event::Busy { .. } => Self::Ended("busy"),
            Event::TimedOut { .. } => Self::Ended("timed out"),
            Event::Failed { .. } => Self::Ended("failed"),
            Event::Cancelled { .. } => Self::Ended("cancelled"),
            Event::Answered { .. } | _ => Self::Other("answered"),
        }
    }
}

impl Gist {
    pub(crate) fn of(statement: &Statement, all: &[LockName]) -> Self {
        let index = |name: &LockName| all.iter().position(|own| own == name);
        let one = |verb, name| Self { verb, names: index(name).into_iter().collect() };
        match statement {
            Statement::Acquire(acquire) if acquire.seen.is_some() => {
                one("take over", &acquire.name)
            }
            Statement::Acquire(acquire) => one("acquire", &acquire.name),
            Statement::Release(release) => one("release", &release.name),
            Statement::Amend(amend) => one("amend", &amend.name),
            Statement::Evict(evict) => one("evict", &evict.name),
            Statement::Read(Read::One(name)) => one("read", name),
            Statement::Renew(renew) => {
                let names = renew.locks.iter().filter_map(|lock| index(&lock.name));
                Self { verb: "renew", names: names.collect() }
            }
            Statement::Read(_)
            | Statement::CreateTable
            | Statement::CheckTable
            | Statement::DropTable
            | _ => Self { verb: "look", names: Vec::new() },
        }
    }
}

impl Written {
    pub(crate) fn of(changes: &[Change], all: &[LockName]) -> Vec<Self> {
        let written = |change: &Change| {
            let name = all.iter().position(|own| *own == change.name)?;
            let after = change.after.as_ref();
            let held = after.is_some_and(|row| row.rvn.is_some());
            Some(Self { name, held, token: after.and_then(|row| row.token) })
        };
        changes.iter().filter_map(written).collect()
    }
}
