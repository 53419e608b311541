//! Statements as JSON, and what JSON says has become of them: see `http.rs`. Knows no network.

use pglock_core::{Outcome, Query, ServerError, Severity, SqlState};
use serde_json::{Value, json};

use crate::text;

/// A statement with its parameters.
#[must_use]
pub fn statement(query: &Query<'_>) -> Value {
    let params = query.params.iter();
    let params: Vec<_> = params
        .map(|param| json!({ "type": text::type_of(param), "value": param.to_text() }))
        .collect();
    json!({ "query": query.text, "params": params })
}

/// What an answer says has become of a statement; that nobody knows, if it makes no sense.
#[must_use]
pub fn outcome(answer: &Value) -> Outcome {
    understood(answer).unwrap_or(Outcome::Lost)
}

fn understood(answer: &Value) -> Option<Outcome> {
    if let Some(error) = answer.get("error") {
        return Some(Outcome::Failed(ServerError {
            severity: match error["severity"].as_str()? {
                "FATAL" => Severity::Fatal,
                "PANIC" => Severity::Panic,
                _ => Severity::Error,
            },
            sqlstate: SqlState::new(error["code"].as_str()?),
            message: error["message"].as_str()?.into(),
        }));
    }
    let types: Vec<u32> = serde_json::from_value(answer.get("types")?.clone()).ok()?;
    let rows: Vec<_> = serde_json::from_value(answer.get("rows")?.clone()).ok()?;
    Some(text::rows(&types, &rows))
}
