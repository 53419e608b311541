//! What a holder may believe about its lock: the clock against the deadline, and nothing else.

use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{self, Shared};
use pglock_core::{Failure, Grant, Instant, LockName, Token};

use crate::clock::Clock;
use crate::error::{Error, Loss};

/// A deadline that no clock is ever before.
const NEVER: u64 = 0;

/// Looks at a held lock, without holding it: cheap to clone, and true for as long as it is kept.
///
/// Every answer comes from the clock and the deadline alone, so it is right also when the runtime is
/// starved or the process was stopped for longer than the lease.
#[derive(Clone)]
pub struct Hold {
    facts: Arc<Facts>,
    /// Told by the core.
    ended: Shared<oneshot::Receiver<Ending>>,
    /// Over as soon as belief is, which may be long before the core knows how it ends.
    believed: Shared<oneshot::Receiver<Infallible>>,
}

struct Facts {
    name: LockName,
    token: Token,
    data: Mutex<Option<Arc<[u8]>>>,
    /// Once [`NEVER`], for ever so.
    deadline: AtomicU64,
    at_risk: AtomicBool,
    belief: Mutex<Belief>,
    clock: Arc<dyn Clock>,
}

/// Whether the lock is to be held as long as its deadline says.
enum Belief {
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

impl Hold {
    pub(crate) fn new(
        name: LockName,
        grant: Grant,
        clock: Arc<dyn Clock>,
    ) -> (Self, oneshot::Sender<Ending>) {
        let (ending, ended) = oneshot::channel();
        let (belief, believed) = oneshot::channel();
        let facts = Facts {
            name,
            token: grant.token,
            data: Mutex::new(grant.data.map(Into::into)),
            deadline: AtomicU64::new(grant.valid_until.as_nanos()),
            at_risk: AtomicBool::new(false),
            belief: Mutex::new(Belief::Lasts(belief)),
            clock,
        };
        let (ended, believed) = (ended.shared(), believed.shared());
        (Self { facts: Arc::new(facts), ended, believed }, ending)
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

    /// Until when it is held unless renewed: while the clock reads less. Zero when it is not held.
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

    /// Whether a heartbeat is overdue: it is still held, but may soon be lost.
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

    /// Why it is not held.
    pub(crate) fn loss(&self) -> Loss {
        match *self.belief() {
            Belief::Over(loss) => loss,
            Belief::Lasts(_) => Loss::Expired,
        }
    }

    /// How the core says it ended; nothing when the loop has ended before.
    pub(crate) async fn ending(&self) -> Option<Ending> {
        self.ended.clone().await.ok()
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

    pub(crate) fn set_data(&self, data: Option<Arc<[u8]>>) {
        *self.facts.data.lock().unwrap_or_else(PoisonError::into_inner) = data;
    }

    /// From now on it is not held. Whoever sees that sees why, too.
    pub(crate) fn end(&self, loss: Loss) {
        let mut belief = self.belief();
        let ended = match &*belief {
            Belief::Lasts(_) => Some(mem::replace(&mut *belief, Belief::Over(loss))),
            Belief::Over(_) => None,
        };
        self.facts.deadline.store(NEVER, Ordering::Release);
        drop(belief);
        drop(ended);
    }

    fn belief(&self) -> MutexGuard<'_, Belief> {
        self.facts.belief.lock().unwrap_or_else(PoisonError::into_inner)
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
