//! What is on its way between clients and server.

use std::fmt;

use pglock_core::{CommandId, Outcome, Rvn, SessionId, Statement, Value};

use super::left::{Left, spend};

/// One incarnation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Who {
    pub(super) client: usize,
    pub(super) life: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Message {
    Request(Request),
    Reply(Reply),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub(super) who: Who,
    pub(super) session: SessionId,
    pub(super) command: CommandId,
    pub(super) statement: Statement,
    /// Whether the number in the row had stood there for a whole lease when it was sent; told only of those that
    /// take a lock over.
    pub(super) ripe: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reply {
    pub(super) who: Who,
    pub(super) session: SessionId,
    pub(super) command: CommandId,
    pub(super) outcome: Outcome,
}

impl Request {
    /// Whether running it could change a row that shows one of `numbers`, or may be free.
    pub(super) fn may_change(&self, numbers: &[Rvn], free: bool) -> bool {
        let any_of = |mine: &[Rvn]| mine.iter().any(|mine| numbers.contains(mine));
        match &self.statement {
            Statement::Acquire(acquire) => {
                free || any_of(&acquire.mine) || acquire.seen.is_some_and(|seen| any_of(&[seen]))
            }
            Statement::Renew(renew) => renew.locks.iter().any(|renewal| any_of(&renewal.mine)),
            Statement::Release(release) => any_of(&release.mine),
            _ => false,
        }
    }

    /// The number it writes.
    pub(super) fn writes(&self) -> Option<Rvn> {
        match &self.statement {
            Statement::Acquire(acquire) => Some(acquire.new),
            Statement::Renew(renew) => renew.locks.first().map(|renewal| renewal.new),
            _ => None,
        }
    }

    /// Takes it off what may still happen, if it may.
    pub(super) const fn spend(&self, left: &mut Left) -> bool {
        match self.statement {
            Statement::Renew(_) => spend(&mut left.heartbeats, 1),
            Statement::Release(_) => spend(&mut left.releases, 1),
            _ => spend(&mut left.tries, 1),
        }
    }
}

/// `A` and its kind; with a number if it has crashed.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = ["A", "B", "C"].get(self.client).unwrap_or(&"somebody new");
        match self.life {
            0 => f.write_str(letter),
            life => write!(f, "{letter}{}", life + 1),
        }
    }
}

/// `A's renewal #3`.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.statement {
            Statement::Acquire(acquire) if acquire.seen.is_some() => "take-over",
            Statement::Acquire(_) => "acquire",
            Statement::Renew(_) => "renewal",
            Statement::Release(_) => "release",
            Statement::Read(_) => "look",
            _ => "statement",
        };
        write!(f, "{}'s {kind} #{}", self.who, self.command.as_u64())
    }
}

/// `the reply to A #3 (granted)`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, command, outcome, .. } = self;
        write!(f, "the reply to {who} #{} ({})", command.as_u64(), gist(outcome))
    }
}

fn gist(outcome: &Outcome) -> String {
    let Outcome::Rows(rows) = outcome else { return format!("{outcome:?}") };
    match rows.first().map(|row| row.0.as_slice()) {
        None => "no row".into(),
        Some([Value::Bool(true), ..]) => "granted".into(),
        Some([Value::Bool(false), ..]) => "not granted".into(),
        Some([_, Value::Text(verdict), _]) => verdict.clone(),
        Some([_]) => "freed".into(),
        Some(_) => "the row".into(),
    }
}
