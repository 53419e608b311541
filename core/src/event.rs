//! What callers are told.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::error::Failure;
use crate::identity::Token;
use crate::output::{LockId, QuestionId};
use crate::question::Answer;
use crate::time::Instant;

/// Something a caller is told. Each lock gets exactly one terminal event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// The lock is held.
    Acquired {
        /// Which.
        lock: LockId,
        /// What comes with it.
        grant: Grant,
    },
    /// The advisory lock is held; [`Client::valid_until`](crate::Client::valid_until) says until when.
    AdvisoryAcquired {
        /// Which.
        lock: LockId,
        /// The fencing token that was drawn for it, if [they are drawn](crate::Config::advisory_tokens). Those who share
        /// what one session holds, and all takes of one owner in one mode, share the token, too.
        token: Option<Token>,
    },
    /// The acquire waits for another client; told once per holder.
    Waiting {
        /// Which.
        lock: LockId,
        /// For whom.
        holder: Holder,
    },
    /// The lock is now valid until another moment: renewed, or about to be shortened.
    Renewed {
        /// Which.
        lock: LockId,
        /// When what was acknowledged last had been sent; a heartbeat asked for after it is on its way yet.
        sent: Instant,
        /// Held while the clock reads less.
        valid_until: Instant,
    },
    /// An amendment stands in the row.
    Amended {
        /// Which.
        lock: LockId,
    },
    /// An amendment was refused; the lock is still held and the row unchanged.
    AmendFailed {
        /// Which.
        lock: LockId,
        /// Why.
        failure: Failure,
    },
    /// A renewal is overdue; the lock is still held.
    AtRisk {
        /// Which.
        lock: LockId,
        /// Held while the clock reads less.
        valid_until: Instant,
    },
    /// Terminal: the lock was given back.
    Released {
        /// Which.
        lock: LockId,
        /// Whether the server confirmed it. If not, others get the lock when its lease has passed, or the
        /// server has seen that its session is gone.
        confirmed: bool,
    },
    /// Terminal: the lock is no longer held though nobody released it.
    Lost {
        /// Which.
        lock: LockId,
        /// How it came.
        cause: LossCause,
    },
    /// Terminal: somebody else holds the lock (try, probe).
    Busy {
        /// Which.
        lock: LockId,
        /// Who, if the try saw the row.
        holder: Option<Holder>,
    },
    /// Terminal: the time to wait has passed.
    TimedOut {
        /// Which.
        lock: LockId,
        /// Who held it when the row was last seen.
        holder: Option<Holder>,
    },
    /// Terminal: the acquire, or the release, failed.
    Failed {
        /// Which.
        lock: LockId,
        /// Why.
        failure: Failure,
    },
    /// Terminal: the acquire was cancelled.
    Cancelled {
        /// Which.
        lock: LockId,
    },
    /// A question was answered, or failed.
    Answered {
        /// Which.
        question: QuestionId,
        /// The answer.
        answer: Result<Answer, Failure>,
    },
}

impl Event {
    /// The lock it is about; `None` for the answer to a question.
    #[must_use]
    pub const fn lock(&self) -> Option<LockId> {
        match self {
            Self::Acquired { lock, .. }
            | Self::AdvisoryAcquired { lock, .. }
            | Self::Waiting { lock, .. }
            | Self::Renewed { lock, .. }
            | Self::Amended { lock }
            | Self::AmendFailed { lock, .. }
            | Self::AtRisk { lock, .. }
            | Self::Released { lock, .. }
            | Self::Lost { lock, .. }
            | Self::Busy { lock, .. }
            | Self::TimedOut { lock, .. }
            | Self::Failed { lock, .. }
            | Self::Cancelled { lock } => Some(*lock),
            Self::Answered { .. } => None,
        }
    }

    /// Whether it is the last one about its lock.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        match self {
            Self::Released { .. }
            | Self::Lost { .. }
            | Self::Busy { .. }
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. } => true,
            Self::Acquired { .. }
            | Self::AdvisoryAcquired { .. }
            | Self::Waiting { .. }
            | Self::Renewed { .. }
            | Self::Amended { .. }
            | Self::AmendFailed { .. }
            | Self::AtRisk { .. }
            | Self::Answered { .. } => false,
        }
    }
}

/// What comes with an acquired lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Grant {
    /// The fencing token.
    pub token: Token,
    /// The data in the row after the grant.
    pub data: Option<Vec<u8>>,
    /// Held while the clock reads less.
    pub valid_until: Instant,
}

/// A foreign holder, as this client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Holder {
    /// Its label; `None` if the lock was handed over to somebody who has not come for it yet.
    pub owner: Option<String>,
    /// Its fencing token; `None` then, and for clients that draw none.
    pub token: Option<Token>,
    /// How long it must show no sign of life before the lock is taken over.
    pub lease: Duration,
    /// How long it has shown none, on this client's clock.
    pub unchanged_for: Duration,
}

/// How a lock was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LossCause {
    /// No heartbeat was acknowledged in time.
    Expired,
    /// The row carries another number: somebody took the lock over, or an operator released it. Also
    /// told of a release that a pooler has run twice.
    TakenOver,
    /// The session that held the advisory lock has ended, or gave no sign of life for too long.
    SessionEnded,
    /// The session holds the advisory lock no more: somebody else used the session, or has reset it.
    Robbed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_ends_with_its_last_event_only() {
        let lock = LockId::new(0);
        for last in [
            Event::Released { lock, confirmed: false },
            Event::Lost { lock, cause: LossCause::Expired },
            Event::Busy { lock, holder: None },
            Event::TimedOut { lock, holder: None },
            Event::Failed { lock, failure: Failure::RowLocked },
            Event::Cancelled { lock },
        ] {
            assert!(last.is_terminal(), "{last:?}");
        }
        assert!(!Event::Amended { lock }.is_terminal());
    }
}
