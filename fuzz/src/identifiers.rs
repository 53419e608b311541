//! Whatever a table, a schema or a lock is called, no statement is another one: outside the names it has the
//! pieces that it has for a harmless name, and lock names travel as parameters only.

use std::sync::OnceLock;
use std::time::Duration;

use pglock_core::{
    Acquire, Amend, Answer, Client, Config, Content, Event, Evict, Identity, Instant, LineUp,
    LockName, Look, Outcome, Output, Owner, Param, Problem, Question, Read, Release, Renew,
    Renewal, Row, Rvn, Sql, Statement, Table, Token as Fence, Value,
};

use crate::lexer::{self, Strings, Token};

/// Text, cut at its NULs, which no name can have: a table, a schema, which may be left out, and the name of
/// a lock.
///
/// # Panics
/// When a statement on the table is not the one it should be.
pub fn identifiers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let [table, schema, name] = [(); 3].map(|()| parts.next().unwrap_or_default());
    let read = table.parse::<Table>().ok();
    let named = Table::new(table).ok().and_then(|table| match schema {
        "" => Some(table),
        schema => table.in_schema(schema).ok(),
    });
    let also_read = read.filter(|read| Some(read) != named.as_ref());
    for table in named.iter().chain(&also_read) {
        if let Err(words) = check(table, name) {
            panic!("{words}");
        }
    }
}

fn check(table: &Table, name: &str) -> Result<(), String> {
    if table.to_sql().parse().as_ref() != Ok(table) {
        return Err(format!("{table} is not read as {table:?}"));
    }
    let plain = harmless(table.schema().is_some())?;
    let own = texts(table, name)?;
    if own.len() != plain.len() {
        return Err(format!("there are {} texts, not {}", own.len(), plain.len()));
    }
    for (plain, own) in plain.iter().zip(&own) {
        same_but_for_names(plain, own, table)?;
    }
    LockName::new(name).map_or(Ok(()), |name| travels(&name))
}

const TABLE: &str = "harmless_table";
const SCHEMA: &str = "harmless_schema";

/// The pieces of all texts about a table that is named with words which are found nowhere else.
fn harmless(in_schema: bool) -> Result<&'static [Vec<Token>], String> {
    static TEXTS: [OnceLock<Result<Vec<Vec<Token>>, String>>; 2] = [const { OnceLock::new() }; 2];
    let [plain, in_its_schema] = &TEXTS;
    let texts = if in_schema { in_its_schema } else { plain }.get_or_init(|| {
        let table = Table::new(TABLE);
        let table = if in_schema { table.and_then(|table| table.in_schema(SCHEMA)) } else { table };
        let texts = texts(&table.map_err(|error| error.to_string())?, "a")?;
        texts.iter().map(|text| pieces(text, Strings::Conforming)).collect()
    });
    texts.as_deref().map_err(Clone::clone)
}

/// Whether a statement on the table has the pieces of the one on the harmless table, whatever the server's
/// settings. Without a backslash they mean nothing.
fn same_but_for_names(plain: &[Token], own: &str, table: &Table) -> Result<(), String> {
    let wanted: Vec<_> = plain.iter().map(|token| renamed(token, table)).collect();
    let settings = [Strings::Conforming, Strings::Escaping];
    for strings in settings.into_iter().take(if own.contains('\\') { 2 } else { 1 }) {
        let found = pieces(own, strings);
        if found.as_ref() != Ok(&wanted) {
            return Err(format!("{own}\nis read as {found:?}\nnot {wanted:?}, {strings:?}"));
        }
    }
    Ok(())
}

fn pieces(sql: &str, strings: Strings) -> Result<Vec<Token>, String> {
    lexer::tokens(sql, strings).and_then(|tokens| refined(tokens, strings))
}

