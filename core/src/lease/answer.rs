//! Reads the rows that the lease statements answer. A row that does not fit is nobody's answer.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::bugs::{Bug, made};
use crate::identity::{Rvn, Token};
use crate::question::Entry;
use crate::statement::RenewalVerdict;
use crate::value::{Row, Value};

/// A row of the lock table at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Snapshot {
    pub(crate) rvn: Option<Rvn>,
    pub(crate) owner: Option<String>,
    pub(crate) lease: Option<Duration>,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) token: Option<Token>,
}

/// Who waits in a row's line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Line {
    #[default]
    Empty,
    OfOthers,
    Ours,
}

impl Snapshot {
    /// The row without what it tells of its last holder.
    pub(crate) fn of_nobody(self) -> Self {
        Self { owner: None, lease: None, token: None, ..self }
    }
}

/// The answer to an acquire: whether it was granted, and the row; `None` if the row came or went
/// meanwhile.
pub(crate) fn grant(rows: Vec<Row>) -> Result<Option<(bool, Snapshot)>, Unreadable> {
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut values = row.0.into_iter();
    match values.next() {
        Some(Value::Bool(granted)) => Ok(Some((granted, snapshot(values)?))),
        _ => Err(Unreadable),
    }
}

/// The answer to a look at one row, or to lining up there; `None` if there is none.
pub(crate) fn look(rows: Vec<Row>) -> Result<Option<(Snapshot, Line)>, Unreadable> {
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let line = line(&row.0.pop().ok_or(Unreadable)?)?;
    let mut values = row.0.into_iter();
    match values.next() {
        Some(Value::Text(_)) => snapshot(values).map(|row| Some((row, line))),
        _ => Err(Unreadable),
    }
}

fn line(place: &Value) -> Result<Line, Unreadable> {
    Ok(match number(place)? {
        None => Line::Empty,
        Some(0) => Line::OfOthers,
        Some(_) => Line::Ours,
    })
}

/// A row that somebody asked to read.
pub(crate) fn entry(row: Row) -> Option<Entry> {
    let mut values = row.0.into_iter();
    let Some(Value::Text(name)) = values.next() else { return None };
    let Snapshot { rvn, owner, lease, data, token } = snapshot(values).ok()?;
    Some(Entry { name, rvn, owner, lease, data, token })
}

/// The answer to a renewal, for one lock.
pub(crate) fn renewal(row: Row) -> Option<(String, RenewalVerdict, Option<Duration>)> {
    let mut values = row.0.into_iter();
    match (values.next()?, values.next()?, values.next()?, values.next()) {
        (Value::Text(name), Value::Text(verdict), lease, None) => {
            Some((name, RenewalVerdict::parse(&verdict)?, milliseconds(&lease).ok()?))
        }
        _ => None,
    }
}

/// The answer to a release: whether the row was freed.
pub(crate) fn done(rows: &[Row]) -> Result<bool, Unreadable> {
    match rows.first().map(|row| row.0.as_slice()) {
        None => Ok(false),
        Some([token]) => number(token).map(|_| true),
        Some(_) => Err(Unreadable),
    }
}

/// The answer to an amendment: the lease that now stands in the row; `None` if the row is not ours.
pub(crate) fn amended(rows: &[Row]) -> Result<Option<Option<Duration>>, Unreadable> {
    match rows.first().map(|row| row.0.as_slice()) {
        None => Ok(None),
        Some([lease]) => milliseconds(lease).map(Some),
        Some(_) => Err(Unreadable),
    }
}

/// An answer to another statement, or from another program's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// A Go client leaves our columns as they were: while it holds the row they tell of somebody else.
fn snapshot(values: impl Iterator<Item = Value>) -> Result<Snapshot, Unreadable> {
    let values: Vec<Value> = values.collect();
    let [rvn, owner, lease, data, token] =
        <[Value; 5]>::try_from(values).map_err(|_| Unreadable)?;
    let rvn = number(&rvn)?.map(Rvn::new);
    let ours_count = rvn.is_none_or(Rvn::is_marked) || made(Bug::M64);
    Ok(Snapshot {
        rvn,
        owner: text(owner)?,
        lease: milliseconds(&lease)?.filter(|_| ours_count),
        data: match data {
            Value::Bytea(data) => Some(data),
            Value::Null => None,
            Value::Int8(_) | Value::Bool(_) | Value::Text(_) => return Err(Unreadable),
        },
        token: number(&token)?.map(Token::new).filter(|_| ours_count),
    })
}

pub(crate) fn text(value: Value) -> Result<Option<String>, Unreadable> {
    match value {
        Value::Text(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        Value::Int8(_) | Value::Bool(_) | Value::Bytea(_) => Err(Unreadable),
    }
}

pub(crate) fn number(value: &Value) -> Result<Option<i64>, Unreadable> {
    match value {
        Value::Int8(number) => Ok(Some(*number)),
        Value::Null => Ok(None),
        Value::Bool(_) | Value::Text(_) | Value::Bytea(_) => Err(Unreadable),
    }
}

/// A lease; one below a millisecond, which nobody of ours writes, counts as none.
fn milliseconds(value: &Value) -> Result<Option<Duration>, Unreadable> {
    let milliseconds = number(value)?.and_then(|number| u64::try_from(number).ok());
    Ok(milliseconds.filter(|n| *n > 0).map(Duration::from_millis))
}
