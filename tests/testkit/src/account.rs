//! What happened between some clients, as far as it is known: to be [judged](crate::judge()) when it is over.
//!
//! Of a simulated history everything is known; of real servers and processes what each client believed and
//! when, on one clock for all. What is not known is left out and not judged.

use std::fmt;
use std::sync::Arc;

use pglock_core::{LockName, Rvn};

use crate::server::Record;

/// What happened.
///
/// ```
/// use pglock_core::LockName;
/// use pglock_testkit::{Account, Grant, Holder, Step, judge};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut account = Account::default();
/// for (who, from, until) in [(0, 100, 200), (1, 199, 300)] {
///     let of = Holder { who, lock: 0 };
///     account.tell(from, of, Step::Asked { name: LockName::new("invoice-42")? });
///     let token = i64::try_from(from)?;
///     account.tell(from, of, Step::Granted(Grant { token, data: None, until, heard: None }));
/// }
/// let judgement = judge(&account).unwrap_err();
/// assert_eq!(judgement.rule, "S1");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Account {
    /// How wrong clocks may be.
    pub bounds: Bounds,
    /// What happened. Entries of one moment stand in the order in which they came about; otherwise the order
    /// does not matter.
    pub entries: Vec<Entry>,
}

/// How wrong clocks may be, and how long rows are watched that show no lease. In nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Bounds {
    /// How far the rate of a clock may be off, in parts per million.
    pub ppm: u64,
    /// How late a reading may be.
    pub granularity: u64,
    /// The shortest lease that a Go client is granted.
    pub foreign_lease: u64,
    /// How often it beats.
    pub foreign_heartbeat: u64,
    /// How long a lock that was handed over is kept for whoever it is for.
    pub hand_over: u64,
    /// Clients count on less than this, and are known to: what they believe proves nothing.
    pub breached: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Entry {
    /// When, in nanoseconds of true time.
    pub at: u64,
    /// What.
    pub what: What,
}

/// One lock of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Holder {
    /// The process. One that comes again after its end is another.
    pub who: usize,
    /// Which of its locks.
    pub lock: u64,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a judge must know every one")]
pub enum What {
    /// To a lock of a client.
    Lock {
        /// Whose.
        of: Holder,
        /// What.
        step: Step,
    },
    /// A row was written and committed.
    Row(Write),
    /// A process hears of a number that stands in a row which it does not hold.
    Sees {
        /// The process.
        who: usize,
        /// The row.
        name: LockName,
        /// The number.
        rvn: Rvn,
        /// When it read its clock after the answer had come: now, or earlier if it has stood still since.
        read_at: u64,
    },
    /// A process ends without a word.
    Crashes {
        /// Which.
        who: usize,
    },
    /// The clock of a process comes to its end: nothing is owed by it any more.
    ClockEnds {
        /// Whose.
        who: usize,
    },
    /// From now on nothing goes wrong.
    Healed,
    /// Everything has had the time to come to its end.
    Over,
}

/// What becomes of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a judge must know every one")]
pub enum Step {
    /// Somebody asks for it.
    Asked {
        /// Which name.
        name: LockName,
    },
    /// It is granted, and believed in from now on.
    Granted(Grant),
    /// From now on it is believed in until another moment.
    Trusted {
        /// The first moment at which no reading of the process's clock can be within the belief.
        until: u64,
    },
    /// Whoever has it gives it back, or gives up asking. Belief ends.
    LetGo,
    /// An answer says beyond doubt that it is gone. Belief ends.
    Denied,
    /// The terminal notice.
    Ended(Ending),
}

/// What is known of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Grant {
    /// Its fencing token.
    pub token: i64,
    /// The data that came with it.
    pub data: Option<Vec<u8>>,
    /// The first moment at which no reading of the process's clock can be within the belief.
    pub until: u64,
    /// When the process read its clock after the answer had come, if that is known.
    pub heard: Option<u64>,
}

/// How a lock ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a judge must know every one")]
pub enum Ending {
    /// The server has confirmed that it is free.
    Released,
    /// It was given back but nobody knows whether the server heard of it.
    Unconfirmed,
    /// It is held no longer.
    Lost,
    /// Somebody else has it.
    Busy {
        /// Whether the row has shown who.
        seen: bool,
    },
    /// The time to wait has passed.
    TimedOut,
    /// An error.
    Failed,
    /// Whoever asked gave up.
    Cancelled,
}

/// A row that was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Write {
    /// Which.
    pub name: LockName,
    /// As it was; `None` if there was none.
    pub before: Option<Record>,
    /// As it is; `None` if it is gone.
    pub after: Option<Record>,
    /// Who wrote it; `None` for an operator, or a client that keeps other rules.
    pub by: Option<Author>,
}

/// The sender of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "plain data")]
pub struct Author {
    /// The process.
    pub who: usize,
    /// When it sent the statement.
    pub sent: u64,
    /// The process has given the connection up since.
    pub late: bool,
    /// What the statement asks for.
    pub deed: Deed,
}

/// What a statement asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a judge must know every one")]
pub enum Deed {
    /// A grant.
    Acquire {
        /// The number that has been watched.
        seen: Option<Rvn>,
        /// Its data.
        data: Option<Arc<[u8]>>,
        /// Whether the data is written over what is there.
        replace: bool,
    },
    /// A heartbeat.
    Renew,
    /// A heartbeat that changes the lease or the data.
    Amend {
        /// The data, if it changes.
        data: Option<Option<Arc<[u8]>>>,
    },
    /// A release.
    Release {
        /// Whether the data stays.
        keep_data: bool,
    },
    /// Somebody waits in the row's line.
    LineUp,
    /// What no client does of its own accord.
    Other,
}

impl Account {
    /// Adds something that happened to a lock.
    pub fn tell(&mut self, at: u64, of: Holder, step: Step) {
        self.add(at, What::Lock { of, step });
    }

    /// Adds something that happened.
    pub fn add(&mut self, at: u64, what: What) {
        self.entries.push(Entry { at, what });
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lock {} of w{}", self.lock, self.who)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Released => "released",
            Self::Unconfirmed => "released, unconfirmed",
            Self::Lost => "lost",
            Self::Busy { .. } => "busy",
            Self::TimedOut => "timed out",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}
