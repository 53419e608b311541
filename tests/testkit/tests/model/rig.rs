//! Statements and rows, written briefly.

use std::time::Duration;

use pglock_core::{
    Acquire, Amend, Content, Evict, LockName, Outcome, Owner, Release, Renew, Renewal, Row, Rvn,
    Statement, Token, Value,
};
use pglock_testkit::{Record, Server};

pub(crate) const MARK: i64 = Rvn::MARK;

pub(crate) fn name(text: &str) -> LockName {
    LockName::new(text).unwrap()
}

pub(crate) fn rvn(number: i64) -> Rvn {
    Rvn::new(MARK + number)
}

pub(crate) fn rvns(numbers: &[i64]) -> Vec<Rvn> {
    numbers.iter().map(|number| rvn(*number)).collect()
}

/// An acquire of "a" that writes `new` with a lease of one second.
pub(crate) fn acquire(new: i64) -> Acquire {
    Acquire {
        name: name("a"),
        seen: None,
        mine: rvns(&[new]),
        new: rvn(new),
        owner: Owner::new("me").unwrap(),
        lease: Duration::from_secs(1),
        content: Content::default(),
        lock_timeout: Duration::from_millis(100),
    }
}

pub(crate) fn release(mine: &[i64]) -> Release {
    let lock_timeout = Duration::from_millis(100);
    Release { name: name("a"), mine: rvns(mine), keep_data: false, lock_timeout }
}

pub(crate) fn amend(mine: &[i64], new: i64) -> Amend {
    let lock_timeout = Duration::from_millis(100);
    let (mine, new) = (rvns(mine), rvn(new));
    Amend { name: name("a"), mine, new, lease: None, data: None, lock_timeout }
}

pub(crate) fn renewal(of: &str, mine: &[i64], new: i64) -> Renewal {
    Renewal { name: name(of), mine: rvns(mine), new: rvn(new) }
}

/// A server on which "a" is held under number `number`, with data if there is any.
pub(crate) fn held(number: i64, data: Option<&[u8]>) -> Server {
    let mut server = Server::with_table();
    let content = Content { data: data.map(Into::into), replace: false };
    let first = Acquire { content, ..acquire(number) };
    assert!(!granted(&mut server, &first), "the first use of a name takes two trips");
    assert!(granted(&mut server, &first));
    server.take_changes();
    server
}

pub(crate) fn rows(server: &mut Server, statement: &Statement) -> Vec<Row> {
    match server.execute(statement) {
        Outcome::Rows(rows) => rows,
        outcome @ (Outcome::Failed(_) | Outcome::Lost) => panic!("{outcome:?}"),
    }
}

pub(crate) fn sqlstate(server: &mut Server, statement: &Statement) -> String {
    match server.execute(statement) {
        Outcome::Failed(error) => error.sqlstate.as_str().into(),
        outcome @ (Outcome::Rows(_) | Outcome::Lost) => panic!("{outcome:?}"),
    }
}

pub(crate) fn granted(server: &mut Server, acquire: &Acquire) -> bool {
    let rows = rows(server, &Statement::Acquire(acquire.clone()));
    assert_eq!((rows.len(), rows[0].0.len()), (1, 6), "{rows:?}");
    rows[0].0[0] == Value::Bool(true)
}

pub(crate) fn freed(server: &mut Server, release: &Release) -> Vec<Row> {
    rows(server, &Statement::Release(release.clone()))
}

pub(crate) fn evicted(server: &mut Server, token: i64) -> Vec<Row> {
    let lock_timeout = Duration::from_millis(100);
    let evict = Evict { name: name("a"), token: Token::new(token), lock_timeout };
    rows(server, &Statement::Evict(evict))
}

pub(crate) fn amended(server: &mut Server, amend: &Amend) -> Vec<Row> {
    rows(server, &Statement::Amend(amend.clone()))
}

pub(crate) fn verdicts(server: &mut Server, locks: Vec<Renewal>) -> Vec<(String, String, Value)> {
    let verdict = |row: Row| match <[Value; 3]>::try_from(row.0) {
        Ok([Value::Text(name), Value::Text(verdict), lease]) => (name, verdict, lease),
        other => panic!("{other:?}"),
    };
    rows(server, &Statement::Renew(Renew { locks })).into_iter().map(verdict).collect()
}

pub(crate) fn row(server: &Server) -> Record {
    server.row(&name("a")).unwrap().clone()
}

pub(crate) fn data(server: &Server) -> Option<Vec<u8>> {
    row(server).data.map(|data| data.to_vec())
}

pub(crate) fn unchanged(server: &mut Server, before: &Server) {
    assert_eq!(server.take_changes(), Vec::new());
    assert_eq!(row(server), row(before));
}
