//! What a caller can ask of a lock, and why an ask is turned down on the spot.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;

use crate::config::ConfigError;
use crate::name::{LockName, Owner};
use crate::output::LockId;

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
    /// repeated try takes over from a dead holder.
    Try,
    /// Until the holder shows a sign of life (busy) or its lease has passed (taken over). For
    /// programs that are started anew for each try, such as cron jobs.
    Probe,
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
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHeld(_) => f.write_str("the lock is not held (any more)"),
            Self::Timing(error) => error.fmt(f),
            Self::ShuttingDown => f.write_str("the client is shutting down"),
            Self::ClockExhausted => f.write_str("the clock is too near its end to time a lease"),
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
