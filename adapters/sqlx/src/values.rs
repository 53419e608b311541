//! Statements, rows and errors to and from sqlx. Judges nothing: an error goes on as the server reported it.

use pglock_driver::{
    ConnectError, Outcome, Param, Query, Row, ServerError, Severity, SqlState, Value,
};
use sqlx::postgres::{PgArguments, PgDatabaseError, PgRow, PgSeverity, Postgres};
use sqlx::{Decode, Error, Row as _, Type};

/// A statement with its parameters beside it.
pub(crate) fn bound(query: Query<'_>) -> sqlx::query::Query<'_, Postgres, PgArguments> {
    query.params.into_iter().fold(sqlx::query(query.text), |query, param| match param {
        Param::Int8(number) => query.bind(number),
        Param::Bool(yes) => query.bind(yes),
        Param::Text(text) => query.bind(String::from(&*text)),
        Param::Bytea(bytes) => query.bind(bytes.map(|bytes| bytes.to_vec())),
        Param::Int8Array(numbers) => query.bind(numbers),
        Param::TextArray(texts) => {
            query.bind(texts.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
    })
}

/// A statement with its parameters in it.
pub(crate) fn inlined(query: &Query<'_>) -> String {
    let (mut text, mut quote, mut rest) = (String::new(), None, query.text);
    while let Some(next) = rest.chars().next() {
        rest = &rest[next.len_utf8()..];
        match next {
            '\'' | '"' if quote.is_none() => quote = Some(next),
            _ if quote == Some(next) => quote = None,
            _ => {}
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let param = number.parse().ok().and_then(|n: usize| query.params.get(n.checked_sub(1)?));
        match param.filter(|_| next == '$' && quote.is_none()) {
            Some(param) => (text, rest) = (text + &literal(param), after),
            None => text.push(next),
        }
    }
    text
}

/// As it is understood whatever `standard_conforming_strings` says.
fn literal(param: &Param) -> String {
    let value = param.to_text().map_or_else(
        || "NULL".into(),
        |text| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
    );
    format!("({value}::{})", param.type_name())
}

/// The rows, the server's error, or nothing if the answer is not known.
pub(crate) fn outcome(answer: Result<Vec<PgRow>, Error>) -> Outcome {
    match answer {
        Ok(rows) => Outcome::Rows(rows.iter().map(row).collect()),
        Err(error) => server_error(&error).map_or(Outcome::Lost, Outcome::Failed),
    }
}

/// Why no connection came about.
pub(crate) fn connect_error(error: &Error) -> ConnectError {
    server_error(error)
        .map_or_else(|| ConnectError::unreachable(error.to_string()), ConnectError::refused)
}

/// The server's error, if it was the server that reported it.
fn server_error(error: &Error) -> Option<ServerError> {
    let told = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
    Some(ServerError {
        severity: match told.severity() {
            PgSeverity::Panic => Severity::Panic,
            PgSeverity::Fatal => Severity::Fatal,
            PgSeverity::Error
            | PgSeverity::Warning
            | PgSeverity::Notice
            | PgSeverity::Debug
            | PgSeverity::Info
            | PgSeverity::Log => Severity::Error,
        },
        sqlstate: SqlState::new(told.code()),
        message: told.message().into(),
    })
}

/// A row with all its values, or an empty one if a value is of a type that no statement of this library answers:
/// the core calls that undecodable.
fn row(from: &PgRow) -> Row {
    (0..from.len()).map(|column| value(from, column)).collect::<Option<Row>>().unwrap_or_default()
}

/// NULL is of any type.
fn value(row: &PgRow, column: usize) -> Option<Value> {
    None.or_else(|| cell(row, column, Value::Int8))
        .or_else(|| cell(row, column, |number: i32| Value::Int8(number.into())))
        .or_else(|| cell(row, column, Value::Bool))
        .or_else(|| cell(row, column, Value::Text))
        .or_else(|| cell(row, column, Value::Bytea))
        .or_else(|| cell(row, column, |(): ()| Value::Null))
}

fn cell<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    column: usize,
    wrap: impl FnOnce(T) -> Value,
) -> Option<Value> {
    row.try_get::<Option<T>, _>(column).ok().map(|value| value.map_or(Value::Null, wrap))
}
