//! A model and a real server that make the same steps.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use pglock_core::{LockName, Outcome, Read, Row, Sql, Statement, Table, Value};
use pglock_testkit::Server as Model;
use pglock_tests::{Database, Listener, Server, Session};

use crate::foreseen::{Overlap, act};
use crate::mutants::Mutant;
use crate::program::{Action, NAMES, Step};

/// Longer than anything takes that is not stuck.
const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Pair {
    model: Model,
    mutant: Option<Mutant>,
    sql: Sql,
    first: Session,
    second: Session,
    watcher: Session,
    listener: Listener,
    strangers: BTreeMap<LockName, Session>,
    idle: Vec<Session>,
    kept: i32,
    database: Database,
}

/// How the server keeps its state.
const KEEP: &str = "\
    CREATE TABLE kept_$1 AS SELECT * FROM locks; \
    CREATE TABLE drawn_$1 AS SELECT 'locks_rvn' AS sequence, last_value, is_called FROM locks_rvn \
      UNION ALL SELECT 'locks_token', last_value, is_called FROM locks_token";

/// How it brings it back.
const BACK: &str = "\
    DELETE FROM locks; INSERT INTO locks SELECT * FROM kept_$1; \
    SELECT setval(sequence::regclass, last_value, is_called) FROM drawn_$1";

/// A state that both can be brought back to.
pub(crate) struct Kept {
    pub(crate) model: Model,
    number: i32,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        let database = Server::shared().database();
        Self {
            model: Model::without_table(),
            mutant: None,
            sql: Sql::new(&Table::default()),
            first: database.connect().await,
            second: database.connect().await,
            watcher: database.connect().await,
            listener: database.listen("locks").await,
            strangers: BTreeMap::new(),
            idle: Vec::new(),
            kept: 0,
            database,
        }
    }

    /// With a model that makes a mistake.
    pub(crate) fn spoilt_by(self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self }
    }

    /// An empty table on either side.
    pub(crate) async fn reset(&mut self) {
        self.first.execute("ROLLBACK").await;
        self.unlock_all().await;
        self.model = Model::without_table();
        for statement in [Statement::DropTable, Statement::CreateTable] {
            self.make(&Step::Alone(Action::Statement(statement))).await.unwrap();
        }
    }

    pub(crate) const fn model(&self) -> &Model {
        &self.model
    }

    /// Remembers the rows and the sequences as they are. No row may be locked.
    pub(crate) async fn keep(&mut self) -> Kept {
        let number = self.kept;
        self.kept += 1;
        self.first.execute(&KEEP.replace("$1", &number.to_string())).await;
        Kept { model: self.model.clone(), number }
    }

    /// Brings both back, if they are elsewhere.
    pub(crate) async fn back_to(&mut self, kept: &Kept) {
        if self.model != kept.model {
            self.first.execute(&BACK.replace("$1", &kept.number.to_string())).await;
            self.model = kept.model.clone();
        }
    }

    /// Makes a step on both; an error tells how they differ.
    pub(crate) async fn make(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Alone(action) => self.alone(action).await?,
            Step::Behind(first, second) => self.behind(first, second).await?,
            Step::Lock(name) => self.lock(name).await,
            Step::Unlock(name) => self.unlock(name).await,
        }
        drop(self.model.take_changes());
        let everything = Statement::Read(Read::All { prefix: String::new() });
        let rows = self.watcher.run_prepared(&self.sql.query(&everything)).await;
        same("the rows", &self.model.execute(&everything), &rows)?;
        same("the lines", &self.lines_on_the_model(), &self.lines_on_the_server().await)?;
        let (mut told, mut heard) = (self.model.take_notifications(), self.listener.heard().await);
        told.sort();
        heard.sort();
        if told == heard {
            Ok(())
        } else {
            Err(format!("the model tells {told:?}, the server {heard:?}"))
        }
    }

    /// Who waits in the lines of all rows, in their order: no statement answers that.
    fn lines_on_the_model(&self) -> Outcome {
        let line = |name: &str| {
            let row = LockName::new(name).ok().and_then(|name| self.model.row(&name));
            let tickets = row.map_or(&[][..], |row| &row.waiters);
            tickets.iter().map(|ticket| waiting(name, ticket.as_i64())).collect::<Vec<_>>()
        };
        Outcome::Rows(NAMES.into_iter().flat_map(line).collect())
    }

    async fn lines_on_the_server(&self) -> Outcome {
        let text = "SELECT name::text, ticket FROM locks, unnest(waiters) WITH ORDINALITY AS w(ticket, n) \
                    ORDER BY name COLLATE \"C\", n";
        let lines = self.watcher.client().query(text, &[]).await.unwrap_or_default();
        Outcome::Rows(lines.iter().map(|row| waiting(row.get(0), row.get(1))).collect())
    }

    async fn alone(&mut self, action: &Action) -> Result<(), String> {
        if !matches!(action, Action::Statement(statement) if waits_shortly(statement)) {
            self.unlock_all().await;
        }
        let model = act(&mut self.model, action, self.mutant.as_ref());
        let server = self.perform(&self.first, action).await;
        match action {
            Action::Statement(Statement::Read(_)) => same("the rows read", &model, &server),
            _ => same("the action", &sorted(model), &sorted(server)),
        }
    }

    /// The first action is done and holds its row; the second one may have to wait for it.
    async fn behind(&mut self, first: &Action, second: &Action) -> Result<(), String> {
        self.unlock_all().await;
        let expected = Overlap::on(&mut self.model, first, second, self.mutant.as_ref());

        self.first.execute("BEGIN").await;
        let done_first = self.perform(&self.first, first).await;
        let patient = patient(second);
        let done_second = {
            let mut running = pin!(self.perform(&self.second, &patient));
            let early = tokio::select! {
                outcome = &mut running => Some(outcome),
                () = self.second.blocked_by(&self.first, &self.watcher) => None,
            };
            self.first.execute("COMMIT").await;
            let waited = early.is_none();
            let outcome = match early {
                Some(outcome) => outcome,
                None => running.await,
            };
            if expected.waits != waited {
                return Err(format!(
                    "it waits on the model: {}, on the server: {waited}",
                    expected.waits
                ));
            }
            outcome
        };
        same("the first action", &sorted(expected.first), &sorted(done_first))?;
        same("the action behind it", &sorted(expected.second), &sorted(done_second))
    }

    async fn perform(&self, session: &Session, action: &Action) -> Outcome {
        let go_write = "INSERT INTO locks (name, record_version_number, owner) \
                        VALUES ($1, nextval('locks_rvn'), 'go') ON CONFLICT (name) DO UPDATE \
                        SET record_version_number = EXCLUDED.record_version_number, owner = EXCLUDED.owner";
        let go_release = "UPDATE locks SET record_version_number = NULL \
                          WHERE name = $1 AND record_version_number = $2";
        let restore = "UPDATE locks SET fencing_token = $2 WHERE name = $1";
        let delete = "DELETE FROM locks WHERE name = $1";
        let client = session.client();
        let done = match action {
            Action::Statement(statement) => {
                return session.run_prepared(&self.sql.query(statement)).await;
            }
            Action::GoWrite(name) => client.execute(go_write, &[&name.as_str()]).await,
            Action::GoRelease(name, rvn) => {
                client.execute(go_release, &[&name.as_str(), &rvn.as_i64()]).await
            }
            Action::Restore(name, token) => {
                client.execute(restore, &[&name.as_str(), &token.as_i64()]).await
            }
            Action::Delete(name) => client.execute(delete, &[&name.as_str()]).await,
        };
        // Without a table there is nothing to do, for the model either.
        if let Err(error) = done {
            assert_eq!(error.code().unwrap().code(), "42P01", "{error}");
        }
        Outcome::Rows(Vec::new())
    }

    async fn lock(&mut self, name: &LockName) {
        if self.model.row(name).is_none() || self.strangers.contains_key(name) {
            return;
        }
        let stranger = match self.idle.pop() {
            Some(stranger) => stranger,
            None => self.database.connect().await,
        };
        stranger.execute("BEGIN").await;
        let lock = "SELECT 1 FROM locks WHERE name = $1 FOR UPDATE";
        stranger.client().query_one(lock, &[&name.as_str()]).await.unwrap();
        self.model.lock_row(name);
        self.strangers.insert(name.clone(), stranger);
    }

    async fn unlock(&mut self, name: &LockName) {
        if let Some(stranger) = self.strangers.remove(name) {
            stranger.execute("ROLLBACK").await;
            self.model.unlock_row(name);
            self.idle.push(stranger);
        }
    }

    async fn unlock_all(&mut self) {
        while let Some(name) = self.strangers.keys().next().cloned() {
            self.unlock(&name).await;
        }
    }
}

