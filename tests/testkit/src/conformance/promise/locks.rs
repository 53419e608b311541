//! The shipped locks over the driver: the sum of what it promises.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{join, join3};
use pglock_driver::{Backoff, Error, Hold, Options};

use crate::conformance::alarm::within;
use crate::conformance::broken::{Broken, ensure, same};
use crate::conformance::driver::Served;
use crate::conformance::handle::{Handle, Pids};
use crate::conformance::session::Session;
use crate::conformance::subject::{Subject, unique};
use crate::rng::Rng;

/// The library's statements do over it what they are for: a lease with data, and advisory locks.
pub async fn the_locks_work(subject: &Subject) -> Result<(), Broken> {
    let Served { handle, drive } = open(subject, options(subject), &Pids::default())?;
    let tour = async {
        let toured = tour(subject, handle.as_ref()).await;
        toured.and(close(subject, handle.as_ref()).await)
    };
    join(tour, drive).await.0
}

async fn tour(subject: &Subject, locks: &dyn Handle) -> Result<(), Broken> {
    const NAME: &str = "it's \"na\u{ef}ve\" \\";
    done(subject, "create_table()", locks.create_table()).await?;
    let lock = done(subject, "acquire()", locks.acquire(NAME)).await?;
    let lock = done(subject, "set_data()", lock.set_data(&[0, 255])).await?;
    let entry = done(subject, "get()", locks.get(NAME)).await?;
    let seen = entry.map(|entry| (entry.is_held(), entry.data));
    same("the row of a lock that is held", &Some((true, Some(vec![0, 255]))), &seen)?;
    done(subject, "release()", lock.release()).await?;
    let entry = done(subject, "get()", locks.get(NAME)).await?;
    let held = entry.map(|entry| entry.is_held());
    same("whether a lock is held that was released", &Some(false), &held)?;
    let key = format!("pglock conformance {:x}", unique());
    for in_line in [false, true] {
        done(subject, "an advisory lock", locks.pass_through(&key, in_line)).await?;
    }
    Ok(())
}

/// Two clients never hold a lock at the same time, and each grant has a larger fencing token, though the server keeps
/// ending their sessions at any moment.
pub async fn clients_exclude_each_other_while_sessions_are_killed(
    subject: &Subject,
) -> Result<(), Broken> {
    let chaos = Chaos::among(subject).await?;
    let options = chaos.options();
    let first = open(subject, options.clone(), &chaos.pids)?;
    let second = open(subject, options, &chaos.pids)?;
    let (one, other) = (first.handle.as_ref(), second.handle.as_ref());
    let compete = async {
        done(subject, "create_table()", one.create_table()).await?;
        let (one, other) = join(chaos.client(one), chaos.client(other)).await;
        one.and(other)
    };
    let both = async {
        let competed = compete.await;
        let (other, one) = (close(subject, other).await, close(subject, one).await);
        competed.and(other).and(one)
    };
    join3(both, first.drive, second.drive).await.0
}

/// How often each client gets the lock, and how many sessions are killed, at least.
const TIMES: usize = 15;

/// Clients that compete, and what becomes of their sessions.
struct Chaos<'a> {
    subject: &'a Subject,
    killer: Session,
    pids: Pids,
    dice: Mutex<Rng>,
    kills: Mutex<usize>,
    ledger: Ledger,
    table: String,
}

impl<'a> Chaos<'a> {
    async fn among(subject: &'a Subject) -> Result<Self, Broken> {
        Ok(Self {
            subject,
            killer: subject.session().await?,
            pids: Pids::default(),
            dice: Mutex::new(Rng::new(1)),
            kills: Mutex::default(),
            ledger: Ledger::default(),
            table: table(),
        })
    }

    fn options(&self) -> Options {
        let ledger = self.ledger.clone();
        let soon = Backoff { first: Duration::from_millis(1), longest: Duration::from_millis(50) };
        let options = options(self.subject).table(&self.table).backoff(soon);
        options.on_granted(move |hold| ledger.granted(hold))
    }

    async fn client(&self, locks: &dyn Handle) -> Result<(), Broken> {
        let mut grants = 0;
        while grants < TIMES || *locked(&self.kills) < TIMES {
            let acquired = done(self.subject, "acquire()", locks.acquire("contended"));
            let (lock, struck) = join(acquired, self.strike()).await;
            struck?;
            self.strike().await?;
            // It may be lost, or not confirmed: that is for the ledger.
            let released = within(self.subject.patient(), lock?.release());
            let (released, struck) = join(released, self.strike()).await;
            struck?;
            ensure(released.is_some(), || "release() does not end".into())?;
            self.ledger.audit()?;
            grants += 1;
        }
        Ok(())
    }

    /// Ends one of the sessions, or none.
    async fn strike(&self) -> Result<(), Broken> {
        let Some(pid) = self.victim() else { return Ok(()) };
        if self.subject.kill(pid, &self.killer).await? {
            *locked(&self.kills) += 1;
        }
        Ok(())
    }

    fn victim(&self) -> Option<i64> {
        let mut dice = locked(&self.dice);
        let mut pids = self.pids.all();
        let count = u64::try_from(pids.len()).unwrap_or_default();
        if count == 0 || dice.below(2) == 0 {
            return None;
        }
        let which = usize::try_from(dice.below(count)).unwrap_or_default();
        Some(pids.remove(which))
    }
}

/// Who was granted the lock, in the order in which it was granted.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<(Vec<Hold>, Option<Broken>)>>);

impl Ledger {
    fn granted(&self, hold: &Hold) {
        let (holds, broken) = &mut *locked(&self.0);
        let seen = holds.iter().try_for_each(|before| {
            ensure(!before.is_held(), || format!("{hold:?} was granted beside {before:?}"))?;
            ensure(before.token() < hold.token(), || {
                format!("{hold:?} was granted after {before:?}")
            })
        });
        *broken = broken.take().or(seen.err());
        holds.push(hold.clone());
    }

    fn audit(&self) -> Result<(), Broken> {
        locked(&self.0).1.clone().map_or(Ok(()), Err)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn table() -> String {
    format!("pglock_conformance_{:x}", unique())
}

fn options(subject: &Subject) -> Options {
    Options::default()
        .table(&table())
        .poll(Duration::from_millis(20))
        .hints(subject.brings_notifications())
}

fn open(subject: &Subject, options: Options, pids: &Pids) -> Result<Served, Broken> {
    subject.locks(options, pids).map_err(|error| Broken::new(format!("no locks: {error}")))
}

async fn close(subject: &Subject, locks: &dyn Handle) -> Result<(), Broken> {
    let dropped = done(subject, "drop_table()", locks.drop_table()).await;
    let closed = done(subject, "shut_down()", locks.shut_down()).await;
    dropped.and(closed)
}

/// That it is done, and in time.
async fn done<T>(
    subject: &Subject,
    what: &str,
    ask: impl Future<Output = Result<T, Error>>,
) -> Result<T, Broken> {
    match within(subject.patient(), ask).await {
        Some(answer) => answer.map_err(|error| Broken::new(format!("{what} fails: {error}"))),
        None => Err(Broken::new(format!("{what} does not end"))),
    }
}
