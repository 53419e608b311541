//! What happened in a history, as facts from which a picture can be drawn and an account be given. Kept only
//! where somebody wants to know, so that other histories pay nothing for it.

mod account;

pub(crate) use account::deed;

use pglock_core::{Event, LockName, Outcome, Read, Rvn, Statement, Value};

use crate::account::{Bounds, Ending};
use crate::clock::Clock;
use crate::server::{Change, Record};

/// The facts of one history, in the order of true time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Chronicle {
    pub(crate) bounds: Bounds,
    /// The rows.
    pub(crate) names: Vec<LockName>,
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
    Starts {
        who: usize,
        client: usize,
    },
    /// A program has come to its end, or to an error.
    Ends {
        who: usize,
        how: Result<(), String>,
    },
    Crashes {
        who: usize,
    },
    StandsStill {
        who: usize,
        until: u64,
    },
    Asks {
        who: usize,
        lock: u64,
        name: usize,
    },
    LetsGo {
        who: usize,
        lock: u64,
    },
    Told {
        who: usize,
        lock: u64,
        what: Told,
    },
    Trusts {
        who: usize,
        lock: u64,
        until: u64,
    },
    Denied {
        who: usize,
        lock: u64,
    },
    /// A guard is made; nothing is known of who asked for it, and when.
    Guards {
        who: usize,
        lock: u64,
        name: usize,
        token: i64,
        until: u64,
    },
    GuardEnds {
        who: usize,
        lock: u64,
    },
    /// A program does what a lock is for.
    Works {
        who: usize,
        work: u64,
        name: usize,
        token: i64,
    },
    Rests {
        who: usize,
        work: u64,
    },
    Notes {
        who: usize,
        words: String,
    },
    ClockEnds {
        who: usize,
    },
    Sends {
        who: usize,
        flight: usize,
        gist: Gist,
        statement: Statement,
    },
    Applied {
        flight: usize,
        late: bool,
        wrote: Vec<Written>,
    },
    Hears {
        flight: usize,
        read_at: u64,
        saw: Option<(usize, Rvn)>,
    },
    RowLocked {
        name: usize,
        until: u64,
    },
    StrangerWrites {
        wrote: Vec<Written>,
    },
    ServerCrashes,
    Healed,
    Over,
}

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Granted { token: i64, data: Option<Vec<u8>>, until: u64 },
    Renewed { until: u64 },
    Ended(Ending),
    Other(&'static str),
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Gist {
    pub(crate) verb: &'static str,
    pub(crate) names: Vec<usize>,
}

/// How a row stood before it was written, and after.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Written {
    pub(crate) name: usize,
    pub(crate) before: Option<Record>,
    pub(crate) after: Option<Record>,
}

impl Told {
    /// An event as its caller understands it; `clock` turns readings into true time.
    pub(crate) fn by(event: &Event, clock: &Clock) -> Self {
        match event {
            Event::Acquired { grant, .. } => Self::Granted {
                token: grant.token.as_i64(),
                data: grant.data.clone(),
                until: clock.surely_reaches(grant.valid_until),
            },
            Event::Renewed { valid_until, .. } => {
                Self::Renewed { until: clock.surely_reaches(*valid_until) }
            }
            Event::Waiting { .. } => Self::Other("waits for another"),
            Event::Amended { .. } => Self::Other("amended"),
            Event::AmendFailed { .. } => Self::Other("not amended"),
            Event::AtRisk { .. } => Self::Other("at risk"),
            Event::Released { confirmed: true, .. } => Self::Ended(Ending::Released),
            Event::Released { confirmed: false, .. } => Self::Ended(Ending::Unconfirmed),
            Event::Lost { .. } => Self::Ended(Ending::Lost),
            Event::Busy { holder, .. } => Self::Ended(Ending::Busy { seen: holder.is_some() }),
            Event::TimedOut { .. } => Self::Ended(Ending::TimedOut),
            Event::Failed { .. } => Self::Ended(Ending::Failed),
            Event::Cancelled { .. } => Self::Ended(Ending::Cancelled),
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
            Statement::Look(look) => one("look", &look.name),
            Statement::LineUp(line_up) => one("line up", &line_up.name),
            Statement::Listen => Self { verb: "listen", names: Vec::new() },
            Statement::Read(Read::One(name)) => one("read", name),
            Statement::Renew(renew) => {
                let names = renew.locks.iter().filter_map(|lock| index(&lock.name));
                Self { verb: "renew", names: names.collect() }
            }
            Statement::Read(_)
            | Statement::CreateTable
            | Statement::CheckTable
            | Statement::DropTable
            | Statement::AdvisoryHolders(_)
            | _ => Self { verb: "look", names: Vec::new() },
        }
    }
}

impl Written {
    pub(crate) fn of(changes: &[Change], all: &[LockName]) -> Vec<Self> {
        let written = |change: &Change| {
            let name = all.iter().position(|own| *own == change.name)?;
            let Change { before, after, .. } = change.clone();
            Some(Self { name, before, after })
        };
        changes.iter().filter_map(written).collect()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.after.as_ref().is_some_and(Record::is_held)
    }

    pub(crate) fn token(&self) -> Option<i64> {
        self.after.as_ref().and_then(|row| row.token)
    }
}

/// The row and the number in it that an answer shows of somebody else's lock.
pub(crate) fn shown(
    statement: &Statement,
    outcome: &Outcome,
    all: &[LockName],
) -> Option<(usize, Rvn)> {
    let asked = match statement {
        Statement::Acquire(acquire) => &acquire.name,
        Statement::Look(look) => &look.name,
        Statement::LineUp(line_up) => &line_up.name,
        Statement::Read(Read::One(name)) => name,
        Statement::Release(_)
        | Statement::Renew(_)
        | Statement::Amend(_)
        | Statement::Evict(_)
        | Statement::Read(_)
        | Statement::CreateTable
        | Statement::CheckTable
        | Statement::DropTable
        | Statement::Listen
        | Statement::AdvisoryHolders(_)
        | _ => return None,
    };
    let Outcome::Rows(rows) = outcome else { return None };
    match rows.first()?.0.as_slice() {
        [Value::Bool(true), ..] => None,
        [_, Value::Int8(rvn), ..] => {
            Some((all.iter().position(|own| own == asked)?, Rvn::new(*rvn)))
        }
        _ => None,
    }
}
