//! The lock table: its DDL, and what is missing from one that exists.
//!
//! The first four columns and the sequence `<table>_rvn` are those of the Go library
//! cirello.io/pglock, so that both can share a table; ours are added, nullable.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::advisory::fnv1a;
use crate::identity::{Rvn, Token};
use crate::table::{Table, literal};
use crate::value::{Row, Value};

/// The columns with their types that the Go library knows.
const GO_COLUMNS: [(&str, &str); 4] = [
    ("name", "character varying(255)"),
    ("record_version_number", "bigint"),
    ("data", "bytea"),
    ("owner", "character varying(255)"),
];

/// Those that this library adds, in their order.
const OWN_COLUMNS: [(&str, &str); 3] =
    [("fencing_token", "bigint"), ("lease_ms", "bigint"), ("waiters", "bigint[]")];

/// The sequences, as suffixes of the table's name.
const SEQUENCES: [&str; 2] = ["_rvn", "_token"];

/// What a check of the table found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TableReport {
    /// Whether there is such a table.
    pub exists: bool,
    /// What is wrong; nothing if the table is fit for use.
    pub problems: Vec<Problem>,
}

/// Something wrong with the table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Problem {
    /// What, in words.
    pub what: String,
    /// The statements that mend it, with semicolons between, to be run by the table's owner.
    pub mend: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; mended by: {}", self.what, self.mend)
    }
}

impl Table {
    /// The statements that make the table, for people who run them by hand.
    #[must_use]
    pub fn ddl(&self) -> Vec<String> {
        let mut statements = Vec::from([create_table(self)]);
        statements.extend(OWN_COLUMNS.map(|(column, kind)| add_column(self, column, kind)));
        statements.extend(SEQUENCES.map(|suffix| create_sequence(self, suffix)));
        statements
    }
}

/// One statement, so one transaction. It looks first and locks nothing when there is nothing to do; a
/// transaction-level advisory lock keeps many clients that start at once from colliding.
pub(crate) fn create(table: &Table) -> String {
    let steps = [guarded(missing_table(table), create_table(table))]
        .into_iter()
        .chain(OWN_COLUMNS.map(|(column, kind)| {
            guarded(missing_column(table, column), add_column(table, column, kind))
        }))
        .chain([beside(table)])
        .chain(SEQUENCES.map(|suffix| {
            guarded(missing_sequence(table, suffix), make_sequence(table, suffix, "PERFORM"))
        }))
        .collect::<String>();
    let anything_missing = [missing_table(table)]
        .into_iter()
        .chain(OWN_COLUMNS.map(|(column, _)| missing_column(table, column)))
        .chain(SEQUENCES.map(|suffix| missing_sequence(table, suffix)))
        .collect::<Vec<_>>()
        .join(" OR ");
    block(&format!(
        "IF {anything_missing} THEN \
         PERFORM set_config('client_min_messages', 'warning', true); \
         PERFORM set_config('lock_timeout', '5s', true); \
         PERFORM pg_advisory_xact_lock({}); \
         PERFORM set_config('lock_timeout', '2s', true); \
         {steps}END IF;",
        advisory_key(table)
    ))
}

pub(crate) fn drop(table: &Table) -> String {
    let sequences = SEQUENCES
        .map(|suffix| format!("DROP SEQUENCE IF EXISTS {}; ", table.relation(suffix)))
        .concat();
    block(&format!(
        "PERFORM set_config('client_min_messages', 'warning', true); \
         PERFORM set_config('lock_timeout', '2s', true); \
         IF NOT {} THEN {}DROP TABLE {table}; {sequences}END IF;",
        missing_table(table),
        beside(table)
    ))
}

/// Answers kind, name and detail of all that there is of the table.
pub(crate) fn check(table: &Table) -> String {
    let relation = literal(&table.to_sql());
    let sequences = SEQUENCES.map(|suffix| {
        format!(
            " UNION ALL SELECT 'sequence', {}, ''::text WHERE NOT ({})",
            literal(suffix),
            missing_sequence(table, suffix)
        )
    });
    format!(
        "SELECT 'column'::text, attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
         WHERE attrelid = to_regclass({relation}) AND attnum > 0 AND NOT attisdropped \
         UNION ALL SELECT 'key', a.attname::text, '' FROM pg_index i \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
         WHERE i.indrelid = to_regclass({relation}) AND i.indisunique AND i.indisvalid AND i.indimmediate \
         AND i.indnkeyatts = 1 AND i.indpred IS NULL AND i.indexprs IS NULL\
         {} UNION ALL SELECT 'marked', 'rvn', s.last_value::text \
         FROM pg_sequences s JOIN pg_class c ON c.relname = s.sequencename \
         JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname \
         WHERE c.oid = to_regclass({}) AND s.last_value >= {}",
        sequences.concat(),
        literal(&table.relation("_rvn")),
        Rvn::MARK,
    )
}