/// Reads again what the server reads again: bodies, and strings that name a relation. The channel of a notification
/// is no relation. The key of an advisory lock is a number made of the name, and left out.
fn refined(tokens: Vec<Token>, strings: Strings) -> Result<Vec<Token>, String> {
    let mut read_again = Vec::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        let is_key = token == Token::Word("pg_advisory_xact_lock".into());
        let is_channel = token == Token::Word("pg_notify".into());
        read_again.push(match token {
            Token::Body(body) => Token::Body(refined(body, strings)?),
            Token::Text(text) if text.starts_with('"') => {
                Token::Body(lexer::tokens(&text, strings)?)
            }
            other @ (Token::Word(_)
            | Token::Identifier(_)
            | Token::Text(_)
            | Token::Parameter(_)
            | Token::Number(_)
            | Token::Sign(_)) => other,
        });
        if is_channel {
            read_again.extend(tokens.by_ref().take(2));
        }
        if is_key {
            tokens.by_ref().take_while(|token| *token != Token::Sign(')')).for_each(drop);
        }
    }
    Ok(read_again)
}

/// The piece with the table's names in place of the harmless ones.
fn renamed(token: &Token, table: &Table) -> Token {
    match token {
        Token::Identifier(name) if name == SCHEMA => {
            Token::Identifier(table.schema().unwrap_or_default().into())
        }
        Token::Identifier(name) => Token::Identifier(match name.strip_prefix(TABLE) {
            Some(suffix) => format!("{}{suffix}", table.name()),
            None => name.clone(),
        }),
        Token::Body(body) => Token::Body(body.iter().map(|token| renamed(token, table)).collect()),
        Token::Text(channel) if channel == TABLE => Token::Text(table.name().into()),
        Token::Word(_)
        | Token::Text(_)
        | Token::Parameter(_)
        | Token::Number(_)
        | Token::Sign(_) => token.clone(),
    }
}

/// The texts of all that is sent about a table, and of all that people are told to run.
fn texts(table: &Table, name: &str) -> Result<Vec<String>, String> {
    let sql = Sql::new(table);
    let name = LockName::new(name).or_else(|_| LockName::new("a")).map_err(|e| e.to_string())?;
    let sent = statements(&name).into_iter().map(|statement| sql.query(&statement).text.into());
    let mends = [Vec::new(), vec![fact("column", "name", "text"), fact("marked", "rvn", "1")]];
    let mends = mends.into_iter().flat_map(|rows| problems(table, rows));
    Ok(sent.chain(table.ddl()).chain(mends.map(|problem| problem.mend)).collect())
}

fn fact(kind: &str, name: &str, detail: &str) -> Row {
    [kind, name, detail].map(|text| Value::Text(text.into())).into_iter().collect()
}

/// What a client finds wrong with the table if the server says this of it.
fn problems(table: &Table, rows: Vec<Row>) -> Vec<Problem> {
    let mut config = Config::default();
    config.table = table.clone();
    let now = Instant::from_nanos(1);
    let Ok(mut client) = Client::new(config, Identity::new([7; 16]), 1) else { return Vec::new() };
    let _ = client.ask(Question::CheckTable, now);
    loop {
        match client.poll_output(now) {
            Output::Connect(session, _) => client.handle_connected(session, now),
            Output::Execute(command) => {
                client.handle_outcome(command.id(), Outcome::Rows(rows.clone()), now);
            }
            Output::Event(Event::Answered { answer: Ok(Answer::Table(report)), .. }) => {
                return report.problems;
            }
            Output::Event(_) | Output::Disconnect(_) => {}
            Output::Wait(_) => return Vec::new(),
        }
    }
}

fn statements(name: &LockName) -> Vec<Statement> {
    let (name, lock_timeout) = (|| name.clone(), Duration::from_secs(1));
    let rvn = Rvn::new(Rvn::MARK);
    let mine = || vec![rvn];
    let lease = Duration::from_secs(20);
    let owner = Owner::new(name().as_str()).unwrap_or_default();
    let content = Content { data: Some(name().as_str().as_bytes().into()), replace: true };
    vec![
        Statement::Acquire(Acquire {
            name: name(),
            seen: Some(rvn),
            mine: mine(),
            new: rvn,
            owner,
            lease,
            content,
            lock_timeout,
        }),
        Statement::Release(Release { name: name(), mine: mine(), keep_data: true, lock_timeout }),
        Statement::Renew(Renew { locks: vec![Renewal { name: name(), mine: mine(), new: rvn }] }),
        Statement::Amend(Amend {
            name: name(),
            mine: mine(),
            new: rvn,
            lease: Some(lease),
            data: Some(None),
            lock_timeout,
        }),
        Statement::Evict(Evict { name: name(), token: Fence::new(1), lock_timeout }),
        Statement::Look(Look { name: name(), mine: mine() }),
        Statement::LineUp(LineUp { name: name(), mine: mine(), ticket: rvn, lock_timeout }),
        Statement::Read(Read::One(name())),
        Statement::Read(Read::All { prefix: name().as_str().into() }),
        Statement::Listen,
        Statement::CreateTable,
        Statement::CheckTable,
        Statement::DropTable,
        Statement::AdvisoryHolders(1.into()),
    ]
}

