//! The server's side of advisory locks, in memory: the testkit's model, a stranger to it, and statements that wait.

use std::collections::BTreeSet;
use std::task::{Context, Poll, Waker};

use pglock_core::{Advisory, AdvisoryMode, Statement};
use pglock_driver::{AdvisoryKey, Outcome};
use pglock_testkit::advisory::{Answer, Command, Level, Session, Want};
use pglock_testkit::lockspace::Server;

/// A session that no handle knows of.
const STRANGER: Session = 0;

#[derive(Default)]
pub(crate) struct Sessions {
    server: Server,
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
        self.server.end(session);
        self.wake();
    }

    /// Nothing yet if the statement waits.
    pub(crate) fn begin_statement(
        &mut self,
        session: Session,
        statement: Advisory,
    ) -> Option<Outcome> {
        let outcome = self.server.begin(session, &Statement::Advisory(statement));
        self.wake();
        outcome
    }

    /// One that waits is woken, or has waited for long enough.
    pub(crate) fn poll_statement(
        &mut self,
        session: Session,
        is_over: bool,
        cx: &Context<'_>,
    ) -> Poll<Outcome> {
        if self.woken.remove(&session) {
            return Poll::Ready(self.server.handed(false));
        }
        if is_over {
            let outcome = self.server.time_out(session);
            self.wake();
            return Poll::Ready(outcome);
        }
        self.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn wake(&mut self) {
        self.woken.extend(std::iter::from_fn(|| self.server.pop_woken()));
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// Somebody resets all sessions, as a pooler does with `DISCARD ALL`.
    pub(crate) fn discard_all(&mut self) {
        (0..=self.last).for_each(|session| self.server.discard(session));
        self.wake();
    }

    /// A stranger tries to take the lock alone.
    pub(crate) fn taken_by_stranger(&mut self, key: &str) -> bool {
        let place = AdvisoryKey::from(key).place();
        let want = Want { place, mode: AdvisoryMode::Exclusive, level: Level::Session };
        self.server.command(STRANGER, Command::Try(want)) == Answer::Granted
    }

    pub(crate) fn freed_by_stranger(&mut self) {
        self.server.command(STRANGER, Command::UnlockAll);
        self.wake();
    }

    /// From now on there is room for so many locks.
    pub(crate) fn limit(&mut self, capacity: usize) {
        self.server = std::mem::take(&mut self.server).with_room(capacity);
    }

    /// How many locks sessions of handles hold or wait for.
    pub(crate) fn held(&self) -> usize {
        self.server.entries().iter().filter(|entry| entry.session != STRANGER).count()
    }
}
