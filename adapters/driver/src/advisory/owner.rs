//! On whose behalf advisory locks are taken.

use std::sync::atomic::{AtomicU64, Ordering};

use pglock_core::OwnerId;

/// On whose behalf advisory locks are taken: those of one owner stack, two owners exclude each other as two
/// processes do. Clones are the same one. No two of a process are, whichever handle they came from.
#[derive(Clone, Debug)]
pub struct AdvisoryOwner {
    id: OwnerId,
}

impl AdvisoryOwner {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: OwnerId::new(NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    pub(crate) const fn id(&self) -> OwnerId {
        self.id
    }
}
