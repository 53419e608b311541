//! The statements of the lease family as typed values: what they mean, and their parameters. Their texts
//! stand in `sql.rs` and `schema.rs`; those of advisory locks in `advisory/statement.rs`.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::advisory::{Advisory, AdvisoryPlace, holders};
use crate::identity::{Rvn, Token};
use crate::name::{LockName, Owner};
use crate::sql::Sql;
use crate::value::Param;

/// A statement. Each is a transaction of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Statement {
    /// Grants a free row, one that shows the number seen, or one that shows a number of ours.
    Acquire(Acquire),
    /// Frees a row that shows a number of ours, or hands it over to the first in its line.
    Release(Release),
    /// Writes new numbers into rows that show a number of ours.
    Renew(Renew),
    /// Renews one lock with another lease or other data.
    Amend(Amend),
    /// Releases a row that stands under a certain token whoever holds it, for an operator.
    Evict(Evict),
    /// Looks at a row, and whether one of ours waits in its line.
    Look(Look),
    /// Does so, and has one of ours wait in line from now on.
    LineUp(LineUp),
    /// Has this session told of releases.
    Listen,
    /// Reads rows.
    Read(Read),
    /// Takes, frees or looks after advisory locks.
    Advisory(Advisory),
    /// Creates or upgrades the table.
    CreateTable,
    /// Describes the table.
    CheckTable,
    /// Drops the table.
    DropTable,
    /// Tells who holds the advisory locks that stand here, or waits for them.
    AdvisoryHolders(AdvisoryPlace),
    /// What [`Command::trial`](crate::Command::trial) carries. No client sends it, and no simulator knows it.
    #[doc(hidden)]
    Trial(Trial),
}

/// Any text with any parameters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Trial {
    pub(crate) text: Arc<str>,
    pub(crate) params: Vec<Param>,
}

/// Grants a lock, or tells who holds it. Answers `granted`, then number, owner, lease in
/// milliseconds, data and token of the row; nothing was written unless `granted`, or the row was absent
/// and is now there, free.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Acquire {
    /// Which.
    pub name: LockName,
    /// The number watched for a whole lease, to be taken over from.
    pub seen: Option<Rvn>,
    /// Every number of ours that may stand in the row, `new` included.
    pub mine: Vec<Rvn>,
    /// The number to write.
    pub new: Rvn,
    /// The label to write.
    pub owner: Owner,
    /// The lease to write.
    pub lease: Duration,
    /// The data to write.
    pub content: Content,
    /// How long to wait for a locked row.
    pub lock_timeout: Duration,
}

/// What a grant does with the row's data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Content {
    /// The data.
    pub data: Option<Arc<[u8]>>,
    /// Whether it replaces what is there; otherwise it is written only where there is none, and nobody holds the lock.
    pub replace: bool,
}

/// Frees a lock. Answers one row, with the token, if the row showed one of the numbers, or one waited in its line:
/// they leave the line, too.
///
/// If somebody waits in line, the row is not free then but shows the first one's ticket, and the table's channel is
/// notified of the ticket and the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Release {
    /// Which.
    pub name: LockName,
    /// Every number of ours that may stand in the row.
    pub mine: Vec<Rvn>,
    /// Whether the data stays.
    pub keep_data: bool,
    /// How long to wait for a locked row.
    pub lock_timeout: Duration,
}

/// Renews many locks. Answers name, verdict and the lease in milliseconds for each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Renew {
    /// Which, no name twice.
    pub locks: Vec<Renewal>,
}

/// The renewal of one lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Renewal {
    /// Which.
    pub name: LockName,
    /// Every number of ours that may stand in the row, `new` included.
    pub mine: Vec<Rvn>,
    /// The number to write.
    pub new: Rvn,
}

/// The verdict of [`Renew`] on one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the statement answers no other")]
pub enum RenewalVerdict {
    /// The new number stands in the row.
    Renewed,
    /// Somebody has locked the row; it shows a number of ours.
    RowLocked,
    /// The row shows no number of ours, or is gone.
    Lost,
}

impl RenewalVerdict {
    const ALL: [Self; 3] = [Self::Renewed, Self::RowLocked, Self::Lost];

    /// The verdict as the statement answers it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renewed => "renewed",
            Self::RowLocked => "row locked",
            Self::Lost => "lost",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }
}

/// Renews one lock with changes. Answers one row, with the lease in milliseconds, if the row
/// showed one of the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Amend {
    /// Which.
    pub name: LockName,
    /// Every number of ours that may stand in the row, `new` included.
    pub mine: Vec<Rvn>,
    /// The number to write.
    pub new: Rvn,
    /// The lease to write, if it changes.
    pub lease: Option<Duration>,
    /// The data to write, if it changes.
    pub data: Option<Option<Arc<[u8]>>>,
    /// How long to wait for a locked row.
    pub lock_timeout: Duration,
}

