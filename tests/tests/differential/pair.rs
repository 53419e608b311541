//! A model and a real server that make the same steps.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use pglock_core::{LockName, Outcome, Owner, Read, Renew, Renewal, Row, Sql, Statement, Table};
use pglock_testkit::Server as Model;
use pglock_tests::{Database, Server, Session};

use crate::program::{Action, Step};

/// Longer than anything takes that is not stuck.
const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Pair {
    model: Model,
    sql: Sql,
    first: Session,
    second: Session,
    watcher: Session,
    strangers: BTreeMap<LockName, Session>,
    database: Database,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        let database = Server::shared().database();
        Self {
            model: Model::without_table(),
            sql: Sql::new(&Table::default()),
            first: database.connect().await,
            second: database.connect().await,
            watcher: database.connect().await,
            strangers: BTreeMap::new(),
            database,
        }
    }

    /// An empty table on either side.
    pub(crate) async fn reset(&mut self) {
        self.first.execute("ROLLBACK").await;
        self.unlock_all().await;
        self.model = Model::without_table();
        for statement in [Statement::DropTable, Statement::CreateTable] {
            self.alone(&Action::Statement(statement)).await.unwrap();
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
        let everything = Statement::Read(Read::All { prefix: String::new() });
        let rows = self.first.run(&self.sql.query(&everything)).await;
        same("the rows", &self.model.execute(&everything), &rows)
    }

    async fn alone(&mut self, action: &Action) -> Result<(), String> {
        if !matches!(action, Action::Statement(statement) if waits_shortly(statement)) {
            self.unlock_all().await;
        }
        let model = act(&mut self.model, action);
        let server = self.perform(&self.first, action).await;
        same("the action", &model, &server)
    }

    /// The first action is done and holds its row; the second statement may have to wait for it.
    async fn behind(&mut self, first: &Action, second: &Statement) -> Result<(), String> {
        self.unlock_all().await;
        drop(self.model.take_changes());
        let before = self.model.clone();
        let seen = before.begin(second);
        let expected_first = act(&mut self.model, first);
        let changed: BTreeSet<LockName> =
            self.model.take_changes().into_iter().map(|change| change.name).collect();
        let waits = waits(&before, &changed, second);
        let expected_second = if waits {
            self.model.finish(second, seen)
        } else {
            self.pass_by(&before, &changed, second)
        };

        self.first.execute("BEGIN").await;
        let done_first = self.perform(&self.first, first).await;
        let patient = patient(second);
        let query = self.sql.query(&patient);
        let done_second = {
            let mut running = pin!(self.second.run(&query));
            let early = tokio::select! {
                outcome = &mut running => Some(outcome),
                () = self.second.blocked(&self.watcher) => None,
            };
            self.first.execute("COMMIT").await;
            if waits == early.is_some() {
                return Err(format!("the model says it waits: {waits}; the server: {}", !waits));
            }
            match early {
                Some(outcome) => outcome,
                None => running.await,
            }
        };
        same("the first action", &expected_first, &done_first)?;
        same("the statement behind it", &expected_second, &done_second)
    }

    /// What a statement answers that does not wait for the first one's rows: it sees them as they were
    /// and leaves them alone.
    fn pass_by(
        &mut self,
        before: &Model,
        changed: &BTreeSet<LockName>,
        second: &Statement,
    ) -> Outcome {
        let apart = apart(second, changed);
        let outcome = apart.as_ref().map(|statement| self.model.execute(statement));
        if apart.as_ref() == Some(second) {
            return outcome.expect("an outcome");
        }
        let mut old = before.clone();
        changed.iter().for_each(|name| old.lock_row(name));
        old.execute(second)
    }

    async fn perform(&self, session: &Session, action: &Action) -> Outcome {
        let go_write = "INSERT INTO locks (name, record_version_number, owner) \
                        VALUES ($1, nextval('locks_rvn'), 'go') ON CONFLICT (name) DO UPDATE \
                        SET record_version_number = EXCLUDED.record_version_number, owner = EXCLUDED.owner";
        let go_release = "UPDATE locks SET record_version_number = NULL \
                          WHERE name = $1 AND record_version_number = $2";
        let delete = "DELETE FROM locks WHERE name = $1";
        let client = session.client();
        let done = match action {
            Action::Statement(statement) => return session.run(&self.sql.query(statement)).await,
            Action::GoWrite(name) => client.execute(go_write, &[&name.as_str()]).await,
            Action::GoRelease(name, rvn) => {
                client.execute(go_release, &[&name.as_str(), &rvn.as_i64()]).await
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
        let stranger = self.database.connect().await;
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
        }
    }

    async fn unlock_all(&mut self) {
        while let Some(name) = self.strangers.keys().next().cloned() {
            self.unlock(&name).await;
        }
    }
}

fn act(model: &mut Model, action: &Action) -> Outcome {
    match action {
        Action::Statement(statement) => return model.execute(statement),
        Action::GoWrite(name) => drop(model.foreign_write(name, &Owner::new("go").unwrap())),
        Action::GoRelease(name, rvn) => model.foreign_release(name, *rvn),
        Action::Delete(name) => model.delete(name),
    }
    Outcome::Rows(Vec::new())
}

/// Whether the statement has to wait for a row that the transaction before it has changed, or made.
fn waits(before: &Model, changed: &BTreeSet<LockName>, second: &Statement) -> bool {
    let mut locked = before.clone();
    changed.iter().for_each(|name| locked.lock_row(name));
    let makes = |name: &LockName| before.row(name).is_none() && changed.contains(name);
    locked.waits_for(second).is_some()
        || matches!(second, Statement::Acquire(acquire) if makes(&acquire.name))
}

/// Whether a row that a stranger has locked holds the statement up for a moment only.
fn waits_shortly(statement: &Statement) -> bool {
    !matches!(statement, Statement::CreateTable | Statement::DropTable)
}

fn patient(statement: &Statement) -> Statement {
    let mut patient = statement.clone();
    match &mut patient {
        Statement::Acquire(acquire) => acquire.lock_timeout = LONG,
        Statement::Release(release) => release.lock_timeout = LONG,
        Statement::Amend(amend) => amend.lock_timeout = LONG,
        Statement::Evict(evict) => evict.lock_timeout = LONG,
        _ => {}
    }
    patient
}

/// As much of a statement as is not about the rows in `changed`.
fn apart(statement: &Statement, changed: &BTreeSet<LockName>) -> Option<Statement> {
    let name = match statement {
        Statement::Renew(Renew { locks }) => {
            let others = |renewal: &&Renewal| !changed.contains(&renewal.name);
            let locks = locks.iter().filter(others).cloned().collect();
            return Some(Statement::Renew(Renew { locks }));
        }
        Statement::Acquire(acquire) => &acquire.name,
        Statement::Release(release) => &release.name,
        Statement::Amend(amend) => &amend.name,
        Statement::Evict(evict) => &evict.name,
        Statement::Read(Read::One(name)) => name,
        _ => return Some(statement.clone()),
    };
    (!changed.contains(name)).then(|| statement.clone())
}

/// Errors are compared by their codes, rows without their order, which only reading all promises.
fn same(what: &str, model: &Outcome, server: &Outcome) -> Result<(), String> {
    let same = match (model, server) {
        (Outcome::Rows(model), Outcome::Rows(server)) => sorted(model) == sorted(server),
        (Outcome::Failed(model), Outcome::Failed(server)) => model.sqlstate == server.sqlstate,
        _ => false,
    };
    if same {
        Ok(())
    } else {
        Err(format!("{what}\non the model:  {model:?}\non the server: {server:?}"))
    }
}

fn sorted(rows: &[Row]) -> Vec<String> {
    let mut rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}
