//! A model of the lock table: what each statement does to the rows and what it answers, as PostgreSQL
//! does with the statement's SQL. Knows no sessions, no network and no time: whoever has the server
//! decides how long a statement waits for a locked row.

pub mod advisory;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use pglock_core::{
    Acquire, LineUp, LockName, Outcome, Owner, Row, Rvn, ServerError, Severity, SqlState,
    Statement, Value,
};

use table::Table;

/// A row of the lock table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the columns")]
pub struct Record {
    /// The record version number; `None` if the lock is free.
    pub rvn: Option<Rvn>,
    /// The label of the holder, or of the last one.
    pub owner: Option<Owner>,
    /// The holder's lease in milliseconds, or the last one's.
    pub lease_ms: Option<i64>,
    /// The data.
    pub data: Option<Arc<[u8]>>,
    /// The fencing token of the last grant.
    pub token: Option<i64>,
    /// The tickets of those that wait in line.
    pub waiters: Vec<Rvn>,
}

impl Record {
    /// Whether somebody may hold the lock: it is neither free nor handed over to somebody who has not come for it yet.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.rvn.is_some_and(|rvn| !rvn.is_ticket())
    }
}

/// A row that a statement wrote, also if it wrote what stood there before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a plain report")]
pub struct Change {
    /// Which row.
    pub name: LockName,
    /// The row before; `None` if there was none.
    pub before: Option<Record>,
    /// The row after; `None` if it is gone.
    pub after: Option<Record>,
}

/// The lock table and its sequences.
///
/// ```
/// use pglock_core::{LockName, Outcome, Read, Statement};
/// use pglock_testkit::Server;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut server = Server::without_table();
/// let read = Statement::Read(Read::One(LockName::new("invoice-42")?));
/// assert!(matches!(server.execute(&read), Outcome::Failed(error) if error.sqlstate.as_str() == "42P01"));
/// server.execute(&Statement::CreateTable);
/// assert_eq!(server.execute(&read), Outcome::Rows(vec![]));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    table: Option<Table>,
    read_only: bool,
    timeline: u32,
    changes: Vec<Change>,
    notifications: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self::with_table()
    }
}

impl Server {
    /// A server without a lock table.
    #[must_use]
    pub const fn without_table() -> Self {
        Self {
            table: None,
            read_only: false,
            timeline: 1,
            changes: Vec::new(),
            notifications: Vec::new(),
        }
    }

    /// A server with an empty lock table.
    #[must_use]
    pub fn with_table() -> Self {
        Self { table: Some(Table::default()), ..Self::without_table() }
    }

    /// Makes the server a standby, which refuses all but reading, or a primary again.
    pub const fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// The timeline of its write-ahead log; each fail-over begins another.
    #[must_use]
    pub const fn timeline(&self) -> u32 {
        self.timeline
    }

    /// A standby is promoted in its place that had received what was committed before `replica` was cloned from
    /// it: all since then is gone, the tokens drawn and the rows locked included.
    ///
    /// ```
    /// use pglock_core::{LockName, Owner};
    /// use pglock_testkit::Server;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut server = Server::with_table();
    /// let replica = server.clone();
    /// let name = LockName::new("invoice-42")?;
    /// server.foreign_write(&name, &Owner::new("go")?);
    /// server.fail_over(&replica);
    /// assert_eq!((server.row(&name), server.timeline()), (None, 2));
    /// # Ok(()) }
    /// ```
    pub fn fail_over(&mut self, replica: &Self) {
        self.lose_tail(replica);
        self.timeline += 1;
    }

    /// It crashes and has lost what was committed since `earlier` was cloned from it, as with
    /// `synchronous_commit` off: on the same timeline nothing shows that.
    pub fn lose_tail(&mut self, earlier: &Self) {
        let tables = [&self.table, &earlier.table].into_iter().flatten();
        let names: BTreeSet<&LockName> = tables.flat_map(|table| table.rows.keys()).collect();
        let changed = names.into_iter().filter(|name| self.row(name) != earlier.row(name));
        let change = |name: &LockName| {
            let (before, after) = (self.row(name).cloned(), earlier.row(name).cloned());
            Change { name: name.clone(), before, after }
        };
        let changes: Vec<Change> = changed.map(change).collect();
        self.changes.extend(changes);
        self.table.clone_from(&earlier.table);
        self.table.iter_mut().for_each(|table| table.locked.clear());
    }