/// Whether a row that a stranger has locked holds the statement up for a moment only.
fn waits_shortly(statement: &Statement) -> bool {
    !matches!(statement, Statement::CreateTable | Statement::DropTable)
}

fn patient(action: &Action) -> Action {
    let mut patient = action.clone();
    if let Action::Statement(statement) = &mut patient {
        match statement {
            Statement::Acquire(acquire) => acquire.lock_timeout = LONG,
            Statement::Release(release) => release.lock_timeout = LONG,
            Statement::Amend(amend) => amend.lock_timeout = LONG,
            Statement::Evict(evict) => evict.lock_timeout = LONG,
            Statement::LineUp(line_up) => line_up.lock_timeout = LONG,
            _ => {}
        }
    }
    patient
}

fn waiting(name: &str, ticket: i64) -> Row {
    Row(vec![Value::Text(name.into()), Value::Int8(ticket)])
}

/// Errors are compared by their codes.
fn same(what: &str, model: &Outcome, server: &Outcome) -> Result<(), String> {
    let same = match (model, server) {
        (Outcome::Failed(model), Outcome::Failed(server)) => model.sqlstate == server.sqlstate,
        _ => model == server,
    };
    if same {
        Ok(())
    } else {
        Err(format!("{what}\non the model:  {model:?}\non the server: {server:?}"))
    }
}

/// Only reading promises an order.
fn sorted(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Rows(mut rows) => {
            rows.sort_by_key(|Row(values)| format!("{values:?}"));
            Outcome::Rows(rows)
        }
        other => other,
    }
}
