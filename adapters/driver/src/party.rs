//! Whoever asked for a lock, from the ask to the end: what it waits for, what it holds, what it is told. Knows
//! neither the core nor the loop.

use std::ops::Deref;
use std::sync::Arc;

use futures::channel::{mpsc, oneshot};
use pglock_core::{AdvisoryKey, AdvisoryMode, Holder, Instant, LockName};

use crate::advisory::AdvisoryHold;
use crate::ask::{Progress, Reply, Ticket};
use crate::belief::{Belief, Ending};
use crate::error::{Error, Loss};
use crate::hold::Hold;

pub(crate) struct Party {
    pub(crate) ticket: Ticket,
    pub(crate) stage: Stage,
}

pub(crate) enum Stage {
    Asking(Asker),
    Holding(Holding),
    /// The acquire was cancelled: whatever becomes of it, nobody wants to know.
    Cancelled,
}

/// Whoever waits for a lock of either family.
pub(crate) enum Asker {
    Lease(LockName, mpsc::UnboundedSender<Progress<Hold>>),
    Advisory(AdvisoryKey, AdvisoryMode, mpsc::UnboundedSender<Progress<AdvisoryHold>>),
}

pub(crate) struct Holding {
    pub(crate) held: Held,
    ending: oneshot::Sender<Ending>,
    /// Whoever waits for a renewal, and since when: one that was sent before does not count.
    heartbeats: Vec<(Instant, Reply<()>)>,
    amendments: Vec<(Option<NewData>, Reply<()>)>,
}

/// What to put into the row, if anything.
pub(crate) type NewData = Option<Arc<[u8]>>;

/// What is held.
pub(crate) enum Held {
    Lease(Hold),
    Advisory(AdvisoryHold),
}

impl Party {
    pub(crate) const fn new(ticket: Ticket, asker: Asker) -> Self {
        Self { ticket, stage: Stage::Asking(asker) }
    }

    pub(crate) const fn holding(&mut self) -> Option<&mut Holding> {
        match &mut self.stage {
            Stage::Holding(holding) => Some(holding),
            Stage::Asking(_) | Stage::Cancelled => None,
        }
    }

    /// Whatever it holds is not held from now on.
    pub(crate) fn end_belief(&self, loss: Loss) {
        match &self.stage {
            Stage::Holding(holding) => holding.held.end(loss),
            Stage::Asking(_) | Stage::Cancelled => {}
        }
    }

    pub(crate) fn waits_for(&self, holder: Holder) {
        match &self.stage {
            Stage::Asking(Asker::Lease(_, progress)) => report(progress, Progress::Waiting(holder)),
            Stage::Asking(Asker::Advisory(..)) | Stage::Holding(_) | Stage::Cancelled => {}
        }
    }

    /// The lock has had its terminal event: an error for whoever asked, an ending for whoever holds.
    pub(crate) fn ended(self, error: Error, ending: Ending) {
        match self.stage {
            Stage::Asking(asker) => asker.refuse(error),
            Stage::Holding(holding) => {
                holding.held.end(ending.loss());
                answer(holding.ending, ending);
            }
            Stage::Cancelled => {}
        }
    }
}

impl Asker {
    pub(crate) fn refuse(self, error: Error) {
        match self {
            Self::Lease(_, progress) => report(&progress, Progress::Refused(error)),
            Self::Advisory(_, _, progress) => report(&progress, Progress::Refused(error)),
        }
    }
}

impl Holding {
    pub(crate) const fn new(held: Held, ending: oneshot::Sender<Ending>) -> Self {
        Self { held, ending, heartbeats: Vec::new(), amendments: Vec::new() }
    }

    pub(crate) fn await_renewal(&mut self, since: Instant, reply: Reply<()>) {
        self.heartbeats.push((since, reply));
    }

    pub(crate) fn await_amendment(&mut self, data: Option<NewData>, reply: Reply<()>) {
        self.amendments.push((data, reply));
    }

    pub(crate) fn renewed(&mut self, sent: Instant, valid_until: Instant) {
        self.held.renew(valid_until);
        for (_, reply) in self.heartbeats.extract_if(.., |(since, _)| *since <= sent) {
            answer(reply, Ok(()));
        }
    }

    pub(crate) fn amended(&mut self, result: &Result<(), Error>) {
        for (data, reply) in self.amendments.drain(..) {
            if let (Ok(()), Some(data), Held::Lease(hold)) = (result, data, &self.held) {
                hold.set_data(data);
            }
            answer(reply, result.clone());
        }
    }
}

impl Deref for Held {
    type Target = Belief;

    fn deref(&self) -> &Belief {
        match self {
            Self::Lease(hold) => hold,
            Self::Advisory(hold) => hold,
        }
    }
}

/// Whoever asked may have stopped listening; that is its right.
pub(crate) fn answer<T>(reply: oneshot::Sender<T>, told: T) {
    let _nobody_listens = reply.send(told).is_err();
}

pub(crate) fn report<H>(progress: &mpsc::UnboundedSender<Progress<H>>, told: Progress<H>) {
    let _nobody_listens = progress.unbounded_send(told).is_err();
}
