//! An acquire on its way, of whichever family, and what is made of its result.

use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc;
use pglock_core::Holder;

use crate::ask::{Ask, Line, Progress, Ticket};
use crate::error::Error;
use crate::lock::Released;

/// An acquire under way. Dropping it cancels it, which changes nothing once it has ended.
pub(crate) struct Acquiring<H> {
    line: Arc<Line>,
    ticket: Ticket,
    progress: mpsc::UnboundedReceiver<Progress<H>>,
    granted: bool,
}

impl<H> Acquiring<H> {
    pub(crate) fn new(
        line: Arc<Line>,
        ask: impl FnOnce(Ticket, mpsc::UnboundedSender<Progress<H>>) -> Ask,
    ) -> Self {
        let ticket = line.ticket();
        let (sender, progress) = mpsc::unbounded();
        line.post(ask(ticket, sender));
        Self { line, ticket, progress, granted: false }
    }

    /// What is held, and by which number to give it back.
    pub(crate) async fn granted(
        mut self,
        mut on_waiting: impl FnMut(&Holder),
    ) -> Result<(H, Ticket), Error> {
        loop {
            match self.progress.next().await {
                Some(Progress::Waiting(holder)) => on_waiting(&holder),
                Some(Progress::Granted(hold)) => {
                    self.granted = true;
                    return Ok((hold, self.ticket));
                }
                Some(Progress::Refused(error)) => return Err(error),
                None => return Err(Error::Closed),
            }
        }
    }
}

impl<H> Drop for Acquiring<H> {
    fn drop(&mut self) {
        if !self.granted {
            self.line.post(Ask::Cancel(self.ticket));
        }
    }
}

/// What was done under a lock, unless the lock was lost: also if that is learnt only by giving it back.
pub(crate) fn kept<T>(
    done: Result<T, Error>,
    released: Result<Released, Error>,
) -> Result<T, Error> {
    match released {
        Err(Error::Lost(loss)) => done.and(Err(Error::Lost(loss))),
        Ok(_) | Err(_) => done,
    }
}

pub(crate) fn unless_busy<L>(acquired: Result<L, Error>) -> Result<Option<L>, Error> {
    match acquired {
        Ok(lock) => Ok(Some(lock)),
        Err(Error::Busy(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
