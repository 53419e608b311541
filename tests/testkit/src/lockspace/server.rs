//! The server of the advisory locks: sessions that carry marks, the lock table that is theirs, and what a
//! statement of the core does there. Knows no network and no time.

use std::collections::{BTreeMap, VecDeque};
use std::convert::identity;

use pglock_core::{
    Advisory, AdvisoryMode, AdvisoryPlace, Call, Outcome, Row, ServerError, Severity, Statement,
    Value,
};

use crate::server::advisory::{
    Answer, Command, Entry, Interruption, Level, Reply, Session, Table, Want,
};
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
/// let mut ask = |session: u32, call| {
///     let advisory = Advisory { mark: session.into(), tokens: false, call };
///     server.execute(session, &Statement::Advisory(advisory))
/// };
/// let take = Call::Try(AdvisoryPlace::Bigint(42), AdvisoryMode::Exclusive);
/// for session in [1, 2] {
///     ask(session, Call::Enter);
/// }
/// assert_eq!(ask(1, take), Outcome::Rows(vec![Row(vec![Value::Int8(0)])]));
/// assert_eq!(ask(2, take), Outcome::Rows(vec![Row(vec![Value::Int8(Call::BUSY)])]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Server {
    /// The lock table.
    pub(super) table: Table,
    marks: BTreeMap<Session, i64>,
    /// The fencing token that was drawn last.
    token: i64,
    /// Places that were unlocked while their bells rang, the first first.
    told: VecDeque<AdvisoryPlace>,
    /// Who got what they waited for, first who did first.
    woken: VecDeque<Session>,
}

impl Server {
    /// One whose lock table has room for so many pairs of a session and a place.
    #[must_use]
    pub fn with_room(self, pairs: usize) -> Self {
        Self { table: self.table.with_capacity(pairs), ..self }
    }

    /// What a statement does in a session of a primary, and answers. One that has to wait does so in vain, since
    /// nothing else happens meanwhile.
    pub fn execute(&mut self, session: Session, statement: &Statement) -> Outcome {
        self.begin(session, statement).unwrap_or_else(|| self.time_out(session))
    }

    /// The same, but one that has to wait has no outcome yet: [`Server::pop_woken`] tells when it has what it waits for.
    pub fn begin(&mut self, session: Session, statement: &Statement) -> Option<Outcome> {
        let Statement::Advisory(Advisory { mark, tokens, call }) = statement else {
            return Some(if *statement == Statement::Listen {
                Outcome::Rows(Vec::new())
            } else {
                failed("0A000", "this world knows advisory locks alone")
            });
        };
        if *call == Call::Enter {
            return Some(self.enter(session, *mark).unwrap_or_else(identity));
        }
        if self.marks.get(&session) != Some(mark) {
            return Some(null());
        }
        if let Call::Take(place, mode, _) = *call {
            let want = Want { place, mode, level: Level::Session };
            let answer = self.command(session, Command::Take(want));
            let waits = answer == Answer::Queued;
            let handed = |_| self.handed(*tokens);
            return (!waits).then(|| done(answer).map_or_else(identity, handed));
        }
        Some(self.call(session, *call, *tokens).unwrap_or_else(identity))
    }

    /// The lock that shows that there are such is free again with the statement.
    fn enter(&mut self, session: Session, mark: i64) -> Answered {
        let real = self.can_have(session, AdvisoryPlace::Bigint(mark))?;
        let unmarked = self.marks.insert(session, mark).is_none();
        Ok(entered(unmarked, true, real))
    }

    fn call(&mut self, session: Session, call: Call, tokens: bool) -> Answered {
        Ok(match call {
            Call::Enter | Call::Look | Call::Take(..) => answered(true),
            Call::Try(place, mode) => {
                let granted = self.try_(session, place, mode)?;
                self.taken(granted, Call::BUSY, tokens)
            }
            Call::Ring(place, mode) => self.ring(session, place, mode, tokens)?,
            Call::RingOn(place, mode) => self.ring_on(session, place, mode, tokens)?,
            Call::Unlock(place, mode) => answered(self.unlock(session, place, mode)?),
            Call::Quiet(place) => answered(self.quiet(session, place)?),
        })
    }

    fn try_(&mut self, session: Session, place: AdvisoryPlace, mode: AdvisoryMode) -> Done {
        done(self.command(session, Command::Try(Want { place, mode, level: Level::Session })))
    }

    /// Whether a place can be had alone for a moment.
    fn can_have(&mut self, session: Session, place: AdvisoryPlace) -> Done {
        let mode = AdvisoryMode::Exclusive;
        done(self.command(session, Command::Try(Want { place, mode, level: Level::Transaction })))
    }

