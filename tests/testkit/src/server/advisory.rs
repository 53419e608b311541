//! A model of PostgreSQL's advisory locks: who holds what, who waits behind whom, and who is woken.
//!
//! It stands for the lock table of one database. It knows no network and no time: whoever has it decides
//! when a session sends, when a wait is cut short, and when the server looks for deadlocks.

mod command;
mod deadlock;
mod lock;

use std::collections::{BTreeMap, BTreeSet};

use pglock_core::AdvisoryPlace;

pub use pglock_core::AdvisoryMode;

pub use command::{Answer, Command, Failure, Interruption, Level, Postgres, Reply, Session, Want};
pub use deadlock::Deadlock;
pub use lock::{Count, Hold, Lock, Waiter};

use lock::Admission;

/// All advisory locks of a database, and the transactions of its sessions.
///
/// ```
/// use pglock_core::AdvisoryPlace;
/// use pglock_testkit::advisory::{Answer, Command, Level, AdvisoryMode, Table, Want};
///
/// let want = Want { place: AdvisoryPlace::Bigint(42), mode: AdvisoryMode::Exclusive, level: Level::Session };
/// let mut table = Table::default();
/// assert_eq!(table.execute(1, Command::Take(want)).answer, Answer::Granted);
/// assert_eq!(table.execute(2, Command::Try(want)).answer, Answer::Busy);
/// assert_eq!(table.execute(2, Command::Take(want)).answer, Answer::Queued);
///
/// let freed = table.execute(1, Command::Unlock(want.place, want.mode));
/// assert_eq!((freed.answer, freed.woken), (Answer::Unlocked, vec![2]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    postgres: Postgres,
    capacity: usize,
    locks: BTreeMap<AdvisoryPlace, Lock>,
    transactions: BTreeMap<Session, Transaction>,
}

/// A transaction that a session has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Transaction {
    Open,
    /// After an error, until it is ended.
    Failed,
}

/// What `pg_locks` shows in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the columns")]
pub struct Entry {
    /// Whose.
    pub session: Session,
    /// The key.
    pub place: AdvisoryPlace,
    /// In which mode.
    pub mode: AdvisoryMode,
    /// Whether it is held, not waited for.
    pub granted: bool,
}

impl Default for Table {
    fn default() -> Self {
        Self::new(Postgres::Since17)
    }
}

impl Table {
    /// An empty one, with room for as many locks as anybody wants.
    #[must_use]
    pub const fn new(postgres: Postgres) -> Self {
        Self {
            postgres,
            capacity: usize::MAX,
            locks: BTreeMap::new(),
            transactions: BTreeMap::new(),
        }
    }

    /// With room for so many pairs of a session and a key that it holds or waits for.
    #[must_use]
    pub const fn with_capacity(mut self, pairs: usize) -> Self {
        self.capacity = pairs;
        self
    }

    /// A session sends a command. While it waits for an earlier one the server does not read it.
    pub fn execute(&mut self, session: Session, command: Command) -> Reply {
        if self.awaited(session).is_some() {
            return Reply::of(Answer::Unread);
        }
        let ends = matches!(command, Command::Commit | Command::Rollback);
        if self.transactions.get(&session) == Some(&Transaction::Failed) && !ends {
            return Reply::of(Answer::Failed(Failure::InFailedTransaction));
        }
        match command {
            Command::Try(want) => self.acquire(session, want, false),
            Command::Take(want) => self.acquire(session, want, true),
            Command::Unlock(place, mode) => self.unlock(session, place, mode),
            Command::UnlockAll => Reply::done(self.release_all(session, Hold::end_session)),
            Command::Begin => {
                self.transactions.entry(session).or_insert(Transaction::Open);
                Reply::of(Answer::Done)
            }
            Command::Commit | Command::Rollback => {
                self.transactions.remove(&session);
                Reply::done(self.release_all(session, Hold::end_transaction))
            }
            Command::DiscardAll if self.transactions.contains_key(&session) => {
                self.fail(session, Failure::ActiveTransaction)
            }
            Command::DiscardAll => Reply::done(self.release_all(session, Hold::end)),
        }
    }

    /// A waiting session's statement fails, and with it the transaction that it has begun. What the session
    /// holds for itself stays. One that waits for nothing has nothing to interrupt.
    pub fn interrupt(&mut self, session: Session, interruption: Interruption) -> Reply {
        if self.awaited(session).is_none() {
            return Reply::of(Answer::Done);
        }
        let mut woken = self.leave_queue(session);
        let failed = self.fail(session, interruption.into());
        woken.extend(failed.woken);
        Reply { woken, ..failed }
    }

    /// The server's process of a session ends, and takes all with it. The number may be used anew.
    pub fn end(&mut self, session: Session) -> Reply {
        let mut woken = self.leave_queue(session);
        self.transactions.remove(&session);
        woken.extend(self.release_all(session, Hold::end));
        Reply { answer: Answer::Failed(Failure::Terminated), woken }
    }

    /// What a session waits for.
    #[must_use]
    pub fn awaited(&self, session: Session) -> Option<Want> {
        let waits =
            |lock: &Lock| lock.queue.iter().find(|waiter| waiter.session == session).copied();
        self.locks.iter().find_map(|(place, lock)| {
            let Waiter { mode, level, .. } = waits(lock)?;
            Some(Want { place: *place, mode, level })
        })
    }

