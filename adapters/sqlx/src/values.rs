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
pub(crate) fn inlined(text: &str, params: &[Param]) -> String {
    let (mut inlined, mut quote, mut rest) = (String::new(), None, text.chars());
    while let Some(next) = rest.next() {
        match next {
            '\'' | '"' if quote.is_none() => quote = Some(next),
            _ if quote == Some(next) => quote = None,
            _ => {}
        }
        match parameter(rest.as_str(), params).filter(|_| next == '$' && quote.is_none()) {
            Some((param, after)) => {
                inlined.push_str(&literal(param));
                rest = after.chars();
            }
            None => inlined.push(next),
        }
    }
    inlined
}

/// The parameter whose number the text begins with, and what comes after it.
fn parameter<'a>(text: &'a str, params: &'a [Param]) -> Option<(&'a Param, &'a str)> {
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: usize = text.strip_suffix(after)?.parse().ok()?;
    Some((params.get(number.checked_sub(1)?)?, after))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_where_the_text_wants_them() {
        let params = [Param::Int8(Some(-1)), Param::Text(r"it's \ $1".into())];
        let text = r#"SELECT $1::int8, '$1', "t$2", $2, '''$1', $10, $$"#;
        let with =
            r#"SELECT (E'-1'::int8)::int8, '$1', "t$2", (E'it''s \\ $1'::text), '''$1', $10, $$"#;
        assert_eq!(inlined(text, &params), with);
    }

    #[test]
    fn each_type_has_its_literal() {
        let text = |param| inlined("$1", &[param]);
        assert_eq!(text(Param::Int8(None)), "(NULL::int8)");
        assert_eq!(text(Param::Bool(true)), "(E't'::bool)");
        assert_eq!(text(Param::Bytea(Some([0, 255][..].into()))), r"(E'\\x00ff'::bytea)");
        assert_eq!(text(Param::Int8Array(vec![1, 2])), "(E'{1,2}'::int8[])");
        assert_eq!(text(Param::TextArray(vec!["a\"".into()])), r#"(E'{"a\\""}'::text[])"#);
    }
}
