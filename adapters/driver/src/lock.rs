//! The guard of a lease lock: gives it back when it goes away. What may be believed meanwhile is [`Hold`]'s.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use pglock_core::Amendment;

use crate::ask::{Ask, Line, Ticket};
use crate::error::{Error, Loss};
use crate::hold::Hold;

/// A lock that was acquired. Dropping it gives it back in the background, without waiting; a program that
/// ends right afterwards should [`release`](Lock::release) it, or shut the locks down, instead.
///
/// It can be asked all that a [`Hold`] can.
#[must_use = "the lock is given back at once when its guard is dropped"]
pub struct Lock {
    hold: Hold,
    ticket: Ticket,
    line: Arc<Line>,
}

/// How a lock was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Released {
    /// Whether the server confirmed it. If not, others get the lock when its lease has passed, or the server has
    /// seen that its session is gone.
    pub confirmed: bool,
}

impl Lock {
    pub(crate) fn new(hold: Hold, ticket: Ticket, line: Arc<Line>) -> Self {
        Self { hold, ticket, line }
    }

    /// A look at the lock that can be handed to others; it does not keep the lock.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.hold.clone()
    }

    /// Gives the lock back and waits until others can have it. It is not held from this call on, also
    /// if nobody waits for its end.
    ///
    /// # Errors
    /// [`Error::Lost`] if it was lost before, [`Error::Failed`] if the server refused: then others get
    /// it when its lease has passed.
    pub async fn release(self) -> Result<Released, Error> {
        let hold = self.hold.clone();
        drop(self);
        hold.released().await
    }

    /// Renews the lease now: needed with heartbeats by hand only.
    ///
    /// # Errors
    /// [`Error::Lost`] if it is lost before the server has confirmed.
    pub async fn heartbeat(&self) -> Result<(), Error> {
        self.ask(Ask::Heartbeat).await
    }

    /// Renews the lock with another lease, shorter or longer; heartbeats become a quarter of it where
    /// they are not made by hand.
    ///
    /// # Errors
    /// [`Error::Config`] if the lease cannot be kept, [`Error::Failed`] if the server refused: the
    /// lease is unchanged. [`Error::Lost`] if the lock is lost before the server has confirmed.
    pub async fn extend(&self, lease: Duration) -> Result<(), Error> {
        self.amend(Amendment { lease: Some(lease), data: None }).await
    }

    /// Puts other data into the row.
    ///
    /// # Errors
    /// [`Error::Failed`] if the server refused: the data is unchanged. [`Error::Lost`] if the lock is
    /// lost before the server has confirmed.
    pub async fn set_data(&self, data: impl AsRef<[u8]>) -> Result<(), Error> {
        let data = Some(Some(data.as_ref().into()));
        self.amend(Amendment { lease: None, data }).await
    }

    /// Empties the data in the row.
    ///
    /// # Errors
    /// As [`Lock::set_data`].
    pub async fn clear_data(&self) -> Result<(), Error> {
        self.amend(Amendment { lease: None, data: Some(None) }).await
    }

    async fn amend(&self, amendment: Amendment) -> Result<(), Error> {
        self.ask(|ticket, reply| Ask::Amend(ticket, amendment, reply)).await
    }

    async fn ask(
        &self,
        ask: impl FnOnce(Ticket, oneshot::Sender<Result<(), Error>>) -> Ask,
    ) -> Result<(), Error> {
        let (reply, told) = oneshot::channel();
        self.line.post(ask(self.ticket, reply));
        told.await.unwrap_or_else(|_| Err(Error::Lost(self.hold.loss())))
    }
}

impl Deref for Lock {
    type Target = Hold;

    fn deref(&self) -> &Hold {
        &self.hold
    }
}

/// Belief ends before anything is sent.
impl Drop for Lock {
    fn drop(&mut self) {
        self.hold.end(Loss::Released);
        self.line.post(Ask::Release(self.ticket));
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lock").field(&self.hold).finish()
    }
}
