//! What a caller can ask of an advisory lock.

use core::fmt;

use super::AdvisoryKey;
use crate::request::Wait;

/// Whether an advisory lock is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the server has these two")]
pub enum AdvisoryMode {
    /// With nobody.
    Exclusive,
    /// With others who share it.
    Shared,
}

impl AdvisoryMode {
    /// Whether two owners cannot hold a key in these modes at once.
    #[must_use]
    pub fn conflicts(self, other: Self) -> bool {
        self == Self::Exclusive || other == Self::Exclusive
    }
}

impl fmt::Display for AdvisoryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        })
    }
}

/// On whose behalf an advisory lock is taken, by a number of the caller's choice. Locks of one owner stack; two
/// owners of one client exclude each other as two processes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(u64);

impl OwnerId {
    /// The owner of this number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// An acquire of an advisory lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AdvisoryRequest {
    /// Which lock.
    pub key: AdvisoryKey,
    /// In which mode.
    pub mode: AdvisoryMode,
    /// How long to go on. A probe is no more than a try: the server says of no holder that it is dead.
    pub wait: Wait,
    /// On whose behalf; on behalf of nobody else if `None`.
    pub owner: Option<OwnerId>,
    /// Whether to wait in the server's own queue: the lock is handed over at once, to those who wait there in the
    /// order of their coming, whoever gives it back. Else whoever waits is told of an unlock by another client, and asks
    /// again every [poll](crate::Config::poll). A try or a probe waits nowhere.
    ///
    /// It costs a connection for each place waited for, which then holds the lock until it is given back. The wait is
    /// cut into [slices](crate::Config::slice), since a statement that waits keeps a snapshot, for which
    /// `CREATE INDEX CONCURRENTLY` waits in turn; with each slice the place in the queue is lost.
    ///
    /// A place that the client holds or awaits already goes on as it is served, by the queue or by polls, for all
    /// its waiters; polls also serve those for whom no more of the [lines](crate::Config::lines) is left.
    pub in_line: bool,
}

impl AdvisoryRequest {
    pub(super) const fn waits_in_line(&self) -> bool {
        self.in_line && self.wait.waits_its_turn()
    }

    /// Waits for ever for the lock alone, on behalf of nobody else.
    #[must_use]
    pub fn new(key: impl Into<AdvisoryKey>) -> Self {
        Self {
            key: key.into(),
            mode: AdvisoryMode::Exclusive,
            wait: Wait::ForEver,
            owner: None,
            in_line: false,
        }
    }
}
