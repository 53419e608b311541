//! What a holder may know of its advisory lock. Whether it is held is [`Belief`]'s to say.

use std::fmt;
use std::ops::Deref;

use pglock_core::{AdvisoryKey, AdvisoryMode, Token};

use crate::belief::Belief;

/// Looks at a held advisory lock, without holding it: cheap to clone, and true for as long as it is kept.
///
/// It can be asked all that a [`Belief`] can: whether the lock is held, and for how long.
#[derive(Clone)]
pub struct AdvisoryHold {
    key: AdvisoryKey,
    mode: AdvisoryMode,
    token: Option<Token>,
    belief: Belief,
}

impl AdvisoryHold {
    pub(crate) const fn new(
        key: AdvisoryKey,
        mode: AdvisoryMode,
        token: Option<Token>,
        belief: Belief,
    ) -> Self {
        Self { key, mode, token, belief }
    }

    /// Where the lock stands, and its name if it has one.
    #[must_use]
    pub const fn key(&self) -> &AdvisoryKey {
        &self.key
    }

    /// Whether it is shared.
    #[must_use]
    pub const fn mode(&self) -> AdvisoryMode {
        self.mode
    }

    /// The fencing token that was drawn while the lock was held, if [they are drawn](crate::Options::advisory_tokens):
    /// later than any that was drawn for it before. Those who share what one handle holds, and all takes of one owner
    /// in one mode, share the token.
    #[must_use]
    pub const fn token(&self) -> Option<Token> {
        self.token
    }
}

impl Deref for AdvisoryHold {
    type Target = Belief;

    fn deref(&self) -> &Belief {
        &self.belief
    }
}

impl fmt::Debug for AdvisoryHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdvisoryHold")
            .field("key", &self.key)
            .field("mode", &self.mode)
            .field("token", &self.token)
            .field("held", &self.is_held())
            .finish_non_exhaustive()
    }
}