/// The name is a parameter of each statement that is about it, and the elements of an array are read as what
/// they are.
fn travels(name: &LockName) -> Result<(), String> {
    let sql = Sql::new(&Table::default());
    for statement in statements(name).iter().take(8) {
        let params = sql.query(statement).params;
        let carried = params.iter().any(|param| match param {
            Param::Text(text) => **text == *name.as_str(),
            Param::TextArray(texts) => {
                let elements = param.to_text().and_then(|text| elements(&text));
                texts.iter().any(|text| **text == *name.as_str())
                    && elements == Some(texts.iter().map(|text| text.to_string()).collect())
            }
            Param::Int8(_) | Param::Bool(_) | Param::Bytea(_) | Param::Int8Array(_) => false,
        });
        if !carried {
            return Err(format!("{name:?} is not among {params:?}"));
        }
    }
    Ok(())
}

/// The elements of an array in PostgreSQL's text format, where all are quoted.
fn elements(array: &str) -> Option<Vec<String>> {
    let mut rest = array.strip_prefix('{')?.strip_suffix('}')?.chars();
    let mut elements = Vec::new();
    while rest.next()? == '"' {
        let mut element = String::new();
        loop {
            match rest.next()? {
                '"' => break,
                '\\' => element.push(rest.next()?),
                other => element.push(other),
            }
        }
        elements.push(element);
        match rest.next() {
            Some(',') => {}
            Some(_) => return None,
            None => return Some(elements),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: [&str; 12] = [
        "a\"b",
        "a'b",
        "a\\",
        "\\'",
        "$pglock$",
        "$",
        "--",
        "/*",
        "\"; DROP TABLE y --",
        "E'",
        "\n",
        "🔒",
    ];

    #[test]
    fn nasty_names_are_names() {
        for table in NASTY {
            for name in NASTY {
                identifiers(format!("{table}\0\0{name}").as_bytes());
                identifiers(format!("{table}\0{name}\0{table}").as_bytes());
            }
        }
    }

    /// What is checked would be seen: each of these ways to quote is wrong for a name.
    #[test]
    fn wrong_quoting_is_seen() {
        for (name, statement) in [
            ("a\"b", "SELECT FROM \"{}\""),
            ("a'b", "SELECT '\"{}\"'"),
            ("a\\b", "SELECT '\"{}\"'"),
            ("a$x$b", "DO $x$ SELECT FROM \"{}\" $x$"),
            ("Ab", "SELECT FROM {}"),
        ] {
            let [plain, own] = [TABLE, name].map(|name| statement.replace("{}", name));
            let (plain, table) = (pieces(&plain, Strings::Conforming), Table::new(name));
            let (plain, table) = (plain.unwrap(), table.unwrap());
            assert!(same_but_for_names(&plain, &own, &table).is_err(), "{own}");
        }
    }

    #[test]
    fn a_statement_more_is_seen() {
        let plain = pieces(&format!("SELECT FROM \"{TABLE}\""), Strings::Conforming).unwrap();
        let own = "SELECT FROM \"a\"; DROP TABLE y";
        assert!(same_but_for_names(&plain, own, &Table::new("a").unwrap()).is_err());
    }

    #[test]
    fn arrays_are_read() {
        let read = |text| elements(text);
        assert_eq!(read(r#"{"a","b\"\\,"}"#), Some(vec!["a".into(), "b\"\\,".into()]));
        assert_eq!(read(r#"{"a"b"}"#), None);
        assert_eq!(read("{a}"), None);
    }
}
