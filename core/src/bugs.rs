//! Deliberate bugs, for checking that the checks can fail. Every one is off, and costs nothing, unless
//! the crate is built with `--cfg pglock_bugs`, which no release ever is.

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident),* $(,)?) => {
        /// A mistake that the tests must notice. The numbers are those of the list of deliberate bugs; one
        /// with a name of its own is not on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Bug { $($(#[$doc])* $bug),* }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug),*];
        }
    };
}

bugs! {
    /// The deadline is measured from the reply instead of the sending.
    M01,
    /// The holder trusts the whole lease, without a margin.
    M02,
    /// The margin covers one clock only.
    M03,
    /// The granularity is left out of the margin.
    M04,
    /// The deadline is one per cent late.
    M05,
    /// The deadline is one per mille late.
    M05Permille,
    /// The deadline is a hundredth of a per cent late.
    M05Permyriad,
    /// A challenger times its wait from the sending of its request.
    M06,
    /// The wait is not restarted when the record version number changes.
    M07,
    /// A challenger waits its own lease, not the row's.
    M08,
    /// A heartbeat does not check the number.
    M09,
    /// A release does not check the number.
    M10,
    /// Numbers restart when a row is deleted.
    M11,
    /// A success that comes too late counts.
    M12,
    /// A definite loss is ignored until the deadline.
    M13,
    /// An unknown outcome counts as success.
    M14,
    /// An unknown outcome counts as loss.
    M15,
    /// The deadline is never enforced.
    M16,
    /// Belief ends with the reply to a release.
    M17,
    /// The reply to an older request counts.
    M18,
    /// A take-over keeps the token.
    M19,
    /// Tokens begin anew when a row is deleted.
    M21,
    /// A heartbeat draws a token.
    M22,
    /// A take-over compares the owner, not the number.
    M23,
    /// A lease is shortened before the deadline is lowered.
    M25,
    /// A clock that somebody sets back. An embedding's bug; the world's to make.
    M27,
    /// A clock that stands still while its process does. An embedding's bug; the world's to make.
    M28,
    /// A refused acquire writes the row as it was.
    M34,
    /// A take-over replaces the data though it was not asked to.
    M35,
    /// The data of a holder whose lock is gone is written.
    M36,
    /// A grant shows the data that the row had when its statement began.
    M37,
    /// What a try that failed may have taken is not given back.
    M47,
    /// An advisory lock counts as given back though the session did not hold it.
    M48,
    /// Whatever was taken, the shared lock is unlocked.
    M49,
    /// A session that is given up is not closed.
    M50,
    /// Two names at one place are held at once.
    M51,
    /// Nobody looks whether the session of the advisory locks lasts.
    M52,
    /// Advisory locks outlive their session.
    M53,
    /// A try takes an error for somebody else's lock.
    M54,
    /// A standby's advisory locks count.
    M55,
    /// A challenger's deadline wraps at the end of the clock.
    M56,
    /// Whoever is to be told of a release looks no more.
    M41,
    /// Held at the very moment of the deadline.
    M57,
    /// Two terminal events for one lock.
    M58,
    /// A renewal accepts any number of ours, or a newer one.
    M59,
    /// An abandoned acquire is not given back.
    M60,
    /// A number is used again when a renewal is repeated.
    M61,
    /// The own new number is missing in the predicate.
    M62,
    /// Numbers are drawn from the seed.
    M63,
    /// A lease counts although a Go client wrote the row.
    M64,
    /// `now` of an outcome is read before the reply has arrived. A driver's bug; the world's to make.
    M66,
    /// One bad row fails a whole batch of renewals.
    M67,
    /// Renewals wait behind a blocked grant.
    M68,
    /// A statement that waits in line for an advisory lock is told that its time has passed, and has the lock. The
    /// world's to make.
    Leaks,
    /// A notification that comes before the refusal it makes void is forgotten.
    Deaf,
    /// The bell of a place goes on ringing when nobody waits there any more.
    BellRingsOn,
    /// A challenger waits two leases: safe, but too slow.
    TwoLeases,
    /// A waiter lets two more polls pass before it looks again: safe, but too slow.
    TwoPolls,
    /// Whoever gives up stays in line, and the lock is handed over to it.
    StaysInLine,
    /// A ticket waits in line a second time.
    OldTicket,
    /// Whoever lines up stands in front of all others.
    LinesUpInFront,
    /// A release hands the lock over to whoever came last.
    LastInLine,
    /// A lock that was handed over is taken by whoever sees it first.
    ComesBetween,
    /// A lock that was handed over is kept for as long as any lease.
    KeptForEver,
}

impl Bug {
    /// Whether it is one of advisory locks, which have a simulated world of their own.
    #[must_use]
    pub const fn is_of_advisory_locks(self) -> bool {
        matches!(
            self,
            Self::M47
                | Self::M48
                | Self::M49
                | Self::M50
                | Self::M51
                | Self::M52
                | Self::M53
                | Self::M55
                | Self::Leaks
                | Self::Deaf
                | Self::BellRingsOn
        )
    }
}

#[cfg(pglock_bugs)]
std::thread_local! {
    static ACTIVE: core::cell::Cell<[Option<Bug>; 2]> = const { core::cell::Cell::new([None; 2]) };
}

/// Makes `bug` on this thread, or none.
#[cfg(pglock_bugs)]
pub fn switch_on(bug: Option<Bug>) {
    ACTIVE.set([bug, None]);
}

/// Makes two bugs at once on this thread.
#[cfg(pglock_bugs)]
pub fn switch_on_both(bugs: (Bug, Bug)) {
    ACTIVE.set([Some(bugs.0), Some(bugs.1)]);
}

/// Whether `bug` is to be made on this thread.
#[cfg(pglock_bugs)]
#[must_use]
pub fn made(bug: Bug) -> bool {
    ACTIVE.get().contains(&Some(bug))
}

/// Whether `bug` is to be made: never.
#[cfg(not(pglock_bugs))]
#[must_use]
#[inline(always)]
pub const fn made(_: Bug) -> bool {
    false
}