    /// Runs a statement. One that needs a row which a stranger has locked fails, as if its lock
    /// time-out had passed.
    pub fn execute(&mut self, statement: &Statement) -> Outcome {
        let seen = self.begin(statement);
        self.finish(statement, seen)
    }

    /// The row as the statement sees it when it begins, which is what it answers if it has to wait for
    /// the row and then finds another.
    #[must_use]
    pub fn begin(&self, statement: &Statement) -> Option<Record> {
        let (Statement::Acquire(Acquire { name, .. }) | Statement::LineUp(LineUp { name, .. })) =
            statement
        else {
            return None;
        };
        self.row(name).cloned()
    }

    /// Runs a statement that began when the row was as `seen`.
    pub fn finish(&mut self, statement: &Statement, seen: Option<Record>) -> Outcome {
        if self.read_only && writes(statement) {
            return failed("25006", "cannot execute in a read-only transaction");
        }
        match statement {
            Statement::CreateTable => {
                self.table.get_or_insert_default();
                return Outcome::Rows(Vec::new());
            }
            Statement::DropTable => {
                self.table = None;
                return Outcome::Rows(Vec::new());
            }
            Statement::CheckTable => return Outcome::Rows(self.describe()),
            // Nobody takes advisory locks on this server.
            Statement::Listen | Statement::AdvisoryHolders(_) => return Outcome::Rows(Vec::new()),
            Statement::Acquire(_)
            | Statement::Release(_)
            | Statement::Renew(_)
            | Statement::Amend(_)
            | Statement::Evict(_)
            | Statement::Look(_)
            | Statement::LineUp(_)
            | Statement::Read(_)
            | _ => {}
        }
        if self.waits_for(statement).is_some() {
            return failed("55P03", "canceling statement due to lock timeout");
        }
        let Some(table) = &mut self.table else {
            return failed("42P01", "relation \"locks\" does not exist");
        };
        let changes = &mut self.changes;
        let before = changes.len();
        let rows = match statement {
            Statement::Acquire(acquire) => {
                table.acquire(acquire, seen, changes).into_iter().collect()
            }
            Statement::Release(release) => table.release(release, changes),
            Statement::Renew(renew) => table.renew(renew, changes),
            Statement::Amend(amend) => table.amend(amend, changes),
            Statement::Evict(evict) => table.evict(evict, changes),
            Statement::Look(look) => table.look(&look.name, &look.mine),
            Statement::LineUp(line_up) => table.line_up(line_up, seen, changes),
            Statement::Read(read) => table.read(read),
            Statement::CreateTable
            | Statement::CheckTable
            | Statement::DropTable
            | Statement::Listen
            | Statement::AdvisoryHolders(_)
            | _ => Vec::new(),
        };
        if matches!(statement, Statement::Release(_) | Statement::Evict(_)) {
            self.notifications.extend(changes.iter().skip(before).filter_map(notification));
        }
        Outcome::Rows(rows)
    }

