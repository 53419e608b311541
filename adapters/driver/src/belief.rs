//! What a holder may believe about its lock, of whichever family: the clock against the deadline, and nothing else.

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{self, Either, Shared};
use pglock_core::{Failure, Instant};

use crate::clock::Clock;
use crate::error::{Error, Loss};
use crate::lock::Released;

/// A deadline that no clock is ever before.
const NEVER: u64 = 0;

/// Whether a lock is held: cheap to clone, and true for as long as it is kept.
///
/// Every answer comes from the clock and the deadline alone, so it is right also when the runtime is
/// starved or the process was stopped for longer than the lock lasts.
#[derive(Clone)]
pub struct Belief {
    facts: Arc<Facts>,
    /// Told by the core.
    ended: Shared<oneshot::Receiver<Ending>>,
    /// Over as soon as belief is, which may be long before the core knows how it ends.
    believed: Shared<oneshot::Receiver<Infallible>>,
}

struct Facts {
    /// Once [`NEVER`], for ever so.
    deadline: AtomicU64,
    at_risk: AtomicBool,
    state: Mutex<State>,
    /// What the loss is called when the deadline passes and nothing else is known.
    overdue: Loss,
    clock: Arc<dyn Clock>,
}

/// Whether the lock is to be held as long as its deadline says.
enum State {
    /// Dropping it wakes whoever waits for the end.
    Lasts(#[expect(dead_code, reason = "never sends")] oneshot::Sender<Infallible>),
    /// Before the clock reached the deadline, or after; the first reason counts.
    Over(Loss),
}

/// How the core said that a lock ended.
#[derive(Clone)]
pub(crate) enum Ending {
    Released { confirmed: bool },
    ReleaseFailed(Failure),
    Lost(Loss),
}

impl Ending {
    pub(crate) const fn loss(&self) -> Loss {
        match self {
            Self::Released { .. } | Self::ReleaseFailed(_) => Loss::Released,
            Self::Lost(loss) => *loss,
        }
    }
}

impl Belief {
    pub(crate) fn new(
        valid_until: Instant,
        overdue: Loss,
        clock: Arc<dyn Clock>,
    ) -> (Self, oneshot::Sender<Ending>) {
        let (ending, ended) = oneshot::channel();
        let (belief, believed) = oneshot::channel();
        let facts = Facts {
            deadline: AtomicU64::new(valid_until.as_nanos()),
            at_risk: AtomicBool::new(false),
            state: Mutex::new(State::Lasts(belief)),
            overdue,
            clock,
        };
        let (ended, believed) = (ended.shared(), believed.shared());
        (Self { facts: Arc::new(facts), ended, believed }, ending)
    }

    /// Until when it is held unless more is heard of the server: while the clock reads less. Zero when it is not
    /// held.
    #[must_use]
    pub fn valid_until(&self) -> Instant {
        Instant::from_nanos(self.facts.deadline.load(Ordering::Acquire))
    }

    /// How long it is held for certain from now on; zero when it is not held.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.valid_until().since(self.facts.clock.now())
    }

    /// Whether it is held now.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.facts.clock.now() < self.valid_until()
    }

    /// Whether the server has not been heard of when it should have been: it is still held, but may soon be lost.
    #[must_use]
    pub fn is_at_risk(&self) -> bool {
        self.facts.at_risk.load(Ordering::Acquire) && self.is_held()
    }

    /// Nothing if it is held now.
    ///
    /// # Errors
    /// [`Error::Lost`] with the reason if it is not.
    pub fn ensure_held(&self) -> Result<(), Error> {
        if self.is_held() { Ok(()) } else { Err(Error::Lost(self.loss())) }
    }

    /// Ends when the lock is held no more, with the reason.
    pub async fn lost(&self) -> Loss {
        let mut over = self.believed.clone();
        future::poll_fn(|cx| match self.is_held() {
            true => over.poll_unpin(cx).map(drop),
            false => Poll::Ready(()),
        })
        .await;
        self.loss()
    }

    /// Does the work; drops it where it stands if the lock is lost.
    pub(crate) async fn while_held<W: Future>(&self, work: W) -> Result<W::Output, Error> {
        match future::select(pin!(self.lost()), pin!(work)).await {
            Either::Left((loss, _)) => Err(Error::Lost(loss)),
            Either::Right((value, _)) => self.ensure_held().map(|()| value),
        }
    }

    /// Why it is not held.
    pub(crate) fn loss(&self) -> Loss {
        match *self.state() {
            State::Over(loss) => loss,
            State::Lasts(_) => self.facts.overdue,
        }
    }

    /// How the core says it was given back.
    pub(crate) async fn released(&self) -> Result<Released, Error> {
        match self.ended.clone().await {
            Ok(Ending::Released { confirmed }) => Ok(Released { confirmed }),
            Ok(Ending::ReleaseFailed(failure)) => Err(Error::Failed(failure)),
            Ok(Ending::Lost(loss)) => Err(Error::Lost(loss)),
            Err(_loop_has_ended) => Err(Error::Closed),
        }
    }

    /// Held until then, unless belief has ended already.
    pub(crate) fn renew(&self, valid_until: Instant) {
        self.facts.at_risk.store(false, Ordering::Release);
        let renew = |old| (old != NEVER).then_some(valid_until.as_nanos());
        let _ended =
            self.facts.deadline.fetch_update(Ordering::AcqRel, Ordering::Acquire, renew).is_err();
    }

    pub(crate) fn set_at_risk(&self) {
        self.facts.at_risk.store(true, Ordering::Release);
    }

    /// From now on it is not held. Whoever sees that sees why, too.
    pub(crate) fn end(&self, loss: Loss) {
        let mut state = self.state();
        let ended = match &*state {
            State::Lasts(_) => Some(mem::replace(&mut *state, State::Over(loss))),
            State::Over(_) => None,
        };
        self.facts.deadline.store(NEVER, Ordering::Release);
        drop(state);
        drop(ended);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.facts.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Belief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Belief").field("held", &self.is_held()).finish_non_exhaustive()
    }
}
