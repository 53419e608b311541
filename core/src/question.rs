//! Questions that need no lock: reading rows, work on the table itself, who has an advisory lock. Knows how to
//! ask again, not what the rows mean.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::advisory::{AdvisoryClaim, AdvisoryPlace, holders};
use crate::config::Config;
use crate::context::Context;
use crate::error::{Failure, ServerError, Standing};
use crate::event::Event;
use crate::identity::{Rvn, Token};
use crate::lease::answer::entry;
use crate::name::LockName;
use crate::output::{Outcome, QuestionId};
use crate::schema::{self, TableReport};
use crate::statement::{Evict, Read, Statement};
use crate::time::Instant;
use crate::value::Row;

/// A question to the server. All can be asked again without harm.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Question {
    /// Reads one row; works on a read-only standby.
    Get(LockName),
    /// Reads all rows whose names start so, in byte order of their names; works on a read-only standby.
    List {
        /// How the names start; empty for all.
        prefix: String,
    },
    /// Frees a lock whoever holds it, if it was granted under this token and stands under it yet: for an
    /// operator. Its holder learns of the loss with its next heartbeat, others may have the lock before.
    Evict {
        /// Which lock.
        name: LockName,
        /// The token of the grant to end.
        token: Token,
    },
    /// Creates the table and its sequences where missing and adds missing columns.
    CreateTable,
    /// Looks whether the table has what is needed.
    CheckTable,
    /// Drops the table and its sequences.
    DropTable,
    /// Tells which sessions hold an advisory lock of this database or wait for it; needs no table, and works on a
    /// read-only standby, for the standby's own locks.
    AdvisoryHolders(AdvisoryPlace),
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Question::Get`], [`Question::List`], and [`Question::Evict`]: there the row without its holder, if it
    /// was freed; it may have been handed over to whoever waited in line.
    Entries(Vec<Entry>),
    /// To [`Question::CheckTable`].
    Table(TableReport),
    /// To [`Question::CreateTable`] and [`Question::DropTable`].
    Done,
    /// To [`Question::AdvisoryHolders`]: holders first, then those that wait, whoever has waited longest first.
    AdvisoryClaims(Vec<AdvisoryClaim>),
}

/// A row of the lock table, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Entry {
    /// The lock's name as it stands in the row: another program may have put there what no [`LockName`] is.
    pub name: String,
    /// The record version number; `None` if the lock is free.
    pub rvn: Option<Rvn>,
    /// The label of the holder, or of the last one.
    pub owner: Option<String>,
    /// The holder's lease, or the last one's.
    pub lease: Option<Duration>,
    /// The data.
    pub data: Option<Vec<u8>>,
    /// The fencing token of the last grant; `None` while a Go client holds the lock, and then no lease either.
    pub token: Option<Token>,
}

impl Entry {
    /// Whether the row names a holder. It may be dead: only watching the number for a lease tells.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.rvn.is_some() && !self.is_handed_over()
    }

    /// Whether the lock was handed over to somebody who has not come for it yet. Nobody holds it, and owner, lease and
    /// token are the last holder's; others have it after two polls if nobody comes.
    #[must_use]
    pub const fn is_handed_over(&self) -> bool {
        matches!(self.rvn, Some(rvn) if rvn.is_ticket())
    }
}

/// The questions under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Questions {
    asked: BTreeMap<QuestionId, Asked>,
    next_id: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    question: Question,
    on_its_way: bool,
    next: Instant,
    give_up: Instant,
    failures: u32,
    trouble: Option<ServerError>,
}

impl Questions {
    pub(crate) const fn new() -> Self {
        Self { asked: BTreeMap::new(), next_id: 0 }
    }

    pub(crate) fn ask(&mut self, question: Question, context: &Context<'_>) -> QuestionId {
        let id = QuestionId::new(self.next_id);
        self.next_id += 1;
        let give_up = context.now.saturating_add(context.config.patience);
        let asked = Asked {
            question,
            on_its_way: false,
            next: context.now,
            give_up,
            failures: 0,
            trouble: None,
        };
        self.asked.insert(id, asked);
        id
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        for asked in self.asked.values_mut() {
            change(&mut asked.next);
            change(&mut asked.give_up);
        }
    }

    /// When the first question is to be asked.
    pub(crate) fn next_ask(&self) -> Option<Instant> {
        self.asked.values().filter(|asked| !asked.on_its_way).map(|asked| asked.next).min()
    }

    /// When the first question is given up.
    pub(crate) fn next_give_up(&self) -> Option<Instant> {
        self.asked.values().map(|asked| asked.give_up).min()
    }

    /// The statement of a question that is due, and how long to wait for its reply.
    pub(crate) fn statement(
        &mut self,
        context: &Context<'_>,
    ) -> Option<(QuestionId, Statement, Duration)> {
        let due = |asked: &Asked| !asked.on_its_way && asked.next <= context.now;
        let (id, asked) = self.asked.iter_mut().find(|(_, asked)| due(asked))?;
        asked.on_its_way = true;
        let statement = asked.question.statement(context.config);
        Some((*id, statement, asked.question.reply_deadline(context.config)))
    }

    pub(crate) fn handle_outcome(
        &mut self,
        id: QuestionId,
        outcome: Outcome,
        context: &mut Context<'_>,
    ) {
        let Some(asked) = self.asked.get_mut(&id) else { return };
        asked.on_its_way = false;
        let answer = match outcome {
            Outcome::Rows(rows) => {
                asked.question.answer(rows, context.config).ok_or(Failure::Undecodable)
            }
            Outcome::Failed(error) if error.standing() == Standing::Refused => {
                Err(Failure::Server(error))
            }
            Outcome::Failed(error) if error.is_standby() => Err(Failure::Server(error)),
            Outcome::Failed(error) => return asked.again(Some(error), context),
            Outcome::Lost => return asked.again(None, context),
        };
        self.answer(id, answer, context);
    }

    /// No question can be answered any more.
    pub(crate) fn fail_all(&mut self, failure: &Failure, context: &mut Context<'_>) {
        while let Some(id) = self.asked.keys().next().copied() {
            self.answer(id, Err(failure.clone()), context);
        }
    }

    /// The server could not be reached.
    pub(crate) fn note_trouble(&mut self, error: &ServerError) {
        for asked in self.asked.values_mut() {
            asked.trouble = Some(error.clone());
        }
    }

    /// Gives up what has had no answer for too long, or everything.
    pub(crate) fn give_up(&mut self, all: bool, context: &mut Context<'_>) {
        let over = |asked: &Asked| all || asked.give_up <= context.now;
        let ids: Vec<_> =
            self.asked.iter().filter(|(_, asked)| over(asked)).map(|(id, _)| *id).collect();
        for id in ids {
            let trouble = self.asked.get(&id).and_then(|asked| asked.trouble.clone());
            self.answer(id, Err(Failure::Unreachable(trouble)), context);
        }
    }

    fn answer(
        &mut self,
        question: QuestionId,
        answer: Result<Answer, Failure>,
        context: &mut Context<'_>,
    ) {
        self.asked.remove(&question);
        context.tell(Event::Answered { question, answer });
    }
}

impl Asked {
    fn again(&mut self, error: Option<ServerError>, context: &mut Context<'_>) {
        self.failures = self.failures.saturating_add(1);
        self.trouble = error.or(self.trouble.take());
        self.next = context.after_pause(self.failures);
    }
}

impl Question {
    /// What may take long gets all the time there is; the rest is asked once more if it gets no answer.
    fn reply_deadline(&self, config: &Config) -> Duration {
        match self {
            Self::Get(_) | Self::Evict { .. } | Self::CheckTable | Self::AdvisoryHolders(_) => {
                config.reply_deadline.min(config.patience)
            }
            Self::List { .. } | Self::CreateTable | Self::DropTable => config.patience,
        }
    }

    fn statement(&self, config: &Config) -> Statement {
        match self {
            Self::Get(name) => Statement::Read(Read::One(name.clone())),
            Self::List { prefix } => Statement::Read(Read::All { prefix: prefix.clone() }),
            Self::Evict { name, token } => Statement::Evict(Evict {
                name: name.clone(),
                token: *token,
                lock_timeout: config.lock_timeout,
            }),
            Self::CreateTable => Statement::CreateTable,
            Self::CheckTable => Statement::CheckTable,
            Self::DropTable => Statement::DropTable,
            Self::AdvisoryHolders(place) => Statement::AdvisoryHolders(*place),
        }
    }

    fn answer(&self, rows: Vec<Row>, config: &Config) -> Option<Answer> {
        match self {
            Self::Get(_) | Self::List { .. } | Self::Evict { .. } => {
                rows.into_iter().map(entry).collect::<Option<_>>().map(Answer::Entries)
            }
            Self::CheckTable => schema::report(&config.table, &rows).map(Answer::Table),
            Self::CreateTable | Self::DropTable => Some(Answer::Done),
            Self::AdvisoryHolders(_) => {
                let claims = rows.into_iter().map(holders::claim).collect::<Result<_, _>>();
                claims.map(Answer::AdvisoryClaims).ok()
            }
        }
    }
}
