//! What histories of advisory locks must come by, or else their silence proves little.

use crate::coincidence::coincidences;

coincidences! {
    Coincidence in Coincidences:
    /// A session took a lock.
    Granted,
    /// A session was refused a lock.
    Refused,
    /// A session waited in line, and a lock was handed over to it.
    HandedOver,
    /// A session waited in line in vain until its slice had passed.
    SlicePassed,
    /// A session ended while it waited in line.
    EndedInLine,
    /// A lock was taken once more by an owner that had it.
    Stacked,
    /// A lock was granted that nobody wanted any more.
    GrantUnwanted,
    /// A session was refused a lock, and left the bell of its place ringing.
    Rung,
    /// A client that was told of an unlock tried at once.
    WokenByUnlock,
    /// A bell was quieted since nobody waited any more.
    Quieted,
    /// A name was turned down because another stands at its place.
    NameClash,
    /// An owner that shares a lock was not let wait to have it alone.
    UpgradeRefused,
    /// After an error it was found that the lock had been taken, and it was given back.
    FoundTaken,
    /// After an error it was found that the lock had not been taken.
    FoundFree,
    /// The server's lock table was full.
    LockTableFull,
    /// A session was told that it carries another mark, or none.
    MarkGone,
    /// A session was told that it did not hold what it gave back.
    LockGone,
    /// A standby was refused.
    StandbyRefused,
    /// A connection was refused that is no session of its own.
    PoolerRefused,
    /// A server was refused that has no locks.
    StubRefused,
    /// A holder was told that its session is silent.
    AtRisk,
    /// Ended: the session ended, or was silent for too long.
    LostSession,
    /// Ended: the session was no longer what it had been.
    LostRobbed,
    /// Ended: given back, and the server said so.
    Released,
    /// Ended: given back, but the server was silent.
    ReleasedUnconfirmed,
    /// Ended: somebody else has it.
    Busy,
    /// Ended: the time to wait has passed.
    TimedOut,
    /// Ended: cancelled.
    Cancelled,
    /// Ended: refused by the server.
    FailedByServer,
    /// Ended: the server could not be reached.
    FailedUnreachable,
    /// A reply arrived on a connection that the client had given up.
    ReplyTooLate,
    /// A statement took a lock after its sender had closed the connection or had crashed.
    TakenLate,
}
