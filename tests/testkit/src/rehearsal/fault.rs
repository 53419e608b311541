//! What went wrong in a rehearsal: a program that has never met a fault has not been tried by it.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Something that went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault { $($(#[$doc])* $name),* }

        impl Fault {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

faults! {
    /// A message took much longer than usual.
    Delayed,
    /// A statement never reached the server, and nobody said so.
    RequestLost,
    /// An answer never came, and nobody said so.
    ReplyLost,
    /// A connection broke before a statement reached the server.
    BrokenBefore,
    /// A connection broke after a statement was run.
    BrokenAfter,
    /// A statement wrote after its connection had been closed, or its process had died.
    AppliedLate,
    /// A statement was run twice.
    RunTwice,
    /// A statement failed for a reason that has nothing to do with it.
    StrayError,
    /// A statement had to wait for a row that a stranger had locked.
    RowLocked,
    /// A connection was refused.
    Refused,
    /// Nobody answered when a connection was opened.
    NoAnswer,
    /// A connection led to a standby.
    Standby,
    /// The server restarted, which ends all connections.
    ServerRestarted,
    /// A process stood still.
    StoodStill,
    /// A process stood still between reading its clock and sending a statement.
    StoodStillBeforeSending,
    /// A process died, and was started anew.
    Crashed,
    /// The rate of a clock changed.
    RateChanged,
    /// Futures were woken for no reason.
    WokenForNothing,
    /// A future was dropped before its end, as [`Client::may_drop`](super::Client::may_drop) does.
    Dropped,
    /// A notification was lost, or came twice.
    NoticeLost,
}
