//! What is on its way between clients and server.

use std::fmt;

use pglock_core::{Command, CommandId, Outcome, Rvn, SessionId, Statement, Value};

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
    /// A command on its way; `ripe` as the row is now.
    pub(super) fn new(who: Who, command: &Command, ripe: bool) -> Self {
        let statement = command.statement().clone();
        let takes_over =
            matches!(&statement, Statement::Acquire(acquire) if acquire.seen.is_some());
        let (session, command) = (command.session(), command.id());
        Self { who, session, command, statement, ripe: ripe && takes_over }
    }

    /// Whether running it could change a row that shows one of `numbers`, or may be free.
    pub(super) fn may_change(&self, numbers: &[Rvn], free: bool) -> bool {
        let shown = |mine: &[Rvn]| mine.iter().any(|mine| numbers.contains(mine));
        if let Statement::Acquire(acquire) = &self.statement {
            free || shown(&acquire.mine) || acquire.seen.is_some_and(|seen| shown(&[seen]))
        } else if let Statement::Renew(renew) = &self.statement {
            renew.locks.iter().any(|renewal| shown(&renewal.mine))
        } else if let Statement::Release(release) = &self.statement {
            shown(&release.mine)
        } else {
            false
        }
    }

    /// The number it writes.
    pub(super) fn writes(&self) -> Option<Rvn> {
        if let Statement::Acquire(acquire) = &self.statement {
            Some(acquire.new)
        } else if let Statement::Renew(renew) = &self.statement {
            renew.locks.first().map(|renewal| renewal.new)
        } else {
            None
        }
    }

    pub(super) const fn renews(&self) -> bool {
        matches!(self.statement, Statement::Renew(_))
    }

    pub(super) const fn gives_back(&self) -> bool {
        matches!(self.statement, Statement::Release(_))
    }

    /// Takes it off what may still happen, if it may.
    pub(super) const fn spend(&self, left: &mut Left) -> bool {
        let kind = if self.renews() {
            &mut left.heartbeats
        } else if self.gives_back() {
            &mut left.releases
        } else {
            &mut left.tries
        };
        spend(kind, 1)
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
            Statement::Look(_) => "look",
            Statement::Amend(_)
            | Statement::Evict(_)
            | Statement::Read(_)
            | Statement::CreateTable
            | Statement::CheckTable
            | Statement::DropTable
            | Statement::LineUp(_)
            | Statement::Listen
            | Statement::AdvisoryHolders(_)
            | _ => "statement",
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
