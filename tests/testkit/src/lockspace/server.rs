//! The server of the advisory locks: sessions that carry marks, the lock table that is theirs, and what a
//! statement of the core does there. Knows no network and no time.

use std::collections::{BTreeMap, VecDeque};

use pglock_core::{
    Advisory, AdvisoryMode, AdvisoryPlace, Call, Outcome, Row, ServerError, Severity, Statement,
    Value,
};

use crate::server::advisory::{Answer, Command, Interruption, Level, Reply, Session, Table, Want};
use crate::server::{error, failed};

/// What answers at the other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Real,
    /// A pooler that gives each statement to any of its two sessions.
    Pooled,
    /// A server that says yes to everything.
    Stub,
}

/// The code of a wait that was in vain.
pub(super) const SLICE_PASSED: &str = "55P03";

/// Sessions that carry marks, and the lock table that is theirs: what the statements of the core do on a primary.
///
/// ```
/// use pglock_core::{Advisory, AdvisoryMode, AdvisoryPlace, Call, Outcome, Row, Statement, Value};
/// use pglock_testkit::lockspace::Server;
///
/// let mut server = Server::default();
/// let mut ask = |session, call| {
///     server.execute(session, &Statement::Advisory(Advisory { mark: session.into(), call }))
/// };
/// let take = Call::Try(AdvisoryPlace::Bigint(42), AdvisoryMode::Exclusive);
/// for session in [1, 2] {
///     ask(session, Call::Enter);
/// }
/// assert_eq!(ask(1, take), Outcome::Rows(vec![Row(vec![Value::Bool(true)])]));
/// assert_eq!(ask(2, take), Outcome::Rows(vec![Row(vec![Value::Bool(false)])]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// The lock table.
    pub(super) table: Table,
    marks: BTreeMap<Session, i64>,
    /// Who got what they waited for, first who did first.
    woken: VecDeque<Session>,
}

impl Server {
    pub(super) fn new(room: usize) -> Self {
        Self { table: Table::default().with_capacity(room), ..Self::default() }
    }

    /// What a statement does in a session of a primary, and answers. One that has to wait does so in vain, since
    /// nothing else happens meanwhile.
    pub fn execute(&mut self, session: Session, statement: &Statement) -> Outcome {
        self.begin(session, statement).unwrap_or_else(|| self.time_out(session))
    }

    /// The same, but one that has to wait has no outcome yet.
    pub(super) fn begin(&mut self, session: Session, statement: &Statement) -> Option<Outcome> {
        let Statement::Advisory(Advisory { mark, call }) = statement else {
            return Some(failed("0A000", "this world knows advisory locks alone"));
        };
        if *call == Call::Enter {
            let unmarked = self.marks.insert(session, *mark).is_none();
            return Some(entered(unmarked, true, true));
        }
        if self.marks.get(&session) != Some(mark) {
            return Some(Outcome::Rows(vec![Row(vec![Value::Null])]));
        }
        let command = match *call {
            Call::Enter | Call::Look => return Some(answered(true)),
            Call::Try(place, mode) => Command::Try(Want { place, mode, level: Level::Session }),
            Call::Take(place, mode, _) => {
                Command::Take(Want { place, mode, level: Level::Session })
            }
            Call::Unlock(place, mode) => Command::Unlock(place, mode),
        };
        let answer = self.command(session, command);
        (answer != Answer::Queued).then(|| outcome(answer))
    }

    /// A session does something by hand.
    pub(super) fn command(&mut self, session: Session, command: Command) -> Answer {
        let Reply { answer, woken } = self.table.execute(session, command);
        self.woken.extend(woken);
        answer
    }

    /// A session has waited as long as it was to.
    pub(super) fn time_out(&mut self, session: Session) -> Outcome {
        self.woken.extend(self.table.interrupt(session, Interruption::LockTimeout).woken);
        failed(SLICE_PASSED, "a slice has passed")
    }

    /// A session that got what it waited for.
    pub(super) fn pop_woken(&mut self) -> Option<Session> {
        self.woken.pop_front()
    }

    /// A session ends, and takes all with it.
    pub fn end(&mut self, session: Session) {
        self.marks.remove(&session);
        self.woken.extend(self.table.end(session).woken);
    }

    /// `DISCARD ALL`.
    pub fn discard(&mut self, session: Session) {
        self.marks.remove(&session);
        self.command(session, Command::DiscardAll);
    }

    /// `pg_advisory_unlock_all`, which leaves the mark where it is.
    pub fn unlock_all(&mut self, session: Session) {
        self.command(session, Command::UnlockAll);
    }

    /// How often a session holds a place in a mode.
    pub(super) fn count(&self, session: Session, place: AdvisoryPlace, mode: AdvisoryMode) -> u32 {
        let lock = self.table.locks().find(|(other, _)| *other == place).map(|(_, lock)| lock);
        let hold = lock.and_then(|lock| lock.holds.get(&session));
        hold.map_or(0, |hold| hold.count(mode).session)
    }
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Granted | Answer::Unlocked => answered(true),
        Answer::Busy | Answer::NotHeld => answered(false),
        Answer::Failed(failure) => failed(failure.sqlstate(), "the lock table says no"),
        Answer::Queued | Answer::Done | Answer::Unread => Outcome::Lost,
    }
}

/// What a server answers that has no locks, or none that others see.
pub(super) fn pretend(statement: &Statement, primary: bool, real: bool) -> Outcome {
    let enters = matches!(statement, Statement::Advisory(Advisory { call: Call::Enter, .. }));
    if enters { entered(true, primary, real) } else { answered(true) }
}

pub(super) fn stray(code: &str) -> ServerError {
    let severity = if code.starts_with("57P") { Severity::Fatal } else { Severity::Error };
    error(severity, code, "stray")
}

fn entered(unmarked: bool, primary: bool, real: bool) -> Outcome {
    Outcome::Rows(vec![[unmarked, primary, real].into_iter().map(Value::Bool).collect()])
}

pub(super) fn answered(yes: bool) -> Outcome {
    Outcome::Rows(vec![Row(vec![Value::Bool(yes)])])
}