    /// What was told since this was asked last, to every session that listens.
    pub fn take_notifications(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notifications)
    }

    /// The row that the statement would have to wait for, because a stranger has locked it.
    #[must_use]
    pub fn waits_for<'a>(&self, statement: &'a Statement) -> Option<&'a LockName> {
        let table = self.table.as_ref()?;
        let (name, fits) = match statement {
            Statement::Acquire(acquire) => {
                let row = table.rows.get(&acquire.name);
                (&acquire.name, row.is_some_and(|row| table.grants(acquire, row)))
            }
            Statement::Release(release) => (&release.name, table.is_left(release)),
            Statement::Amend(amend) => (&amend.name, table.shows(&amend.name, &amend.mine)),
            Statement::Evict(evict) => (&evict.name, table.stands_under(evict)),
            Statement::LineUp(line_up) => (&line_up.name, table.is_joined(line_up)),
            Statement::Renew(_)
            | Statement::Look(_)
            | Statement::Read(_)
            | Statement::CreateTable
            | Statement::CheckTable
            | Statement::DropTable
            | Statement::Listen
            | Statement::AdvisoryHolders(_)
            | _ => return None,
        };
        (fits && table.locked.contains(name)).then_some(name)
    }

    /// A row.
    #[must_use]
    pub fn row(&self, name: &LockName) -> Option<&Record> {
        self.table.as_ref()?.rows.get(name)
    }

    /// A stranger's transaction locks a row, if there is one.
    pub fn lock_row(&mut self, name: &LockName) {
        if let Some(table) = &mut self.table
            && table.rows.contains_key(name)
        {
            table.locked.insert(name.clone());
        }
    }

    /// The stranger's transaction ends.
    pub fn unlock_row(&mut self, name: &LockName) {
        if let Some(table) = &mut self.table {
            table.locked.remove(name);
        }
    }

    /// An operator deletes a row.
    pub fn delete(&mut self, name: &LockName) {
        if let Some(table) = &mut self.table {
            table.delete(name, &mut self.changes);
        }
    }

    /// A Go client writes the next number of its sequence, and its label, whatever stands in the row;
    /// the columns it does not know stay as they are.
    pub fn foreign_write(&mut self, name: &LockName, owner: &Owner) -> Option<Rvn> {
        let table = self.table.as_mut()?;
        table.last_foreign += 1;
        let rvn = Rvn::new(table.last_foreign);
        let before = table.rows.get(name).cloned();
        let row = table.rows.entry(name.clone()).or_default();
        row.rvn = Some(rvn);
        row.owner = Some(owner.clone());
        let after = Some(row.clone());
        self.changes.push(Change { name: name.clone(), before, after });
        Some(rvn)
    }

    /// A Go client releases a row that shows its number.
    pub fn foreign_release(&mut self, name: &LockName, rvn: Rvn) {
        if let Some(table) = &mut self.table {
            table.write(name, &mut self.changes, |row| row.rvn == Some(rvn), |row| row.rvn = None);
        }
    }

    /// An operator changes a row by hand, if there is one.
    pub fn edit(&mut self, name: &LockName, change: impl FnOnce(&mut Record)) {
        if let Some(table) = &mut self.table {
            table.write(name, &mut self.changes, |_| true, change);
        }
    }

    /// What was written since this was asked last.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn describe(&self) -> Vec<Row> {
        if self.table.is_none() {
            return Vec::new();
        }
        let columns = [
            ("name", "character varying(255)"),
            ("record_version_number", "bigint"),
            ("data", "bytea"),
            ("owner", "character varying(255)"),
            ("fencing_token", "bigint"),
            ("lease_ms", "bigint"),
            ("waiters", "bigint[]"),
        ];
        let columns = columns.map(|(name, kind)| ("column", name, kind));
        let others = [("key", "name", ""), ("sequence", "_rvn", ""), ("sequence", "_token", "")];
        let text = |text: &str| Value::Text(text.into());
        let row = |(kind, name, detail)| Row(vec![text(kind), text(name), text(detail)]);
        columns.into_iter().chain(others).map(row).collect()
    }
}

/// What a released row tells whom it has been handed over to.
fn notification(change: &Change) -> Option<String> {
    let ticket = change.after.as_ref()?.rvn.filter(|rvn| rvn.is_ticket())?;
    Some(format!("{} {}", ticket.as_i64(), change.name))
}

fn writes(statement: &Statement) -> bool {
    !matches!(
        statement,
        Statement::Look(_)
            | Statement::Read(_)
            | Statement::CheckTable
            | Statement::AdvisoryHolders(_)
    )
}

/// The outcome of a statement that failed without ending its session.
pub(crate) fn failed(sqlstate: &str, message: &str) -> Outcome {
    Outcome::Failed(error(Severity::Error, sqlstate, message))
}

/// An error as a server reports it.
pub(crate) fn error(severity: Severity, sqlstate: &str, message: &str) -> ServerError {
    ServerError { severity, sqlstate: SqlState::new(sqlstate), message: message.into() }
}

/// The error of a connection that is refused because there are too many.
pub(crate) fn too_many() -> ServerError {
    error(Severity::Fatal, "53300", "too many clients already")
}

/// The error of a connection that is refused while the server is down.
pub(crate) fn starting_up() -> ServerError {
    error(Severity::Fatal, "57P03", "the database system is starting up")
}
