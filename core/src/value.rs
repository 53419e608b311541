//! All that a driver must carry to the server and back: a closed list of parameter and value types.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

/// A parameter of a statement, with its PostgreSQL type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a driver must be able to carry every one")]
pub enum Param {
    /// `int8`
    Int8(Option<i64>),
    /// `bool`
    Bool(bool),
    /// `text`
    Text(Arc<str>),
    /// `bytea`
    Bytea(Option<Arc<[u8]>>),
    /// `int8[]`
    Int8Array(Vec<i64>),
    /// `text[]`
    TextArray(Vec<Arc<str>>),
}

impl Param {
    /// The name of its PostgreSQL type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Int8(_) => "int8",
            Self::Bool(_) => "bool",
            Self::Text(_) => "text",
            Self::Bytea(_) => "bytea",
            Self::Int8Array(_) => "int8[]",
            Self::TextArray(_) => "text[]",
        }
    }

    /// The parameter in PostgreSQL's text format, for drivers that need it; `None` is NULL.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        match self {
            Self::Int8(number) => number.map(|n| n.to_string()),
            Self::Bool(yes) => Some(if *yes { "t" } else { "f" }.into()),
            Self::Text(text) => Some(text.as_ref().into()),
            Self::Bytea(bytes) => bytes.as_deref().map(hex),
            Self::Int8Array(numbers) => {
                Some(braced(numbers, |out, n| write!(out, "{n}").unwrap_or(())))
            }
            Self::TextArray(texts) => Some(braced(texts, |out, text| quoted(out, text))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::from("\\x");
    for byte in bytes {
        write!(out, "{byte:02x}").unwrap_or(());
    }
    out
}

fn braced<T>(items: &[T], put: impl Fn(&mut String, &T)) -> String {
    let mut out = String::from("{");
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        put(&mut out, item);
    }
    out.push('}');
    out
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// A value of a row that the server answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "no statement of this library answers any other")]
pub enum Value {
    /// NULL of whatever type.
    Null,
    /// `int8`
    Int8(i64),
    /// `bool`
    Bool(bool),
    /// `text`, or `varchar`
    Text(String),
    /// `bytea`
    Bytea(Vec<u8>),
}

/// A row that the server answered, its values in the statement's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row(pub Vec<Value>);

impl FromIterator<Value> for Row {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_row_is_made_of_its_values() {
        let values = [Value::Int8(1), Value::Null];
        assert_eq!(values.clone().into_iter().collect::<Row>(), Row(values.to_vec()));
    }

    #[test]
    fn text_forms_are_postgresqls() {
        let text = |param: Param| param.to_text();
        assert_eq!(text(Param::Int8(Some(-7))).as_deref(), Some("-7"));
        assert_eq!(text(Param::Int8(None)), None);
        assert_eq!(text(Param::Bool(true)).as_deref(), Some("t"));
        assert_eq!(text(Param::Text("a\"b".into())).as_deref(), Some("a\"b"));
        assert_eq!(text(Param::Bytea(Some([0, 255][..].into()))).as_deref(), Some("\\x00ff"));
        assert_eq!(text(Param::Int8Array(vec![1, -2])).as_deref(), Some("{1,-2}"));
        assert_eq!(text(Param::Int8Array(vec![])).as_deref(), Some("{}"));
        let names = vec!["a b".into(), "q\"\\".into(), "".into(), "NULL".into()];
        assert_eq!(text(Param::TextArray(names)).as_deref(), Some(r#"{"a b","q\"\\","","NULL"}"#));
    }
}
