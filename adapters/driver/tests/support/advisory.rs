//! The server's side of advisory locks, in memory: the testkit's model, and a stranger to it.

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
}

impl Sessions {
    pub(crate) fn begin(&mut self) -> Session {
        self.last += 1;
        self.last
    }

    pub(crate) fn end(&mut self, session: Session) {
        self.server.end(session);
    }

    pub(crate) fn execute(&mut self, session: Session, statement: Advisory) -> Outcome {
        self.server.execute(session, &Statement::Advisory(statement))
    }

    /// Somebody resets all sessions, as a pooler does with `DISCARD ALL`.
    pub(crate) fn discard_all(&mut self) {
        (0..=self.last).for_each(|session| self.server.discard(session));
    }

    /// A stranger tries to take the lock alone.
    pub(crate) fn taken_by_stranger(&mut self, key: &str) -> bool {
        let place = AdvisoryKey::from(key).place();
        let want = Want { place, mode: AdvisoryMode::Exclusive, level: Level::Session };
        self.server.command(STRANGER, Command::Try(want)) == Answer::Granted
    }

    pub(crate) fn freed_by_stranger(&mut self) {
        self.server.command(STRANGER, Command::UnlockAll);
    }

    /// From now on there is room for so many locks.
    pub(crate) fn limit(&mut self, capacity: usize) {
        self.server = std::mem::take(&mut self.server).with_room(capacity);
    }

    /// How many locks sessions of handles hold.
    pub(crate) fn held(&self) -> usize {
        self.server.entries().iter().filter(|entry| entry.session != STRANGER).count()
    }
}
