//! Rows, from PostgreSQL's binary format.

use pglock_core::{Row, Value};
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{self as pg};

/// A row with all its values, or an empty one if a value is of a type that no statement of this
/// library answers: the core calls that undecodable.
pub(crate) fn row(from: &pg::Row) -> Row {
    (0..from.len()).map(|column| value(from, column)).collect::<Option<Row>>().unwrap_or_default()
}

fn value(row: &pg::Row, column: usize) -> Option<Value> {
    let read = match row.columns().get(column)?.type_().clone() {
        Type::INT8 => cell(row, column)?.map(Value::Int8),
        Type::INT4 => cell::<i32>(row, column)?.map(|number| Value::Int8(number.into())),
        Type::BOOL => cell(row, column)?.map(Value::Bool),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            cell(row, column)?.map(Value::Text)
        }
        Type::BYTEA => cell(row, column)?.map(Value::Bytea),
        Type::VOID => None,
        _ => return None,
    };
    Some(read.unwrap_or(Value::Null))
}

fn cell<'a, T: FromSql<'a>>(row: &'a pg::Row, column: usize) -> Option<Option<T>> {
    row.try_get(column).ok()
}
