//! Parameters and rows in PostgreSQL's text format: all that a driver needs that knows no types.

use pglock_core::{Outcome, Param, Row, Value};

/// The number of a parameter's type, which never changes.
#[must_use]
pub const fn type_of(param: &Param) -> u32 {
    match param {
        Param::Bool(_) => 16,
        Param::Bytea(_) => 17,
        Param::Int8(_) => 20,
        Param::Text(_) => 25,
        Param::TextArray(_) => 1009,
        Param::Int8Array(_) => 1016,
    }
}

/// The rows of an answer, given the types of its columns. A row with a value of another type is left empty: the core
/// calls it undecodable.
#[must_use]
pub fn rows(types: &[u32], rows: &[Vec<Option<String>>]) -> Outcome {
    Outcome::Rows(rows.iter().map(|cells| row(types, cells).unwrap_or_default()).collect())
}

fn row(types: &[u32], cells: &[Option<String>]) -> Option<Row> {
    types.iter().zip(cells).map(|(kind, cell)| value(*kind, cell.as_deref())).collect()
}

fn value(kind: u32, cell: Option<&str>) -> Option<Value> {
    let Some(text) = cell else { return Some(Value::Null) };
    match kind {
        16 => Some(Value::Bool(text == "t")),
        17 => bytes(text.strip_prefix("\\x")?).map(Value::Bytea),
        20 | 23 => text.parse().ok().map(Value::Int8),
        19 | 25 | 705 | 1042 | 1043 => Some(Value::Text(text.into())),
        2278 => Some(Value::Null),
        _ => None,
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16)?.try_into().ok()).collect();
    let pairs = digits?;
    Some(pairs.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