/// Frees a lock whoever holds it, as [`Release`] does. Answers the row as [`Read`] does, free, if one of this library
/// held it under this token; owner, data and token stay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Evict {
    /// Which.
    pub name: LockName,
    /// The token of the grant to end; one of an earlier grant changes nothing.
    pub token: Token,
    /// How long to wait for a locked row.
    pub lock_timeout: Duration,
}

/// Looks at a row for one who waits. Answers the row as [`Read`] does, and the place in line: nothing if nobody waits
/// there, 0 if only others do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Look {
    /// Which.
    pub name: LockName,
    /// Every number of ours that may stand in the row, or wait in its line.
    pub mine: Vec<Rvn>,
}

/// Puts a ticket at the end of a row's line, unless a number of ours is there or in the row, nobody of this library
/// holds it, or [`LineUp::LONGEST`] wait already: then nothing is written. Answers as [`Look`] does; nothing if all that
/// has changed meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct LineUp {
    /// Which.
    pub name: LockName,
    /// Every number of ours that may stand in the row, or wait in its line, the new ticket included.
    pub mine: Vec<Rvn>,
    /// The ticket to put there.
    pub ticket: Rvn,
    /// How long to wait for a locked row.
    pub lock_timeout: Duration,
}

impl LineUp {
    /// How many may wait in one line; whoever comes later looks from time to time.
    pub const LONGEST: usize = 100;
}

/// Reads rows: name, number, owner, lease in milliseconds, data and token of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a table of two")]
pub enum Read {
    /// One row, if it exists.
    One(LockName),
    /// All rows whose names start so, in byte order.
    All {
        /// How they start.
        prefix: String,
    },
}

/// SQL text with its parameters, in the order `$1`, `$2`, ...
///
/// The same text comes again and again: drivers may prepare it once for each session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Query<'a> {
    /// The text.
    pub text: &'a str,
    /// The parameters.
    pub params: Vec<Param>,
}

impl Statement {
    pub(crate) fn query<'a>(&'a self, sql: &'a Sql) -> Query<'a> {
        match self {
            Self::Acquire(acquire) => Query { text: &sql.acquire, params: acquire.params() },
            Self::Release(release) => Query { text: &sql.release, params: release.params() },
            Self::Renew(renew) => Query { text: &sql.renew, params: renew.params() },
            Self::Amend(amend) => Query { text: &sql.amend, params: amend.params() },
            Self::Evict(evict) => Query { text: &sql.evict, params: evict.params() },
            Self::Look(look) => Query { text: &sql.look, params: look.params() },
            Self::LineUp(line_up) => Query { text: &sql.line_up, params: line_up.params() },
            Self::Listen => Query { text: &sql.listen, params: vec![] },
            Self::Read(Read::One(name)) => {
                Query { text: &sql.read_one, params: vec![Param::Text(name.as_str().into())] }
            }
            Self::Read(Read::All { prefix }) => {
                Query { text: &sql.read_all, params: vec![Param::Text(prefix.as_str().into())] }
            }
            Self::Advisory(advisory) => advisory.query(sql),
            Self::CreateTable => Query { text: &sql.create_table, params: vec![] },
            Self::CheckTable => Query { text: &sql.check_table, params: vec![] },
            Self::DropTable => Query { text: &sql.drop_table, params: vec![] },
            Self::AdvisoryHolders(place) => holders::query(*place),
            Self::Trial(trial) => Query { text: &trial.text, params: trial.params.clone() },
        }
    }
}

impl Acquire {
    fn params(&self) -> Vec<Param> {
        vec![
            text(&self.name),
            Param::Int8(self.seen.map(Rvn::as_i64)),
            numbers(&self.mine),
            Param::Int8(Some(self.new.as_i64())),
            Param::Text(self.owner.as_str().into()),
            Param::Int8(Some(milliseconds(self.lease))),
            Param::Bool(self.content.replace),
            Param::Bytea(self.content.data.clone()),
            timeout(self.lock_timeout),
        ]
    }
}

impl Release {
    fn params(&self) -> Vec<Param> {
        vec![
            text(&self.name),
            numbers(&self.mine),
            Param::Bool(self.keep_data),
            timeout(self.lock_timeout),
        ]
    }
}

impl Renew {
    fn params(&self) -> Vec<Param> {
        let pairs = || {
            self.locks.iter().flat_map(|lock| lock.mine.iter().map(move |rvn| (&lock.name, *rvn)))
        };
        vec![
            Param::TextArray(self.locks.iter().map(|lock| lock.name.as_str().into()).collect()),
            Param::Int8Array(self.locks.iter().map(|lock| lock.new.as_i64()).collect()),
            Param::TextArray(pairs().map(|(name, _)| name.as_str().into()).collect()),
            Param::Int8Array(pairs().map(|(_, rvn)| rvn.as_i64()).collect()),
        ]
    }
}

impl Amend {
    fn params(&self) -> Vec<Param> {
        vec![
            text(&self.name),
            numbers(&self.mine),
            Param::Int8(Some(self.new.as_i64())),
            Param::Int8(self.lease.map(milliseconds)),
            Param::Bool(self.data.is_some()),
            Param::Bytea(self.data.clone().flatten()),
            timeout(self.lock_timeout),
        ]
    }
}

