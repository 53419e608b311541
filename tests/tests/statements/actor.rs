//! Someone who sends statements, and their answers in words.

use std::sync::Arc;
use std::time::Duration;

use pglock_core::{
    Acquire, Amend, Content, Evict, LineUp, LockName, Outcome, Owner, Query, Read, Release, Renew,
    Renewal, Row, Rvn, ServerError, Sql, Statement, Table, Token, Value,
};
use pglock_tests::{Database, Server, Session};

/// A lock table with sessions on it.
pub(crate) struct Locks {
    pub(crate) database: Database,
    sql: Arc<Sql>,
}

impl Locks {
    /// A new table called `locks` on the shared server.
    pub(crate) async fn new() -> Self {
        Self::on(Server::shared().database()).await
    }

    /// A new table called `locks`.
    pub(crate) async fn on(database: Database) -> Self {
        let locks = Self::without_table(database, &Table::default());
        locks.actor().await.create_table().await.unwrap();
        locks
    }

    /// A table that is not there yet.
    pub(crate) fn without_table(database: Database, table: &Table) -> Self {
        Self { database, sql: Arc::new(Sql::new(table)) }
    }

    pub(crate) async fn actor(&self) -> Actor {
        self.as_actor(self.database.connect().await)
    }

    pub(crate) fn as_actor(&self, session: Session) -> Actor {
        Actor::new(session, &self.sql)
    }

    pub(crate) fn query<'a>(&'a self, statement: &'a Statement) -> Query<'a> {
        self.sql.query(statement)
    }
}

/// A session with the texts of its table.
pub(crate) struct Actor {
    pub(crate) session: Session,
    sql: Arc<Sql>,
}

/// A row of the table as [`Acquire`] and [`Read`] answer it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) rvn: Option<Rvn>,
    pub(crate) owner: Option<String>,
    pub(crate) lease_ms: Option<i64>,
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) token: Option<i64>,
}

/// The answer of [`Acquire`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Granted(Seen),
    Refused(Seen),
    /// The row appeared or went away meanwhile.
    Nothing,
}

impl Answer {
    /// The token, if it is a grant.
    pub(crate) fn granted(&self) -> Option<i64> {
        match self {
            Self::Granted(seen) => Some(seen.token.expect("a token")),
            Self::Refused(_) | Self::Nothing => None,
        }
    }
}

impl Actor {
    pub(crate) fn new(session: Session, sql: &Arc<Sql>) -> Self {
        Self { session, sql: Arc::clone(sql) }
    }

    pub(crate) async fn acquire(&self, acquire: Acquire) -> Result<Answer, ServerError> {
        let rows = self.run(&Statement::Acquire(acquire)).await?;
        Ok(match rows.as_slice() {
            [] => Answer::Nothing,
            [Row(values)] => match values.split_first() {
                Some((Value::Bool(true), rest)) => Answer::Granted(seen(rest)),
                Some((Value::Bool(false), rest)) => Answer::Refused(seen(rest)),
                _ => panic!("{values:?} is no answer"),
            },
            _ => panic!("{rows:?} is more than one answer"),
        })
    }

    /// Acquires a lock that is free, whether or not it was ever used, and answers its token.
    pub(crate) async fn take(&self, name: &str, new: i64) -> i64 {
        let first = self.acquire(acquire(name, new)).await.unwrap();
        let answer = match first.granted() {
            Some(_) => first,
            None => self.acquire(acquire(name, new)).await.unwrap(),
        };
        answer.granted().unwrap_or_else(|| panic!("{name} is not free: {answer:?}"))
    }

    /// The token, if the row was freed.
    pub(crate) async fn release(&self, release: Release) -> Result<Option<i64>, ServerError> {
        self.run(&Statement::Release(release)).await.map(|rows| number(&rows))
    }

    /// Name, verdict and lease of each lock, in the order of their names.
    pub(crate) async fn renew(
        &self,
        locks: Vec<Renewal>,
    ) -> Result<Vec<(String, String, Option<i64>)>, ServerError> {
        let rows = self.run(&Statement::Renew(Renew { locks })).await?;
        let mut verdicts: Vec<_> = rows
            .iter()
            .map(|Row(values)| {
                (text(&values[0]).unwrap(), text(&values[1]).unwrap(), int(&values[2]))
            })
            .collect();
        verdicts.sort();
        Ok(verdicts)
    }

    /// The lease, if the row was changed.
    pub(crate) async fn amend(&self, amend: Amend) -> Result<Option<i64>, ServerError> {
        self.run(&Statement::Amend(amend)).await.map(|rows| number(&rows))
    }

