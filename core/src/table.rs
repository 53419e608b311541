//! The name of the lock table, quoted properly wherever it goes.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// PostgreSQL cuts identifiers at 63 bytes; the sequences' names are the table's and up to 6 more.
const LONGEST: usize = 63 - "_token".len();

/// The lock table: `locks`, found by the search path, unless told otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    schema: Option<String>,
    name: String,
}

impl Table {
    /// A table found by the search path; its name exactly as given, case and all.
    ///
    /// # Errors
    /// When the name is empty, longer than 57 bytes or contains a NUL character.
    pub fn new(name: &str) -> Result<Self, TableError> {
        Ok(Self { schema: None, name: identifier(name)? })
    }

    /// The table of the same name in `schema`.
    ///
    /// # Errors
    /// When the schema's name is empty, longer than 57 bytes or contains a NUL character.
    pub fn in_schema(self, schema: &str) -> Result<Self, TableError> {
        Ok(Self { schema: Some(identifier(schema)?), ..self })
    }

    /// The table's name as SQL, quoted.
    #[must_use]
    pub fn to_sql(&self) -> String {
        self.relation("")
    }

    /// The schema, if one was given.
    #[must_use]
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name without the schema.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The quoted name of the relation that is called as the table, with `suffix`.
    pub(crate) fn relation(&self, suffix: &str) -> String {
        let name = quote(&format!("{}{suffix}", self.name));
        match &self.schema {
            Some(schema) => format!("{}.{name}", quote(schema)),
            None => name,
        }
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { schema: None, name: "locks".into() }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_sql())
    }
}

/// Reads `table`, `schema.table`, and either part in double quotes (needed only for dots and quotes;
/// case is always kept).
impl FromStr for Table {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        let (first, rest) = part(text)?;
        match rest {
            None => Self::new(&first),
            Some(rest) => match part(rest)? {
                (name, None) => Self::new(&name)?.in_schema(&first),
                (_, Some(_)) => Err(TableError::TooManyParts),
            },
        }
    }
}

/// The first part of a dotted name, and what follows the dot.
fn part(text: &str) -> Result<(String, Option<&str>), TableError> {
    let Some(quoted) = text.strip_prefix('"') else {
        return Ok(match text.split_once('.') {
            Some((first, rest)) => (first.into(), Some(rest)),
            None => (text.into(), None),
        });
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (piece, after) = rest.split_once('"').ok_or(TableError::UnclosedQuote)?;
        name.push_str(piece);
        if let Some(more) = after.strip_prefix('"') {
            name.push('"');
            rest = more;
        } else if after.is_empty() {
            return Ok((name, None));
        } else {
            let rest = after.strip_prefix('.').ok_or(TableError::UnclosedQuote)?;
            return Ok((name, Some(rest)));
        }
    }
}

fn identifier(name: &str) -> Result<String, TableError> {
    if name.is_empty() {
        Err(TableError::Empty)
    } else if name.len() > LONGEST {
        Err(TableError::TooLong { bytes: name.len() })
    } else if name.contains('\0') {
        Err(TableError::Nul)
    } else {
        Ok(name.into())
    }
}

pub(crate) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text as an SQL literal, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Why a text cannot name a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableError {
    /// A part of the name is empty.
    Empty,
    /// A part of the name is longer than 57 bytes, so that PostgreSQL would cut the sequences' names.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A part of the name contains a NUL character.
    Nul,
    /// There are more parts than a schema and a table.
    TooManyParts,
    /// A double quote is not closed, or something other than a dot follows it.
    UnclosedQuote,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the table's name is empty"),
            Self::TooLong { bytes } => {
                write!(f, "the table's name has {bytes} bytes; at most {LONGEST} fit")
            }
            Self::Nul => f.write_str("the table's name contains a NUL character; remove it"),
            Self::TooManyParts => f.write_str(
                "a table is named as table or schema.table; put a name with dots in double quotes",
            ),
            Self::UnclosedQuote => f.write_str("a double quote in the table's name is not closed"),
        }
    }
}

impl core::error::Error for TableError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn sql(text: &str) -> Result<String, TableError> {
        text.parse::<Table>().map(|table| table.to_sql())
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(sql("locks").unwrap(), r#""locks""#);
        assert_eq!(sql("App.Locks").unwrap(), r#""App"."Locks""#);
        assert_eq!(sql(r#""a.b"."c""d""#).unwrap(), r#""a.b"."c""d""#);
        assert_eq!(sql(r#"x"; DROP TABLE y --"#).unwrap(), r#""x""; DROP TABLE y --""#);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        assert_eq!(sql(""), Err(TableError::Empty));
        assert_eq!(sql("a."), Err(TableError::Empty));
        assert_eq!(sql("a.b.c"), Err(TableError::TooManyParts));
        assert_eq!(sql("\"a"), Err(TableError::UnclosedQuote));
        assert_eq!(sql(&"x".repeat(58)), Err(TableError::TooLong { bytes: 58 }));
        assert_eq!(sql("a\0"), Err(TableError::Nul));
    }

    #[test]
    fn a_table_is_shown_as_sql_and_tells_its_parts() {
        let table = Table::new("Locks").unwrap().in_schema("app").unwrap();
        assert_eq!(table.to_string(), r#""app"."Locks""#);
        assert_eq!((table.schema(), table.name()), (Some("app"), "Locks"));
        assert_eq!(Table::default().schema(), None);
    }

    #[test]
    fn names_of_up_to_57_bytes_leave_room_for_the_sequences() {
        let longest = "x".repeat(57);
        assert_eq!(Table::new(&longest).unwrap().name(), longest);
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        for (text, words) in [
            ("", "the table's name is empty"),
            (&"x".repeat(58), "the table's name has 58 bytes; at most 57 fit"),
            ("a\0", "the table's name contains a NUL character; remove it"),
            (
                "a.b.c",
                "a table is named as table or schema.table; put a name with dots in double quotes",
            ),
            ("\"a", "a double quote in the table's name is not closed"),
        ] {
            assert_eq!(sql(text).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn literals_are_escaped() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\b"), r"E'a\\b'");
    }
}
