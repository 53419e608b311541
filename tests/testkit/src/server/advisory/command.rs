//! What sessions say, and what they hear.

use pglock_core::{AdvisoryMode, AdvisoryPlace};

/// A number for a session.
pub type Session = u32;

/// How long a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "PostgreSQL has these two")]
pub enum Level {
    /// Until it is unlocked as often as it was taken, or the session ends.
    Session,
    /// Until the transaction ends.
    Transaction,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "what the name of a function and its arguments tell")]
pub struct Want {
    /// The key.
    pub place: AdvisoryPlace,
    /// In which mode.
    pub mode: AdvisoryMode,
    /// For how long.
    pub level: Level,
}

/// What a session sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Command {
    /// `pg_try_advisory_lock` and its kin, which never wait.
    Try(Want),
    /// `pg_advisory_lock` and its kin, which wait as long as it takes.
    Take(Want),
    /// `pg_advisory_unlock` or `pg_advisory_unlock_shared`: once less in this mode.
    Unlock(AdvisoryPlace, AdvisoryMode),
    /// `pg_advisory_unlock_all`: all that the session holds for itself.
    UnlockAll,
    /// `BEGIN`. In a transaction it does nothing.
    Begin,
    /// `COMMIT`. Outside of a transaction it does nothing.
    Commit,
    /// `ROLLBACK`. Outside of a transaction it does nothing.
    Rollback,
    /// `DISCARD ALL`.
    DiscardAll,
}

/// What cuts a wait short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Interruption {
    /// Its `lock_timeout` passes.
    LockTimeout,
    /// A cancel request, as of `pg_cancel_backend`.
    Cancel,
    /// It is the victim of a deadlock.
    Deadlock,
}

/// What a session hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// It has the lock.
    Granted,
    /// It has not, and does not wait: `false`.
    Busy,
    /// Nothing yet: it waits, and has the lock when it is woken.
    Queued,
    /// It held the lock, once less now: `true`.
    Unlocked,
    /// It did not hold the lock for itself in this mode, and nothing changes: `false`.
    NotHeld,
    /// It is done.
    Done,
    /// Nothing, and nothing changes: the session waits for an earlier command.
    Unread,
    /// An error.
    Failed(Failure),
}

/// An error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// Waiting would have no end.
    Deadlock,
    /// The lock table is full. Never the same as [`Answer::Busy`].
    OutOfMemory,
    /// It waited as long as it was to.
    LockTimeout,
    /// Somebody cancelled it.
    Cancelled,
    /// The session is ended.
    Terminated,
    /// `DISCARD ALL` in a transaction.
    ActiveTransaction,
    /// The transaction has failed before; only its end is heard.
    InFailedTransaction,
}

impl Failure {
    /// The code that the server sends.
    #[must_use]
    pub const fn sqlstate(self) -> &'static str {
        match self {
            Self::Deadlock => "40P01",
            Self::OutOfMemory => "53200",
            Self::LockTimeout => "55P03",
            Self::Cancelled => "57014",
            Self::Terminated => "57P01",
            Self::ActiveTransaction => "25001",
            Self::InFailedTransaction => "25P02",
        }
    }
}

impl From<Interruption> for Failure {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::LockTimeout => Self::LockTimeout,
            Interruption::Cancel => Self::Cancelled,
            Interruption::Deadlock => Self::Deadlock,
        }
    }
}

/// What came of something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain report")]
pub struct Reply {
    /// What the session hears.
    pub answer: Answer,
    /// Who got what they waited for, in order. Those granted at once are woken in the order of the queue.
    pub woken: Vec<Session>,
}

impl Reply {
    pub(super) const fn of(answer: Answer) -> Self {
        Self { answer, woken: Vec::new() }
    }

    pub(super) const fn done(woken: Vec<Session>) -> Self {
        Self { answer: Answer::Done, woken }
    }
}

/// In what servers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "before and after leave no third")]
pub enum Postgres {
    /// A try fails where another waits for what it asks, also if it comes from a holder of the key.
    Before17,
    /// A holder's try in the other mode passes those that wait for the holder.
    Since17,
}
