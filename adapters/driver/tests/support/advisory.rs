//! The server's side of advisory locks, in memory: sessions, their marks, and what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Poll, Waker};

use pglock_core::{Advisory, AdvisoryMode, AdvisoryPlace, Call, Severity, SqlState};
use pglock_driver::{AdvisoryKey, Outcome, Row, ServerError, Value};
use pglock_testkit::advisory::{Answer, Command, Interruption, Level, Reply, Session, Table, Want};

/// A session that no handle knows of.
const STRANGER: Session = 0;

#[derive(Default)]
pub(crate) struct Sessions {
    table: Table,
    marks: BTreeMap<Session, i64>,
    last: Session,
    /// Who got what they waited for, and do not know it yet.
    woken: BTreeSet<Session>,
    waiting: Vec<Waker>,
}

impl Sessions {
    pub(crate) fn begin(&mut self) -> Session {
        self.last += 1;
        self.last
    }

    pub(crate) fn end(&mut self, session: Session) {
        self.marks.remove(&session);
        let woken = self.table.end(session).woken;
        self.wake(woken);
    }

    /// Nothing yet if the statement waits.
    pub(crate) fn begin_statement(
        &mut self,
        session: Session,
        statement: Advisory,
    ) -> Option<Outcome> {
        let Advisory { mark, call } = statement;
        if call == Call::Enter {
            return self.enter(session, mark);
        }
        if self.marks.get(&session) != Some(&mark) {
            return Some(row([Value::Null]));
        }
        match call {
            Call::Enter | Call::Look => Some(row([Value::Bool(true)])),
            Call::Try(place, mode) => self.answer(session, Command::Try(want(place, mode))),
            Call::Take(place, mode, _) => self.answer(session, Command::Take(want(place, mode))),
            Call::Unlock(place, mode) => self.answer(session, Command::Unlock(place, mode)),
        }
    }

    /// One that waits is woken, or has waited for long enough.
    pub(crate) fn poll_statement(
        &mut self,
        session: Session,
        is_over: bool,
        cx: &Context<'_>,
    ) -> Poll<Outcome> {
        if self.woken.remove(&session) {
            return Poll::Ready(row([Value::Bool(true)]));
        }
        if is_over {
            let Reply { answer, woken } = self.table.interrupt(session, Interruption::LockTimeout);
            self.wake(woken);
            return Poll::Ready(outcome(answer));
        }
        self.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn wake(&mut self, woken: Vec<Session>) {
        self.woken.extend(woken);
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// The lock that shows that there are such is free again with the statement.
    fn enter(&mut self, session: Session, mark: i64) -> Option<Outcome> {
        let place = AdvisoryPlace::Bigint(mark);
        let want = Want { place, mode: AdvisoryMode::Exclusive, level: Level::Transaction };
        let real = self.answer(session, Command::Try(want));
        if matches!(real, Some(Outcome::Failed(_))) {
            return real;
        }
        let unmarked = self.marks.insert(session, mark).is_none();
        Some(row([Value::Bool(unmarked), Value::Bool(true), Value::Bool(true)]))
    }

    fn answer(&mut self, session: Session, command: Command) -> Option<Outcome> {
        let Reply { answer, woken } = self.table.execute(session, command);
        self.wake(woken);
        (answer != Answer::Queued).then(|| outcome(answer))
    }

    /// Somebody resets all sessions, as a pooler does with `DISCARD ALL`.
    pub(crate) fn discard_all(&mut self) {
        let sessions: Vec<_> = std::mem::take(&mut self.marks).into_keys().collect();
        for session in sessions {
            self.table.execute(session, Command::DiscardAll);
        }
    }

    /// A stranger tries to take the lock alone.
    pub(crate) fn taken_by_stranger(&mut self, key: &str) -> bool {
        let want = want(AdvisoryKey::from(key).place(), AdvisoryMode::Exclusive);
        self.table.execute(STRANGER, Command::Try(want)).answer == Answer::Granted
    }

    pub(crate) fn freed_by_stranger(&mut self) {
        let woken = self.table.execute(STRANGER, Command::UnlockAll).woken;
        self.wake(woken);
    }

    /// From now on there is room for so many locks.
    pub(crate) fn limit(&mut self, capacity: usize) {
        self.table = std::mem::take(&mut self.table).with_capacity(capacity);
    }

    /// How many locks sessions of handles hold or wait for.
    pub(crate) fn held(&self) -> usize {
        self.table.entries().iter().filter(|entry| entry.session != STRANGER).count()
    }
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Granted | Answer::Unlocked => row([Value::Bool(true)]),
        Answer::Busy | Answer::NotHeld => row([Value::Bool(false)]),
        Answer::Failed(failure) => Outcome::Failed(ServerError {
            severity: Severity::Error,
            sqlstate: SqlState::new(failure.sqlstate()),
            message: format!("{failure:?}"),
        }),
        answer @ (Answer::Queued | Answer::Done | Answer::Unread | _) => {
            panic!("{answer:?} is no answer")
        }
    }
}

fn row<const N: usize>(values: [Value; N]) -> Outcome {
    Outcome::Rows(vec![Row(values.to_vec())])
}

const fn want(place: AdvisoryPlace, mode: AdvisoryMode) -> Want {
    Want { place, mode, level: Level::Session }
}
