//! What may still happen.

/// How often each thing may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub(super) tries: u8,
    pub(super) heartbeats: u8,
    pub(super) releases: u8,
    pub(super) partings: u8,
    pub(super) losses: u8,
    pub(super) crashes: u8,
    pub(super) lateness: u8,
}

impl Left {
    /// The lesser of both, each by itself.
    pub(super) fn least(self, other: Self) -> Self {
        Self {
            tries: self.tries.min(other.tries),
            heartbeats: self.heartbeats.min(other.heartbeats),
            releases: self.releases.min(other.releases),
            partings: self.partings.min(other.partings),
            losses: self.losses.min(other.losses),
            crashes: self.crashes.min(other.crashes),
            lateness: self.lateness.min(other.lateness),
        }
    }
}

/// Takes `cost` off what is left, if that much is.
pub(super) const fn spend(left: &mut u8, cost: u8) -> bool {
    match left.checked_sub(cost) {
        Some(rest) => {
            *left = rest;
            true
        }
        None => false,
    }
}