/// Reads the answer to [`check`]; `None` if it is no such answer.
pub(crate) fn report(table: &Table, rows: &[Row]) -> Option<TableReport> {
    let found: Vec<(&str, &str, &str)> = rows.iter().map(fact).collect::<Option<_>>()?;
    let column = |name: &str| {
        found.iter().find(|(kind, found, _)| *kind == "column" && *found == name).map(|fact| fact.2)
    };
    let has = |kind: &str, name: &str| found.iter().any(|fact| (fact.0, fact.1) == (kind, name));
    let mut problems = Vec::new();
    let mut problem = |what, mend| problems.push(Problem { what, mend });
    if !found.iter().any(|fact| fact.0 == "column") {
        problem(format!("there is no table {table}"), table.ddl().join(";\n"));
        return Some(TableReport { exists: false, problems });
    }
    for (name, wanted) in GO_COLUMNS.into_iter().chain(OWN_COLUMNS) {
        match column(name) {
            Some(actual) if actual == wanted => {}
            Some(actual) => problem(
                format!("column {name} has type {actual}, not {wanted}"),
                format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {wanted}"),
            ),
            None => problem(
                format!("column {name} is missing"),
                format!("ALTER TABLE {table} ADD COLUMN {name} {wanted}"),
            ),
        }
    }
    if !has("key", "name") {
        problem(
            "column name has no unique index of its own".into(),
            format!("ALTER TABLE {table} ADD PRIMARY KEY (name)"),
        );
    }
    for suffix in SEQUENCES {
        if !has("sequence", suffix) {
            problem(
                format!("sequence {} is missing beside the table", table.relation(suffix)),
                make_sequence(table, suffix, "SELECT"),
            );
        }
    }
    if has("marked", "rvn") {
        problem(
            "the Go clients' sequence has reached the numbers of this library".into(),
            format!("ALTER SEQUENCE {} RESTART WITH 1", table.relation("_rvn")),
        );
    }
    Some(TableReport { exists: true, problems })
}

fn fact(row: &Row) -> Option<(&str, &str, &str)> {
    match row.0.as_slice() {
        [Value::Text(kind), Value::Text(name), Value::Text(detail)] => {
            Some((kind.as_str(), name.as_str(), detail.as_str()))
        }
        _ => None,
    }
}

fn create_table(table: &Table) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {table} (name character varying(255) PRIMARY KEY, \
         record_version_number bigint, data bytea, owner character varying(255) DEFAULT '', \
         fencing_token bigint, lease_ms bigint, waiters bigint[]) WITH (fillfactor = 70)"
    )
}

fn add_column(table: &Table, column: &str, kind: &str) -> String {
    format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column} {kind}")
}

/// The Go clients' sequence goes with the table; ours stays, so that tokens grow on even if the
/// table is made anew by hand. A cache would hand out older tokens after newer ones.
fn create_sequence(table: &Table, suffix: &str) -> String {
    let sequence = table.relation(suffix);
    if suffix == "_rvn" {
        format!(
            "CREATE SEQUENCE IF NOT EXISTS {sequence} CYCLE OWNED BY {table}.record_version_number"
        )
    } else {
        let last = Token::EPOCH - 1;
        format!("CREATE SEQUENCE IF NOT EXISTS {sequence} MAXVALUE {last} NO CYCLE CACHE 1")
    }
}

/// A sequence beside a table that may have come without it, from a dump or another schema: tokens go on after
/// those that stand in its rows.
fn make_sequence(table: &Table, suffix: &str, evaluate: &str) -> String {
    let create = create_sequence(table, suffix);
    if suffix == "_rvn" {
        return create;
    }
    let sequence = table.relation(suffix);
    let drawn = format!("max(fencing_token & {})", Token::EPOCH - 1);
    format!(
        "{create}; {evaluate} setval({}, greatest({drawn}, (SELECT last_value FROM {sequence}))) \
         FROM {table} HAVING {drawn} > 0",
        literal(&sequence)
    )
}

fn missing_table(table: &Table) -> String {
    format!("to_regclass({}) IS NULL", literal(&table.to_sql()))
}

/// A sequence that the search path finds in another schema than the table would be another one for other
/// roles, and tokens would not grow.
fn missing_sequence(table: &Table, suffix: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_class s JOIN pg_class t ON t.relnamespace = s.relnamespace \
         WHERE s.oid = to_regclass({}) AND t.oid = to_regclass({}))",
        literal(&table.relation(suffix)),
        literal(&table.to_sql())
    )
}

