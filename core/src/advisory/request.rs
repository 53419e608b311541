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
}

impl AdvisoryRequest {
    /// Waits for ever for the lock alone, on behalf of nobody else.
    #[must_use]
    pub fn new(key: impl Into<AdvisoryKey>) -> Self {
        Self { key: key.into(), mode: AdvisoryMode::Exclusive, wait: Wait::ForEver, owner: None }
    }
}
