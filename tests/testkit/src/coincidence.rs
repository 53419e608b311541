//! What histories must come by, or else their silence proves little: named coincidences and how often
//! each was met.

macro_rules! coincidences {
    ($which:ident in $counts:ident: $($(#[doc = $words:literal])+ $name:ident),* $(,)?) => {
        /// Something worth meeting in a history.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $which { $($(#[doc = $words])+ $name),* }

        impl $which {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What it is, as a sentence.
            #[must_use]
            pub fn words(self) -> &'static str {
                let words = match self { $(Self::$name => concat!($($words),+)),* };
                words.trim_start()
            }
        }

        /// How often each was met.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $counts([u64; $which::ALL.len()]);

        impl Default for $counts {
            fn default() -> Self {
                Self([0; $which::ALL.len()])
            }
        }

        impl $counts {
            /// How often it was met.
            #[must_use]
            pub fn of(&self, which: $which) -> u64 {
                self.0.get(which as usize).copied().unwrap_or(0)
            }

            /// Counts those of another history, too.
            pub fn add(&mut self, other: &Self) {
                self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
            }

            pub(crate) fn met(&mut self, which: $which) {
                if let Some(count) = self.0.get_mut(which as usize) {
                    *count += 1;
                }
            }
        }
    };
}
pub(crate) use coincidences;

coincidences! {
    Coincidence in Coincidences:
    /// A free row was granted.
    Granted,
    /// A row was taken over whose holder had shown no sign of life.
    TookOver,
    /// A row was taken over that a Go client had left behind.
    TookOverFromGo,
    /// A row was taken over by a client that had nothing to do but wait for it, which must be prompt.
    TookOverPromptly,
    /// A client asked for a lock because it was told of its release.
    WokenByRelease,
    /// A lock was handed over to the first of those that wait in line.
    HandedOver,
    /// Whoever a lock was handed over to came for it.
    CameForIt,
    /// A lock was taken over that somebody did not come for to whom it had been handed over.
    NobodyCame,
    /// A lock was handed on by whoever did not want it any more.
    HandedOn,
    /// A row was refused because another client holds it.
    Refused,
    /// A row was refused because a Go client holds it.
    RefusedByGo,
    /// An acquire found a grant whose reply had been lost.
    LostGrantSettled,
    /// A renewal found that an earlier one without a known outcome had been applied.
    LostRenewalSettled,
    /// A statement was run twice.
    RunTwice,
    /// A statement wrote after its sender had closed the connection or had crashed.
    AppliedLate,
    /// An amendment made a lease shorter.
    LeaseShortened,
    /// A statement waited for a locked row until its lock time-out.
    LockTimedOut,
    /// A statement waited for a locked row and then went on.
    WaitedForRow,
    /// A renewal left out a locked row.
    RowSkipped,
    /// A renewal was answered that the row is somebody else's.
    LossLearned,
    /// A renewal of several locks failed, which splits it.
    BatchSplit,
    /// A statement was refused by a standby.
    StandbyMet,
    /// A grant arrived after its deadline.
    GrantTooLate,
    /// A grant arrived that nobody wanted any more.
    GrantUnwanted,
    /// A reply arrived on a connection that the client had given up.
    ReplyTooLate,
    /// A connection was given up on which a reply was awaited.
    SessionGivenUp,
    /// A connection broke on which a reply was awaited.
    ReplyCutOff,
    /// Nothing passed between a client and the server for a while.
    PathClogged,
    /// A stranger locked the table.
    TableLocked,
    /// A clock ran beyond what clients count on.
    ClockBeyondBound,
    /// A process stood still across a deadline.
    PausedAcrossDeadline,
    /// A process crashed while it held a lock.
    HolderCrashed,
    /// The server crashed while a lock was held.
    ServerCrashed,
    /// An operator deleted a row that was held.
    HeldRowDeleted,
    /// An operator released a lock that was held.
    HolderEvicted,
    /// A lock was refused because the clock is near its end.
    ClockExhausted,
    /// A waiter was told whom it waits for.
    Waiting,
    /// A holder was told that a renewal is overdue.
    AtRisk,
    /// An amendment came through.
    Amended,
    /// Ended: released, and the server said so.
    Released,
    /// Ended: released, but the server was silent.
    ReleasedUnconfirmed,
    /// Ended: expired.
    LostExpired,
    /// Ended: taken by somebody else.
    LostTakenOver,
    /// Ended: somebody else holds it.
    Busy,
    /// Ended: the time to wait has passed.
    TimedOut,
    /// Ended: cancelled.
    Cancelled,
    /// Ended: refused by the server.
    FailedByServer,
    /// Ended: a try found the row locked.
    FailedRowLocked,
    /// Ended: the server could not be reached.
    FailedUnreachable,
    /// Ended: the clock came to its end.
    FailedClockExhausted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_count_of_its_own() {
        let mut first = Coincidences::default();
        Coincidence::ALL.iter().for_each(|coincidence| first.met(*coincidence));
        let mut sum = first;
        sum.met(Coincidence::Busy);
        sum.add(&first);
        for coincidence in Coincidence::ALL {
            let expected = if *coincidence == Coincidence::Busy { 3 } else { 2 };
            assert_eq!(sum.of(*coincidence), expected, "{coincidence:?}");
        }
    }
}
