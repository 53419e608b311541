//! What goes wrong on the way there and back, in any driver.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Mutex;

use pglock_core::{
    Acquire, Command, Outcome, Param, ServerError, Severity, SqlState, Statement, Value,
};
use pglock_driver::Row;

use super::bug::Bug;

/// What one session remembers that should not.
#[derive(Default)]
pub(super) struct Memory {
    /// Statements by the checksums of their texts, and their parameters' types.
    statements: Mutex<HashMap<String, String>>,
    /// Whether an answer is to be skipped.
    skips: Mutex<bool>,
}

/// The command as it is sent.
pub(super) fn there(bug: Bug, command: &Command, memory: &Memory) -> Command {
    let query = command.query();
    let params = query.params.into_iter().map(|param| sent(bug, param)).collect();
    let params = if bug == Bug::ParametersCut { first(params, 8) } else { params };
    let text = if bug == Bug::StatementsMixedUp {
        let kinds: Vec<_> = params.iter().map(Param::type_name).collect();
        let name = format!("{} {kinds:?}", query.text.bytes().map(u64::from).sum::<u64>());
        let mut statements = memory.statements.lock().unwrap();
        statements.entry(name).or_insert_with(|| query.text.into()).clone()
    } else {
        query.text.into()
    };
    Command::trial(command.id().as_u64(), &text, params)
}

fn first<T>(mut items: Vec<T>, count: usize) -> Vec<T> {
    items.truncate(count);
    items
}

fn sent(bug: Bug, param: Param) -> Param {
    match (bug, param) {
        (Bug::NumberCutOnTheWayThere, Param::Int8(Some(number))) => {
            Param::Int8(Some(i64::from(number as i32)))
        }
        (Bug::FalseSentAsTrue, Param::Bool(_)) => Param::Bool(true),
        (Bug::NullSentAsZero, Param::Int8(None)) => Param::Int8(Some(0)),
        (Bug::EmptySentAsNull, Param::Bytea(Some(bytes))) if bytes.is_empty() => Param::Bytea(None),
        (Bug::NumbersCut, Param::Int8Array(numbers)) => Param::Int8Array(first(numbers, 1)),
        (Bug::BatchCut, Param::Int8Array(numbers)) => Param::Int8Array(first(numbers, 512)),
        (Bug::BatchCut, Param::TextArray(texts)) => Param::TextArray(first(texts, 512)),
        (Bug::TextTrimmed, Param::Text(text)) => Param::Text(text.trim().into()),
        (Bug::QuotesDoubled, Param::Text(text)) => Param::Text(text.replace('\'', "''").into()),
        (Bug::TextCut, Param::Text(text)) => {
            Param::Text(text.chars().take(65_536).collect::<String>().into())
        }
        (Bug::PanicsAtNul, Param::Text(text)) => {
            Param::Text(CString::new(text.as_ref()).unwrap().into_string().unwrap().into())
        }
        (Bug::TextCutAtNul, Param::Text(text)) => {
            Param::Text(text.split('\0').next().unwrap_or_default().into())
        }
        (Bug::TextsUnquoted, Param::TextArray(texts)) => {
            let parts = texts.iter().flat_map(|text| text.split(','));
            Param::TextArray(parts.map(Into::into).collect())
        }
        (Bug::BytesCut, Param::Bytea(Some(bytes))) => {
            Param::Bytea(Some(first(bytes.to_vec(), 65_536).into()))
        }
        (_, param) => param,
    }
}

/// The outcome as it is told.
pub(super) fn back(bug: Bug, outcome: Outcome, asked: &Command, memory: &Memory) -> Outcome {
    match outcome {
        Outcome::Rows(rows) => answered(bug, rows, asked, memory),
        Outcome::Failed(error) => failed(bug, error, memory),
        Outcome::Lost if bug == Bug::LostIsNoRows => Outcome::Rows(Vec::new()),
        Outcome::Lost if bug == Bug::LostIsAnError => Outcome::Failed(made_up()),
        Outcome::Lost => Outcome::Lost,
    }
}

pub(super) fn made_up() -> ServerError {
    let message = "the server closed the connection unexpectedly".into();
    ServerError { severity: Severity::Fatal, sqlstate: SqlState::new("08006"), message }
}

/// Whether this is the last answer of its session.
pub(super) fn ends(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Rows(_) => false,
        Outcome::Failed(error) => error.severity == Severity::Fatal,
        Outcome::Lost => true,
    }
}

fn answered(bug: Bug, mut rows: Vec<Row>, asked: &Command, memory: &Memory) -> Outcome {
    let text = asked.query().text;
    if std::mem::take(&mut *memory.skips.lock().unwrap()) {
        return Outcome::Rows(Vec::new());
    }
    match bug {
        Bug::RowsReversed => rows.reverse(),
        Bug::RowsCut => rows.truncate(1_000),
        Bug::NoRowsAreLost if rows.is_empty() => return Outcome::Lost,
        Bug::RemarkIsAnError if text.contains("RAISE NOTICE") => return Outcome::Failed(made_up()),
        Bug::RefusalIsAGrant => {
            if let Statement::Acquire(acquire) = asked.statement() {
                rows.iter_mut().for_each(|row| grant(acquire, row));
            }
        }
        Bug::ColumnsReversed => rows.iter_mut().for_each(|row| row.0.reverse()),
        _ => {}
    }
    for value in rows.iter_mut().flat_map(|row| &mut row.0) {
        *value = read(bug, std::mem::replace(value, Value::Null));
    }
    Outcome::Rows(rows)
}

/// Says that the lock was granted, as it was asked for.
fn grant(acquire: &Acquire, row: &mut Row) {
    if let [granted @ Value::Bool(false), number @ Value::Int8(_), ..] = row.0.as_mut_slice() {
        *granted = Value::Bool(true);
        *number = Value::Int8(acquire.new.as_i64());
    }
}

fn read(bug: Bug, value: Value) -> Value {
    match (bug, value) {
        (Bug::NumberCutOnTheWayBack, Value::Int8(number)) => Value::Int8(i64::from(number as i32)),
        (Bug::NumberRounded, Value::Int8(number)) => Value::Int8(number as f64 as i64),
        (Bug::NullReadAsEmpty, Value::Null) => Value::Text(String::new()),
        (Bug::EmptyReadAsNull, Value::Text(text)) if text.is_empty() => Value::Null,
        (Bug::TextReadAsLatin, Value::Text(text)) => {
            Value::Text(text.bytes().map(char::from).collect())
        }
        (Bug::BytesCutAtZero, Value::Bytea(bytes)) => {
            Value::Bytea(bytes.into_iter().take_while(|byte| *byte != 0).collect())
        }
        (_, value) => value,
    }
}

fn failed(bug: Bug, mut error: ServerError, memory: &Memory) -> Outcome {
    match bug {
        Bug::CodeForgotten => error.sqlstate = SqlState::new("XX000"),
        Bug::WordsForgotten => error.message.clear(),
        Bug::ErrorRaised => error.severity = Severity::Fatal,
        Bug::FatalIsAnError => error.severity = Severity::Error,
        Bug::ErrorSwallowed => return Outcome::Rows(Vec::new()),
        Bug::ErrorIsLost if ["08", "57"].contains(&&error.sqlstate.as_str()[..2]) => {
            return Outcome::Lost;
        }
        Bug::AnswerSkippedAfterError => *memory.skips.lock().unwrap() = true,
        _ => {}
    }
    Outcome::Failed(error)
}