    /// The number in the row, and its place in line.
    pub(crate) async fn line_up(&self, name: &str, number: i64) -> Option<(Option<Rvn>, i64)> {
        let rows = self.run(&Statement::LineUp(line_up(name, number))).await.unwrap();
        let Row(values) = rows.first()?;
        Some((int(&values[1]).map(Rvn::new), int(&values[6]).unwrap_or(0)))
    }

    pub(crate) async fn read(&self, name: &str) -> Option<Seen> {
        let rows = self.run(&Statement::Read(Read::One(lock(name)))).await.unwrap();
        assert!(rows.len() <= 1, "{rows:?} is more than one row");
        rows.first().map(|Row(values)| seen(&values[1..]))
    }

    /// The row, if it was freed.
    pub(crate) async fn evict(&self, name: &str, token: i64) -> Option<Seen> {
        let lock_timeout = Duration::from_secs(30);
        let evict = Evict { name: lock(name), token: Token::new(token), lock_timeout };
        let rows = self.run(&Statement::Evict(evict)).await.unwrap();
        rows.first().map(|Row(values)| seen(&values[1..]))
    }

    /// The names that start so.
    pub(crate) async fn list(&self, prefix: &str) -> Vec<String> {
        let list = Statement::Read(Read::All { prefix: prefix.into() });
        let rows = self.run(&list).await.unwrap();
        rows.iter().map(|Row(values)| text(&values[0]).unwrap()).collect()
    }

    pub(crate) async fn create_table(&self) -> Result<Vec<Row>, ServerError> {
        self.run(&Statement::CreateTable).await
    }

    pub(crate) async fn run(&self, statement: &Statement) -> Result<Vec<Row>, ServerError> {
        match self.session.run(&self.sql.query(statement)).await {
            Outcome::Rows(rows) => Ok(rows),
            Outcome::Failed(error) => Err(error),
            Outcome::Lost => panic!("the session is gone"),
        }
    }
}

/// An ordinary try; tests change what they are about.
pub(crate) fn acquire(name: &str, new: i64) -> Acquire {
    Acquire {
        name: lock(name),
        seen: None,
        mine: vec![rvn(new)],
        new: rvn(new),
        owner: Owner::new("me").unwrap(),
        lease: Duration::from_secs(20),
        content: Content::default(),
        lock_timeout: Duration::from_secs(30),
    }
}

pub(crate) fn release(name: &str, mine: i64) -> Release {
    Release {
        name: lock(name),
        mine: vec![rvn(mine)],
        keep_data: false,
        lock_timeout: Duration::from_secs(30),
    }
}

pub(crate) fn line_up(name: &str, number: i64) -> LineUp {
    let (name, ticket, lock_timeout) = (lock(name), ticket(number), Duration::from_secs(30));
    LineUp { name, mine: vec![ticket], ticket, lock_timeout }
}

pub(crate) fn renewal(name: &str, mine: i64, new: i64) -> Renewal {
    Renewal { name: lock(name), mine: vec![rvn(mine), rvn(new)], new: rvn(new) }
}

pub(crate) fn amend(name: &str, mine: i64, new: i64) -> Amend {
    Amend {
        name: lock(name),
        mine: vec![rvn(mine), rvn(new)],
        new: rvn(new),
        lease: None,
        data: None,
        lock_timeout: Duration::from_secs(30),
    }
}

pub(crate) fn with_data(data: &[u8], replace: bool) -> Content {
    Content { data: Some(data.into()), replace }
}

pub(crate) fn lock(name: &str) -> LockName {
    LockName::new(name).unwrap()
}

/// A number of this library.
pub(crate) fn rvn(number: i64) -> Rvn {
    Rvn::new(Rvn::MARK + number)
}

/// A ticket of this library.
pub(crate) fn ticket(number: i64) -> Rvn {
    Rvn::new(Rvn::TICKET + number)
}

/// The one number of the one row, if there is a row.
fn number(rows: &[Row]) -> Option<i64> {
    match rows {
        [] => None,
        [Row(values)] => Some(int(&values[0]).expect("a number")),
        _ => panic!("{rows:?} is more than one row"),
    }
}

fn seen(values: &[Value]) -> Seen {
    let [rvn, owner, lease, data, token] = values else { panic!("{values:?} is no row") };
    Seen {
        rvn: int(rvn).map(Rvn::new),
        owner: text(owner),
        lease_ms: int(lease),
        data: match data {
            Value::Bytea(bytes) => Some(bytes.clone()),
            Value::Null => None,
            other => panic!("{other:?} is no data"),
        },
        token: int(token),
    }
}

fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int8(number) => Some(*number),
        Value::Null => None,
        other => panic!("{other:?} is no number"),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Null => None,
        other => panic!("{other:?} is no text"),
    }
}
