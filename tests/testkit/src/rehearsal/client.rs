//! What a program has of the world: locks, time, chance, tasks, and a way to say what it does.

use std::fmt;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::{self, Either};
use pglock_core::{Identity, LockName};
use pglock_driver::{Clock, Error, Hold, Locks, Options, Timer};

use crate::chronicle::Fact;

use super::fault::Fault;
use super::scene::{Errand, House};

/// One process of a rehearsal. Clones are the same one.
///
/// It is a [`Connect`](pglock_driver::Connect) and a [`Timer`], so it can be handed to the driver or to an
/// adapter of the user's own, too.
#[derive(Clone, Debug)]
pub struct Client {
    house: House,
    who: usize,
}

/// As long as this lives, its program does what a lock is for: see [`Client::works_on`].
#[derive(Debug)]
#[must_use = "the work is over when this is dropped"]
pub struct Work {
    house: House,
    number: u64,
}

impl Client {
    pub(super) const fn new(house: House, who: usize) -> Self {
        Self { house, who }
    }

    pub(super) const fn house(&self) -> &House {
        &self.house
    }

    pub(super) const fn who(&self) -> usize {
        self.who
    }

    /// Connects, as an adapter does. Identity and seed are set here, so that each rehearsal comes out the same.
    ///
    /// # Errors
    /// As [`Locks::open`].
    pub async fn connect(&self, options: Options) -> Result<Locks, Error> {
        let options = self.prepared(options);
        let spawn = |drive| self.spawn(drive);
        Locks::open(options, self.clone(), self.clone(), spawn).await
    }

    /// Options for a [`Locks::open`] or [`Locks::start`] of the program's own: with an identity and a seed, and
    /// with every grant watched.
    pub fn prepared(&self, options: Options) -> Options {
        let mut scene = self.house.scene();
        let number = scene.next_identity();
        let mut identity = [0x5A; 16];
        identity.iter_mut().zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
        let (house, who) = (self.house.clone(), self.who);
        options
            .identity(Identity::new(identity))
            .seed(if scene.one_seed { 7 } else { number })
            .on_granted(move |hold| house.scene().granted(who, hold))
    }

    /// Lets a future run beside the program. It is dropped when the program ends, as all of a process is.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let future = Box::pin(future);
        self.house.scene().errands.push(Errand::Spawn { who: self.who, future });
    }

    /// Waits for so long on the process's own clock, or a little longer.
    pub async fn sleep(&self, span: Duration) {
        let until = self.now().saturating_add(span);
        self.sleep_until(until).await;
    }

    /// Puts a line into the log.
    pub fn note(&self, words: impl fmt::Display) {
        let mut scene = self.house.scene();
        let (who, now, words) = (self.who, scene.now, words.to_string());
        scene.trace.note(now, (who, &words), || format!("w{who} notes: {words}"));
        scene.trace.keep(now, || Fact::Notes { who, words });
    }

    /// A number below `bound`, by chance; zero is the benign one.
    #[must_use]
    pub fn draw(&self, bound: u64) -> u64 {
        self.house.scene().tape.below(bound)
    }

    /// Says that the program does from now on what the lock is for, until the answer is dropped. It is a broken
    /// rule to go on when the lock is held no more, or when somebody else has done the same under a later grant.
    ///
    /// A process that stands still does nothing. One that goes on has the chance to look at its lock, or to
    /// await [`Belief::lost`](pglock_driver::Belief::lost), before it counts as working.
    pub fn works_on(&self, hold: &Hold) -> Work {
        let number = self.house.scene().begin_work(self.who, hold);
        Work { house: self.house.clone(), number }
    }

    /// Runs a future, or drops it before its end; chance says whether and when.
    pub async fn may_drop<F: Future>(&self, future: F) -> Option<F::Output> {
        let lease = self.house.scene().settings.lease;
        let span = match self.draw(3) {
            0 => return Some(future.await),
            1 => self.draw(lease / 16),
            _ => self.draw(lease * 2),
        };
        let future = pin!(future);
        match future::select(future, pin!(self.sleep(Duration::from_nanos(span)))).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(((), _)) => {
                self.house.scene().meet(Fault::Dropped);
                None
            }
        }
    }

    /// Ends when nothing goes wrong any more.
    pub async fn calm(&self) {
        future::poll_fn(|cx| {
            let mut scene = self.house.scene();
            if scene.healed {
                return Poll::Ready(());
            }
            scene.await_calm.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// All names that anybody has asked for, in the order of their first asking.
    pub(super) fn names(&self) -> Vec<LockName> {
        self.house.scene().names.clone()
    }

    /// True time since the beginning, which no program can know.
    #[must_use]
    pub fn true_time(&self) -> Duration {
        Duration::from_nanos(self.house.scene().now)
    }
}

impl Work {
    /// Says that right now something is done that others see, such as a write. Unlike a stretch of work it must
    /// be allowed at this very moment: the lock must have been looked at since the process last waited.
    pub fn acts(&self) {
        self.house.scene().act(self.number);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.house.scene().end_work(self.number);
    }
}
