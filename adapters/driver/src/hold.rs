//! What a holder may know of its lease lock. Whether it is held is [`Belief`]'s to say.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;
use pglock_core::{Grant, LockName, Token};

use crate::belief::{Belief, Ending};
use crate::clock::Clock;
use crate::error::Loss;

/// Looks at a held lock, without holding it: cheap to clone, and true for as long as it is kept.
///
/// It can be asked all that a [`Belief`] can: whether the lock is held, and for how long.
#[derive(Clone)]
pub struct Hold {
    facts: Arc<Facts>,
    belief: Belief,
}

struct Facts {
    name: LockName,
    token: Token,
    data: Mutex<Option<Arc<[u8]>>>,
}

impl Hold {
    pub(crate) fn new(
        name: LockName,
        grant: Grant,
        clock: Arc<dyn Clock>,
    ) -> (Self, oneshot::Sender<Ending>) {
        let (belief, ending) = Belief::new(grant.valid_until, Loss::Expired, clock);
        let data = Mutex::new(grant.data.map(Into::into));
        let facts = Facts { name, token: grant.token, data };
        (Self { facts: Arc::new(facts), belief }, ending)
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.facts.name.as_str()
    }

    /// The fencing token: hand it to whatever the lock protects, which should refuse smaller ones.
    #[must_use]
    pub fn token(&self) -> Token {
        self.facts.token
    }

    /// The data in the row: what came with the lock, or what was set since.
    #[must_use]
    pub fn data(&self) -> Option<Arc<[u8]>> {
        self.facts.data.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_data(&self, data: Option<Arc<[u8]>>) {
        *self.facts.data.lock().unwrap_or_else(PoisonError::into_inner) = data;
    }
}

impl Deref for Hold {
    type Target = Belief;

    fn deref(&self) -> &Belief {
        &self.belief
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("name", &self.name())
            .field("token", &self.token())
            .field("held", &self.is_held())
            .finish_non_exhaustive()
    }
}
