//! What became of a command or of a connection.

use std::error::Error;
use std::iter;

use pglock_core::{Outcome, ServerError, Severity, SqlState, TransactionLock};
use pglock_driver::ConnectError;
use tokio_postgres::error::{DbError, Severity as Told};
use tokio_postgres::{self as pg, SimpleQueryMessage};

use crate::row::row;

/// The rows, the server's error, or nothing if the answer is not known.
#[must_use]
pub fn outcome(answer: Result<Vec<pg::Row>, pg::Error>) -> Outcome {
    match answer {
        Ok(rows) => Outcome::Rows(rows.iter().map(row).collect()),
        Err(error) => server_error(&error).map_or(Outcome::Lost, Outcome::Failed),
    }
}

/// Whether a [`TransactionLock`] was granted.
///
/// # Errors
/// As [`TransactionLock::granted`].
pub fn granted(answer: Result<Vec<pg::Row>, pg::Error>) -> Result<bool, pglock_driver::Error> {
    Ok(TransactionLock::granted(outcome(answer))?)
}

/// The only value of an answer.
#[must_use]
pub fn value(answer: &[SimpleQueryMessage]) -> Option<&str> {
    answer.iter().find_map(|message| {
        if let SimpleQueryMessage::Row(row) = message { row.try_get(0).ok()? } else { None }
    })
}

/// Why no connection came about; `error` may come from a pool that wraps the driver's own.
#[must_use]
pub fn connect_error(error: &(dyn Error + 'static)) -> ConnectError {
    let told = chain(error).filter_map(|error| error.downcast_ref()).find_map(server_error);
    match told {
        Some(error) => ConnectError::refused(error),
        None => ConnectError::unreachable(with_causes(error)),
    }
}

/// The server's error, if it was the server that reported it.
#[must_use]
pub fn server_error(error: &pg::Error) -> Option<ServerError> {
    error.as_db_error().map(told)
}

fn told(error: &DbError) -> ServerError {
    ServerError {
        severity: match (error.parsed_severity(), error.severity()) {
            (Some(Told::Panic), _) | (None, "PANIC") => Severity::Panic,
            (Some(Told::Fatal), _) | (None, "FATAL") => Severity::Fatal,
            (Some(_) | None, _) => Severity::Error,
        },
        sqlstate: SqlState::new(error.code().code()),
        message: error.message().into(),
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    chain(error).fold(String::new(), |text, error| match error.to_string() {
        words if text.is_empty() => words,
        words if text.contains(&words) => text,
        words => format!("{text}: {words}"),
    })
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}
