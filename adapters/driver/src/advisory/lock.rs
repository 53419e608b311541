//! The guard of an advisory lock: gives it back when it goes away.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::hold::AdvisoryHold;
use super::request::AdvisoryRequest;
use crate::ask::{Ask, Line, Ticket};
use crate::error::{Error, Loss};
use crate::lock::Released;

/// An advisory lock that was acquired. Dropping it gives it back in the background, without waiting; a program
/// that ends right afterwards should [`release`](AdvisoryLock::release) it, or shut the locks down, instead.
///
/// It can be asked all that an [`AdvisoryHold`] can.
#[must_use = "the lock is given back at once when its guard is dropped"]
pub struct AdvisoryLock {
    hold: AdvisoryHold,
    /// The same lock for the same owner, to be asked for once more.
    again: AdvisoryRequest,
    ticket: Ticket,
    line: Arc<Line>,
}

impl AdvisoryLock {
    pub(super) const fn new(
        hold: AdvisoryHold,
        again: AdvisoryRequest,
        ticket: Ticket,
        line: Arc<Line>,
    ) -> Self {
        Self { hold, again, ticket, line }
    }

    /// A look at the lock that can be handed to others; it does not keep the lock.
    #[must_use]
    pub fn hold(&self) -> AdvisoryHold {
        self.hold.clone()
    }

    /// Takes the lock once more, in the same mode and for the same owner, without asking the server. It is free for
    /// others when all guards are gone.
    ///
    /// # Errors
    /// [`Error::Lost`] if it is not held any more, [`Error::Closed`] if the locks are shut down.
    pub async fn again(&self) -> Result<Self, Error> {
        self.ensure_held()?;
        self.again.clone().acquire().await
    }

    /// Gives the lock back and waits until others can have it; if its owner has it more than once, that is when
    /// the last guard is gone, and this does not wait. It is not held through this guard from this call on, also
    /// if nobody waits for its end.
    ///
    /// # Errors
    /// [`Error::Lost`] if it was lost before.
    pub async fn release(self) -> Result<Released, Error> {
        let hold = self.hold.clone();
        drop(self);
        hold.released().await
    }
}

impl Deref for AdvisoryLock {
    type Target = AdvisoryHold;

    fn deref(&self) -> &AdvisoryHold {
        &self.hold
    }
}

/// Belief ends before anything is sent.
impl Drop for AdvisoryLock {
    fn drop(&mut self) {
        self.hold.end(Loss::Released);
        self.line.post(Ask::Release(self.ticket));
    }
}

impl fmt::Debug for AdvisoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AdvisoryLock").field(&self.hold).finish()
    }
}
