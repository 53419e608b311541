//! What a caller can ask of a lock, and why an ask is turned down on the spot.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::advisory::AdvisoryKey;
use crate::config::ConfigError;
use crate::name::{LockName, Owner};
use crate::output::LockId;
use crate::time::Instant;

/// How long an acquire goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a table of four")]
pub enum Wait {
    /// Until the lock is acquired or the acquire is cancelled, also through outages of the server.
    ForEver,
    /// At most this long, whatever becomes of the asking: a span shorter than a round trip is over before any
    /// answer. To ask just once there is [`Wait::Try`].
    AtMost(Duration),
    /// Not at all: busy if somebody holds it. Tries of one client remember what they saw, so a
    /// repeated try takes over from a dead holder. Only where the lock was just handed over to one who waits, a
    /// try sees whether it comes, for two polls at most.
    Try,
    /// Until the holder shows a sign of life (busy) or its lease has passed (taken over). For
    /// programs that are started anew for each try, such as cron jobs.
    Probe,
}

impl Wait {
    /// When an acquire of that moment stops waiting if nothing happens; one that does not wait for others waits as
    /// long as this for the server.
    pub(crate) fn gives_up_at(self, now: Instant, patience: Duration) -> Option<Instant> {
        match self {
            Self::ForEver => None,
            Self::AtMost(span) => Some(now.saturating_add(span)),
            Self::Try | Self::Probe => Some(now.saturating_add(patience)),
        }
    }

    pub(crate) const fn waits_its_turn(self) -> bool {
        match self {
            Self::ForEver | Self::AtMost(_) => true,
            Self::Try | Self::Probe => false,
        }
    }
}

/// Who renews the lease while the lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a table of two")]
pub enum Heartbeat {
    /// The client, this often.
    Every(Duration),
    /// The caller. Without a call the lock lasts one lease.
    ByHand,
}

/// An acquire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Request {
    /// Which lock.
    pub name: LockName,
    /// How long to go on.
    pub wait: Wait,
    /// Its lease, in whole milliseconds; the client's if `None`.
    pub lease: Option<Duration>,
    /// Its heartbeats; the client's, or a quarter of `lease` if that is given.
    pub heartbeat: Option<Heartbeat>,
    /// Who holds it, for people; the client's if `None`.
    pub owner: Option<Owner>,
    /// Data to put into the row if there is none, or always with `replace_data`.
    pub data: Option<Arc<[u8]>>,
    /// Whether `data` replaces what an earlier holder left.
    pub replace_data: bool,
    /// Whether the data stays in the row after release.
    pub keep_data: bool,
}

impl Request {
    /// Waits for ever, with the client's settings and no data.
    #[must_use]
    pub const fn new(name: LockName) -> Self {
        Self {
            name,
            wait: Wait::ForEver,
            lease: None,
            heartbeat: None,
            owner: None,
            data: None,
            replace_data: false,
            keep_data: false,
        }
    }
}

/// A change of a held lock: a renewal that also sets another lease, other data, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "made by callers, field by field")]
pub struct Amendment {
    /// The new lease, in whole milliseconds. Heartbeats become a quarter of it where the client
    /// makes them.
    pub lease: Option<Duration>,
    /// The new data; `Some(None)` empties it.
    pub data: Option<Option<Arc<[u8]>>>,
}

/// Why an ask was turned down at once. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AskError {
    /// The client holds no such lock (any more).
    NotHeld(LockId),
    /// The lease and heartbeat asked for cannot be kept.
    Timing(ConfigError),
    /// The client is shutting down.
    ShuttingDown,
    /// The clock stands so near its end that a lock could not expire.
    ClockExhausted,
    /// Two names were mapped to one place, and one session would get both locks at once.
    NameClash {
        /// The lock that was asked for.
        asked: AdvisoryKey,
        /// The one that is held or waited for there.
        other: AdvisoryKey,
    },
    /// An owner that shares the lock may not wait to have it alone: two that do would wait for each other. Try
    /// it, or release first.
    Upgrade(AdvisoryKey),
    /// The client's advisory locks stand in as many places as it may use on its server.
    TooManyPlaces {
        /// How many that is.
        budget: usize,
    },
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHeld(_) => f.write_str("the lock is not held (any more)"),
            Self::Timing(error) => error.fmt(f),
            Self::ShuttingDown => f.write_str("the client is shutting down"),
            Self::ClockExhausted => f.write_str("the clock is too near its end to time a lease"),
            Self::NameClash { asked, other } => write!(
                f,
                "{asked} is the place of {other}, too, and one session would get both; use another mapping or a pair"
            ),
            Self::Upgrade(key) => write!(
                f,
                "whoever shares {key} may not wait to have it alone, since another may do the same; \
                 try it without waiting, or release it first"
            ),
            Self::TooManyPlaces { budget } => write!(
                f,
                "this client's advisory locks stand in {budget} places already, which is its limit; release some, \
                 or raise `advisory_places` if the server's lock table has the room (max_locks_per_transaction)"
            ),
        }
    }
}

impl core::error::Error for AskError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn refusals_say_why() {
        let zero = ConfigError::Zero { setting: "heartbeat" };
        for (refusal, words) in [
            (AskError::NotHeld(LockId::new(0)), "the lock is not held (any more)"),
            (AskError::Timing(zero), "heartbeat must not be zero"),
            (AskError::ShuttingDown, "the client is shutting down"),
            (AskError::ClockExhausted, "the clock is too near its end to time a lease"),
        ] {
            assert_eq!(refusal.to_string(), words);
        }
    }
}