    /// For whom a session waits, as `pg_blocking_pids` tells: those who hold what it must not share, and
    /// those before it in the queue who want such.
    #[must_use]
    pub fn blockers(&self, session: Session) -> BTreeSet<Session> {
        let lock = self.awaited(session).and_then(|want| self.locks.get(&want.place));
        lock.map(|lock| lock.blockers(session).collect()).unwrap_or_default()
    }

    /// What `pg_locks` shows, sorted.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<_> =
            self.locks.iter().flat_map(|(place, lock)| lock.entries(*place)).collect();
        entries.sort_unstable();
        entries
    }

    /// The locks that somebody holds or waits for.
    pub fn locks(&self) -> impl Iterator<Item = (AdvisoryPlace, &Lock)> {
        self.locks.iter().map(|(place, lock)| (*place, lock))
    }

    /// Changes a lock by hand, as no server does; for mistakes made on purpose.
    pub fn edit(&mut self, place: AdvisoryPlace, change: impl FnOnce(&mut Lock)) {
        change(self.locks.entry(place).or_default());
        self.tidy(place);
    }

    fn acquire(&mut self, session: Session, want: Want, patient: bool) -> Reply {
        let Want { place, mode, level } = want;
        let known = self.locks.get(&place).is_some_and(|lock| lock.knows(session));
        if !known && self.pairs() >= self.capacity {
            return self.fail(session, Failure::OutOfMemory);
        }
        let passes = patient || self.postgres == Postgres::Since17;
        let lock = self.locks.entry(place).or_default();
        let reply = match lock.admit(session, mode, passes) {
            Admission::Granted => {
                lock.grant(Waiter { session, mode, level });
                if level == Level::Transaction && !self.transactions.contains_key(&session) {
                    lock.end_transaction(session);
                }
                Reply::of(Answer::Granted)
            }
            Admission::Waits(_) | Admission::Deadlock if !patient => Reply::of(Answer::Busy),
            Admission::Waits(ahead) => {
                lock.queue.insert(ahead, Waiter { session, mode, level });
                Reply::of(Answer::Queued)
            }
            Admission::Deadlock => self.fail(session, Failure::Deadlock),
        };
        self.tidy(place);
        reply
    }

    fn unlock(&mut self, session: Session, place: AdvisoryPlace, mode: AdvisoryMode) -> Reply {
        let held = self.locks.get(&place).and_then(|lock| lock.holds.get(&session));
        if held.is_none_or(|hold| hold.count(mode).session == 0) {
            return Reply::of(Answer::NotHeld);
        }
        let woken = self.release(session, place, |hold| hold.count_mut(mode).session -= 1);
        Reply { answer: Answer::Unlocked, woken }
    }

    /// A statement fails; a transaction that was begun fails with it, and what it holds is free at once.
    fn fail(&mut self, session: Session, failure: Failure) -> Reply {
        let answer = Answer::Failed(failure);
        let Some(transaction) = self.transactions.get_mut(&session) else {
            return Reply::of(answer);
        };
        *transaction = Transaction::Failed;
        Reply { answer, woken: self.release_all(session, Hold::end_transaction) }
    }

    fn leave_queue(&mut self, session: Session) -> Vec<Session> {
        let Some(Want { place, .. }) = self.awaited(session) else { return Vec::new() };
        if let Some(lock) = self.locks.get_mut(&place) {
            lock.queue.retain(|waiter| waiter.session != session);
        }
        self.wake(place)
    }

    fn release_all(&mut self, session: Session, free: fn(&mut Hold)) -> Vec<Session> {
        let holds = |(_, lock): &(&AdvisoryPlace, &Lock)| lock.holds.contains_key(&session);
        let places: Vec<_> = self.locks.iter().filter(holds).map(|(place, _)| *place).collect();
        places.into_iter().flat_map(|place| self.release(session, place, free)).collect()
    }

    fn release(
        &mut self,
        session: Session,
        place: AdvisoryPlace,
        free: impl FnOnce(&mut Hold),
    ) -> Vec<Session> {
        let lock = self.locks.get_mut(&place);
        if let Some(hold) = lock.and_then(|lock| lock.holds.get_mut(&session)) {
            free(hold);
        }
        self.tidy(place);
        self.wake(place)
    }

    /// Grants what can be granted now. What is taken for the transaction of a single statement is free again
    /// when that statement has its answer, which it has at once.
    fn wake(&mut self, place: AdvisoryPlace) -> Vec<Session> {
        let Some(lock) = self.locks.get_mut(&place) else { return Vec::new() };
        let granted = lock.wake();
        let single = |waiter: &&Waiter| {
            waiter.level == Level::Transaction && !self.transactions.contains_key(&waiter.session)
        };
        let ended: Vec<_> = granted.iter().filter(single).map(|waiter| waiter.session).collect();
        ended.iter().for_each(|session| lock.end_transaction(*session));
        let mut woken: Vec<_> = granted.iter().map(|waiter| waiter.session).collect();
        if !ended.is_empty() {
            woken.extend(self.wake(place));
        }
        self.tidy(place);
        woken
    }

    fn tidy(&mut self, place: AdvisoryPlace) {
        if let Some(lock) = self.locks.get_mut(&place) {
            lock.holds.retain(|_, hold| hold.is_held());
            if lock.holds.is_empty() && lock.queue.is_empty() {
                self.locks.remove(&place);
            }
        }
    }

    fn pairs(&self) -> usize {
        self.locks.values().map(Lock::sessions).sum()
    }
}