/// From here on unqualified names mean the table's own schema.
fn beside(table: &Table) -> String {
    match table.schema() {
        Some(_) => String::new(),
        None => format!(
            "PERFORM set_config('search_path', quote_ident(n.nspname), true) \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = to_regclass({}); ",
            literal(&table.to_sql())
        ),
    }
}

fn missing_column(table: &Table, column: &str) -> String {
    format!(
        "NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass({}) \
         AND attname = {} AND NOT attisdropped)",
        literal(&table.to_sql()),
        literal(column)
    )
}

fn guarded(condition: String, statement: String) -> String {
    format!("IF {condition} THEN {statement}; END IF; ")
}

/// A `DO` block whose quotes no name inside it can close.
pub(crate) fn block(body: &str) -> String {
    let mut tag = String::from("$pglock");
    while body.contains(&format!("{tag}$")) {
        tag.push('_');
    }
    format!("DO {tag}$ BEGIN {body} END {tag}$")
}

/// FNV-1a of the table's quoted name, so that only clients of one table wait for each other.
fn advisory_key(table: &Table) -> i64 {
    fnv1a(table.to_sql().as_bytes()).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn row(kind: &str, name: &str, detail: &str) -> Row {
        [kind, name, detail].map(|text| Value::Text(text.into())).into_iter().collect()
    }

    fn complete() -> Vec<Row> {
        let columns = GO_COLUMNS.into_iter().chain(OWN_COLUMNS);
        let mut rows: Vec<Row> = columns.map(|(name, kind)| row("column", name, kind)).collect();
        rows.push(row("key", "name", ""));
        rows.extend(SEQUENCES.map(|suffix| row("sequence", suffix, "")));
        rows
    }

    fn problems(rows: &[Row]) -> Vec<String> {
        let report = report(&Table::default(), rows).unwrap();
        report.problems.into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn a_complete_table_has_no_problems() {
        assert_eq!(problems(&complete()), [""; 0]);
    }

    #[test]
    fn a_table_is_made_with_all_that_it_needs() {
        let made: Vec<_> = Table::default()
            .ddl()
            .iter()
            .map(|sql| sql.split(' ').take(7).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(
            made,
            [
                r#"CREATE TABLE IF NOT EXISTS "locks" (name"#,
                r#"ALTER TABLE "locks" ADD COLUMN IF NOT"#,
                r#"ALTER TABLE "locks" ADD COLUMN IF NOT"#,
                r#"ALTER TABLE "locks" ADD COLUMN IF NOT"#,
                r#"CREATE SEQUENCE IF NOT EXISTS "locks_rvn" CYCLE"#,
                r#"CREATE SEQUENCE IF NOT EXISTS "locks_token" MAXVALUE"#,
            ]
        );
    }

    #[test]
    fn sequences_are_made_beside_a_table_that_the_search_path_finds() {
        let found = create(&Table::default());
        let moved = found.find("set_config('search_path'").unwrap();
        assert!(found.find("CREATE TABLE").unwrap() < moved);
        assert!(moved < found.find("CREATE SEQUENCE").unwrap());
        let named = Table::default().in_schema("app").unwrap();
        assert!(!create(&named).contains("search_path"));
    }

    #[test]
    fn a_problem_is_shown_with_what_mends_it() {
        let mut rows = complete();
        rows.remove(5);
        let [problem] = &report(&Table::default(), &rows).unwrap().problems[..] else { panic!() };
        assert_eq!(
            problem.to_string(),
            "column lease_ms is missing; mended by: ALTER TABLE \"locks\" ADD COLUMN lease_ms bigint"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(problems(&[]), [r#"there is no table "locks""#]);
        let orphan = [row("sequence", "_token", "")];
        assert_eq!(problems(&orphan), [r#"there is no table "locks""#]);
        let mut rows = complete();
        rows.remove(4);
        rows.pop();
        rows[0] = row("column", "name", "text");
        assert_eq!(
            problems(&rows),
            [
                "column name has type text, not character varying(255)",
                "column fencing_token is missing",
                r#"sequence "locks_token" is missing beside the table"#
            ]
        );
    }

    #[test]
    fn a_go_sequence_among_our_numbers_is_named() {
        let mut rows = complete();
        rows.push(row("marked", "rvn", "4611686018427387904"));
        assert_eq!(problems(&rows).len(), 1);
    }

    #[test]
    fn rows_of_another_statement_are_no_report() {
        assert_eq!(report(&Table::default(), &[Row::default()]), None);
    }

    #[test]
    fn no_name_can_close_the_block() {
        let table = Table::new("a$pglock$b$pglock_$").unwrap();
        let sql = create(&table);
        assert!(sql.starts_with("DO $pglock__$ BEGIN"));
        assert_eq!(sql.matches("$pglock__$").count(), 2);
    }
}
