//! What handles ask of the loop, and the line it goes through. Posting never waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::channel::{mpsc, oneshot};
use pglock_core as core;
use pglock_core::{AdvisoryRequest, Amendment, Answer, Counters, Holder, Question};

use crate::advisory::AdvisoryHold;
use crate::error::Error;
use crate::hold::Hold;

/// What handles ask of the loop. Whoever gets one and drops it has answered [`Error::Closed`].
pub(crate) enum Ask {
    Acquire(Ticket, core::Request, mpsc::UnboundedSender<Progress<Hold>>),
    AcquireAdvisory(Ticket, AdvisoryRequest, mpsc::UnboundedSender<Progress<AdvisoryHold>>),
    Cancel(Ticket),
    Release(Ticket),
    Heartbeat(Ticket, Reply<()>),
    Amend(Ticket, Amendment, Reply<()>),
    Question(Question, Reply<Answer>),
    Counters(oneshot::Sender<Counters>),
    /// Whoever asked is told by the sender's end.
    ShutDown(Option<oneshot::Sender<()>>),
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// How an acquire gets on. The last one is `Granted` or `Refused`.
pub(crate) enum Progress<H> {
    Waiting(Holder),
    Granted(H),
    Refused(Error),
}

/// One acquire, numbered by the handles before the core knows of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// The way to the loop. When the last handle is gone, the loop is told to shut down.
pub(crate) struct Line {
    post: Box<dyn Fn(Ask) + Send + Sync>,
    tickets: AtomicU64,
}

impl Line {
    /// `post` must not wait, and must drop the ask if the loop has ended.
    pub(crate) fn new(post: impl Fn(Ask) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { post: Box::new(post), tickets: AtomicU64::new(0) })
    }

    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn post(&self, ask: Ask) {
        (self.post)(ask);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.post(Ask::ShutDown(None));
    }
}
