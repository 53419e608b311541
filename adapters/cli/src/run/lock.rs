//! The lock that a command runs under, of whichever family.

use std::ops::Deref;

use pglock_tokio::{self as pglock, AdvisoryLock, Belief, Error, Released, Token};

pub(super) enum Lock {
    Lease(pglock::Lock),
    Advisory(AdvisoryLock),
}

impl Lock {
    /// Nothing where there are none.
    pub(super) fn token(&self) -> Option<Token> {
        match self {
            Self::Lease(lock) => Some(lock.token()),
            Self::Advisory(_) => None,
        }
    }

    pub(super) async fn release(self) -> Result<Released, Error> {
        match self {
            Self::Lease(lock) => lock.release().await,
            Self::Advisory(lock) => lock.release().await,
        }
    }
}

impl Deref for Lock {
    type Target = Belief;

    fn deref(&self) -> &Belief {
        match self {
            Self::Lease(lock) => lock,
            Self::Advisory(lock) => lock,
        }
    }
}