    fn ring(
        &mut self,
        session: Session,
        place: AdvisoryPlace,
        mode: AdvisoryMode,
        tokens: bool,
    ) -> Answered {
        if self.try_(session, place, mode)? {
            return Ok(self.taken(true, Call::BUSY, tokens));
        }
        if self.try_(session, place.bell(), AdvisoryMode::Shared)? {
            return self.ring_on(session, place, mode, tokens);
        }
        let granted = self.try_(session, place, mode)?;
        Ok(self.taken(granted, Call::BUSY, tokens))
    }

    fn ring_on(
        &mut self,
        session: Session,
        place: AdvisoryPlace,
        mode: AdvisoryMode,
        tokens: bool,
    ) -> Answered {
        let granted = self.try_(session, place, mode)?;
        if granted && !self.quiet(session, place)? {
            return Ok(null());
        }
        Ok(self.taken(granted, Call::RINGS, tokens))
    }

    fn quiet(&mut self, session: Session, place: AdvisoryPlace) -> Done {
        done(self.command(session, Command::Unlock(place.bell(), AdvisoryMode::Shared)))
    }

    fn unlock(&mut self, session: Session, place: AdvisoryPlace, mode: AdvisoryMode) -> Done {
        let held = done(self.command(session, Command::Unlock(place, mode)))?;
        if held && !self.can_have(session, place.bell())? {
            self.told.push_back(place);
        }
        Ok(held)
    }

    /// What is answered to one who would take a lock; a grant draws its token.
    fn taken(&mut self, granted: bool, refusal: i64, tokens: bool) -> Outcome {
        self.token += i64::from(granted && tokens);
        match granted {
            true if tokens => number(self.token),
            true => number(0),
            false => number(refusal),
        }
    }

    /// What one is answered who was handed what it waited for.
    pub fn handed(&mut self, tokens: bool) -> Outcome {
        self.taken(true, Call::BUSY, tokens)
    }

    /// A session does something by hand.
    pub fn command(&mut self, session: Session, command: Command) -> Answer {
        let Reply { answer, woken } = self.table.execute(session, command);
        self.woken.extend(woken);
        answer
    }

    /// A session has waited as long as it was to.
    pub fn time_out(&mut self, session: Session) -> Outcome {
        self.woken.extend(self.table.interrupt(session, Interruption::LockTimeout).woken);
        failed(SLICE_PASSED, "a slice has passed")
    }

    /// A session that got what it waited for.
    pub fn pop_woken(&mut self) -> Option<Session> {
        self.woken.pop_front()
    }

    /// The next place that those who listen are to be notified of: it was unlocked while its bell rang.
    pub fn pop_told(&mut self) -> Option<AdvisoryPlace> {
        self.told.pop_front()
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

    /// What `pg_locks` shows.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.table.entries()
    }

    /// Whether nobody holds a place.
    pub(super) fn is_free(&self, place: AdvisoryPlace) -> bool {
        !self.table.entries().iter().any(|entry| entry.place == place && entry.granted)
    }

    /// How often a session holds a place in a mode.
    pub(super) fn count(&self, session: Session, place: AdvisoryPlace, mode: AdvisoryMode) -> u32 {
        let lock = self.table.locks().find(|(other, _)| *other == place).map(|(_, lock)| lock);
        let hold = lock.and_then(|lock| lock.holds.get(&session));
        hold.map_or(0, |hold| hold.count(mode).session)
    }
}

/// The outcome is of a statement that fails.
type Answered = Result<Outcome, Outcome>;

/// Whether a part of a statement did what it is to.
type Done = Result<bool, Outcome>;

fn done(answer: Answer) -> Done {
    match answer {
        Answer::Granted | Answer::Unlocked => Ok(true),
        Answer::Busy | Answer::NotHeld => Ok(false),
        Answer::Failed(failure) => Err(failed(failure.sqlstate(), "the lock table says no")),
        Answer::Queued | Answer::Done | Answer::Unread => Err(Outcome::Lost),
    }
}

/// Whether a lock was taken.
pub(super) fn is_grant(outcome: &Outcome) -> bool {
    let Outcome::Rows(rows) = outcome else { return false };
    rows.iter().any(|row| matches!(row.0.as_slice(), [Value::Int8(0..)]))
}

fn number(number: i64) -> Outcome {
    Outcome::Rows(vec![Row(vec![Value::Int8(number)])])
}

fn null() -> Outcome {
    Outcome::Rows(vec![Row(vec![Value::Null])])
}

/// What a server answers that has no locks, or none that others see.
pub(super) fn pretend(statement: &Statement, primary: bool, real: bool) -> Outcome {
    let Statement::Advisory(Advisory { call, .. }) = statement else { return answered(true) };
    match call.takes() {
        Some(_) => number(0),
        None if *call == Call::Enter => entered(true, primary, real),
        None => answered(true),
    }
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