impl Evict {
    fn params(&self) -> Vec<Param> {
        let token = Param::Int8(Some(self.token.as_i64()));
        vec![text(&self.name), token, timeout(self.lock_timeout)]
    }
}

impl Look {
    fn params(&self) -> Vec<Param> {
        vec![text(&self.name), numbers(&self.mine)]
    }
}

impl LineUp {
    fn params(&self) -> Vec<Param> {
        let ticket = Param::Int8(Some(self.ticket.as_i64()));
        vec![text(&self.name), numbers(&self.mine), ticket, timeout(self.lock_timeout)]
    }
}

fn text(name: &LockName) -> Param {
    Param::Text(name.as_str().into())
}

fn numbers(rvns: &[Rvn]) -> Param {
    Param::Int8Array(rvns.iter().map(|rvn| rvn.as_i64()).collect())
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// PostgreSQL counts in whole milliseconds, and zero would mean no time-out.
pub(crate) fn timeout(span: Duration) -> Param {
    Param::Text(alloc::format!("{}ms", milliseconds(span).max(1)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;

    fn params(statement: &Statement) -> Vec<Param> {
        statement.query(&Sql::new(&Table::default())).params
    }

    fn int(number: i64) -> Param {
        Param::Int8(Some(number))
    }

    fn numbered(numbers: &[i64]) -> Vec<Rvn> {
        numbers.iter().map(|number| Rvn::new(*number)).collect()
    }

    #[test]
    fn each_parameter_stands_where_its_text_wants_it() {
        let name = LockName::new("a").unwrap();
        let span = Duration::from_millis;
        let acquire = Acquire {
            name: name.clone(),
            seen: Some(Rvn::new(1)),
            mine: numbered(&[2, 3]),
            new: Rvn::new(3),
            owner: Owner::new("me").unwrap(),
            lease: span(20_000),
            content: Content { data: Some([7].into()), replace: true },
            lock_timeout: span(2_000),
        };
        assert_eq!(
            params(&Statement::Acquire(acquire)),
            [
                Param::Text("a".into()),
                int(1),
                Param::Int8Array(vec![2, 3]),
                int(3),
                Param::Text("me".into()),
                int(20_000),
                Param::Bool(true),
                Param::Bytea(Some([7].into())),
                Param::Text("2000ms".into()),
            ]
        );
        let mine = numbered(&[2, 3]);
        let release =
            Release { name: name.clone(), mine, keep_data: true, lock_timeout: span(2_000) };
        assert_eq!(
            params(&Statement::Release(release)),
            [
                Param::Text("a".into()),
                Param::Int8Array(vec![2, 3]),
                Param::Bool(true),
                Param::Text("2000ms".into()),
            ]
        );
        let renewal = |name: &str, mine: &[i64], new| Renewal {
            name: LockName::new(name).unwrap(),
            mine: numbered(mine),
            new: Rvn::new(new),
        };
        let locks = vec![renewal("a", &[1, 2], 2), renewal("b", &[3], 3)];
        assert_eq!(
            params(&Statement::Renew(Renew { locks })),
            [
                Param::TextArray(vec!["a".into(), "b".into()]),
                Param::Int8Array(vec![2, 3]),
                Param::TextArray(vec!["a".into(), "a".into(), "b".into()]),
                Param::Int8Array(vec![1, 2, 3]),
            ]
        );
        let amend = Amend {
            name: name.clone(),
            mine: numbered(&[2, 3]),
            new: Rvn::new(3),
            lease: Some(span(10_000)),
            data: Some(None),
            lock_timeout: span(2_000),
        };
        assert_eq!(
            params(&Statement::Amend(amend)),
            [
                Param::Text("a".into()),
                Param::Int8Array(vec![2, 3]),
                int(3),
                int(10_000),
                Param::Bool(true),
                Param::Bytea(None),
                Param::Text("2000ms".into()),
            ]
        );
        let evict = Evict { name: name.clone(), token: Token::new(9), lock_timeout: span(2_000) };
        assert_eq!(
            params(&Statement::Evict(evict)),
            [Param::Text("a".into()), int(9), Param::Text("2000ms".into())]
        );
        let mine = numbered(&[4, 5]);
        let look = Look { name: name.clone(), mine: mine.clone() };
        assert_eq!(
            params(&Statement::Look(look)),
            [Param::Text("a".into()), Param::Int8Array(vec![4, 5])]
        );
        let line_up = LineUp { name, mine, ticket: Rvn::new(5), lock_timeout: span(2_000) };
        assert_eq!(
            params(&Statement::LineUp(line_up)),
            [
                Param::Text("a".into()),
                Param::Int8Array(vec![4, 5]),
                int(5),
                Param::Text("2000ms".into())
            ]
        );
    }

    #[test]
    fn a_lock_time_out_is_never_none() {
        assert_eq!(timeout(Duration::from_nanos(1)), Param::Text("1ms".into()));
    }
}
