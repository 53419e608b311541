//! All adapters under one asynchronous face.

use std::thread;
use std::time::Duration;

use pglock_driver::{AdvisoryClaim, AdvisoryKey, AdvisoryMode, Error, Options};
pub(crate) use pglock_tests::run;
use pglock_tests::{Runtime, Session, beside_pool, blocking, eventually, pool};
use tokio::sync::{mpsc, oneshot};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Async(Runtime),
    Postgres,
    Sqlx,
}

impl Adapter {
    pub(crate) const ALL: [Self; 5] = [
        Self::TOKIO,
        Self::Async(Runtime::AsyncStd),
        Self::Async(Runtime::Smol),
        Self::Postgres,
        Self::Sqlx,
    ];

    pub(crate) const TOKIO: Self = Self::Async(Runtime::Tokio);

    /// Who holds a key and who waits for it, as a new handle without a table tells.
    pub(crate) async fn holders(
        self,
        url: &str,
        key: impl Into<AdvisoryKey>,
    ) -> Vec<AdvisoryClaim> {
        let (url, key) = (url.to_owned(), key.into());
        let options = Options::default().check_table(false).patience(Duration::from_secs(300));
        match self {
            Self::Async(runtime) => {
                let locks = runtime.open(options, &url, true).await.unwrap();
                locks.advisory_holders(key).await.unwrap()
            }
            Self::Postgres => {
                let builder = pglock_postgres::Locks::builder().options(options);
                let ask = move || builder.connect(&url).unwrap().advisory_holders(key).unwrap();
                blocking(ask).await
            }
            Self::Sqlx => {
                let locks = beside_pool(options, &url, true).await.unwrap();
                locks.advisory_holders(key).await.unwrap()
            }
        }
    }

    /// Begins a transaction on a connection of its own.
    pub(crate) async fn begin(self, url: &str) -> Transaction {
        let ((asks, asked), (begun, pid)) = (mpsc::unbounded_channel(), oneshot::channel());
        let url = url.to_owned();
        match self {
            Self::Async(runtime) => {
                let driven = over_async(runtime, url, begun, asked);
                drop(tokio::spawn(runtime.run(driven)));
            }
            Self::Postgres => drop(thread::spawn(move || over_postgres(&url, begun, asked))),
            Self::Sqlx => drop(tokio::spawn(over_sqlx(url, begun, asked))),
        }
        Transaction { pid: pid.await.unwrap(), asks }
    }
}

/// A transaction that somebody else drives. One that is dropped is rolled back.
pub(crate) struct Transaction {
    pub(crate) pid: i32,
    asks: mpsc::UnboundedSender<Ask>,
}

enum Ask {
    Take { key: AdvisoryKey, mode: AdvisoryMode, waits: bool, told: Told<bool> },
    Execute(String, oneshot::Sender<()>),
    End { commit: bool, ended: oneshot::Sender<()> },
}

type Told<T> = oneshot::Sender<Result<T, Error>>;

impl Transaction {
    pub(crate) async fn lock(&self, key: impl Into<AdvisoryKey>) -> Result<(), Error> {
        self.take(key.into(), AdvisoryMode::Exclusive, true).await.map(drop)
    }

    pub(crate) async fn lock_shared(&self, key: impl Into<AdvisoryKey>) -> Result<(), Error> {
        self.take(key.into(), AdvisoryMode::Shared, true).await.map(drop)
    }

    pub(crate) async fn try_lock(&self, key: impl Into<AdvisoryKey>) -> Result<bool, Error> {
        self.take(key.into(), AdvisoryMode::Exclusive, false).await
    }

    pub(crate) async fn try_lock_shared(&self, key: impl Into<AdvisoryKey>) -> Result<bool, Error> {
        self.take(key.into(), AdvisoryMode::Shared, false).await
    }

    async fn take(&self, key: AdvisoryKey, mode: AdvisoryMode, waits: bool) -> Result<bool, Error> {
        self.ask(|told| Ask::Take { key, mode, waits, told }).await
    }

    pub(crate) async fn execute(&self, statements: &str) {
        self.ask(|done| Ask::Execute(statements.into(), done)).await;
    }

    pub(crate) async fn commit(&self) {
        self.ask(|ended| Ask::End { commit: true, ended }).await;
    }

    pub(crate) async fn roll_back(&self) {
        self.ask(|ended| Ask::End { commit: false, ended }).await;
    }

    /// Waits until it waits for a lock; asked by `watcher`.
    pub(crate) async fn blocked(&self, watcher: &Session) {
        eventually("the transaction is blocked", async || {
            let query = "SELECT cardinality(pg_blocking_pids($1)) > 0";
            watcher.client().query_one(query, &[&self.pid]).await.unwrap().get(0)
        })
        .await;
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> T {
        let (reply, told) = oneshot::channel();
        assert!(self.asks.send(ask(reply)).is_ok(), "the transaction has ended");
        told.await.unwrap()
    }
}

const PID: &str = "SELECT pg_backend_pid()";

async fn over_async(
    runtime: Runtime,
    url: String,
    begun: oneshot::Sender<i32>,
    mut asked: mpsc::UnboundedReceiver<Ask>,
) {
    use pglock_async::xact;
    let mut client = runtime.client(&url).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    begun.send(transaction.query_one(PID, &[]).await.unwrap().get(0)).unwrap();
    while let Some(ask) = asked.recv().await {
        match ask {
            Ask::Take { key, mode, waits, told } => {
                let taken = match (mode, waits) {
                    (AdvisoryMode::Exclusive, true) => {
                        xact::lock(&transaction, key).await.map(|()| true)
                    }
                    (AdvisoryMode::Shared, true) => {
                        xact::lock_shared(&transaction, key).await.map(|()| true)
                    }
                    (AdvisoryMode::Exclusive, false) => xact::try_lock(&transaction, key).await,
                    (AdvisoryMode::Shared, false) => xact::try_lock_shared(&transaction, key).await,
                };
                let _ = told.send(taken);
            }
            Ask::Execute(statements, done) => {
                transaction.batch_execute(&statements).await.unwrap();
                done.send(()).unwrap();
            }
            Ask::End { commit, ended } => {
                let end =
                    if commit { transaction.commit().await } else { transaction.rollback().await };
                end.unwrap();
                return ended.send(()).unwrap();
            }
        }
    }
}

async fn over_sqlx(
    url: String,
    begun: oneshot::Sender<i32>,
    mut asked: mpsc::UnboundedReceiver<Ask>,
) {
    use pglock_sqlx::xact;
    use sqlx::Executor;
    let mut transaction = pool(&url).begin().await.unwrap();
    // Behind a pooler a statement with a name may be another client's.
    let pid = sqlx::query_scalar(PID).persistent(false).fetch_one(&mut *transaction).await.unwrap();
    begun.send(pid).unwrap();
    while let Some(ask) = asked.recv().await {
        match ask {
            Ask::Take { key, mode, waits, told } => {
                let taken = match (mode, waits) {
                    (AdvisoryMode::Exclusive, true) => {
                        xact::lock(&mut transaction, key).await.map(|()| true)
                    }
                    (AdvisoryMode::Shared, true) => {
                        xact::lock_shared(&mut transaction, key).await.map(|()| true)
                    }
                    (AdvisoryMode::Exclusive, false) => xact::try_lock(&mut transaction, key).await,
                    (AdvisoryMode::Shared, false) => {
                        xact::try_lock_shared(&mut transaction, key).await
                    }
                };
                let _ = told.send(taken);
            }
            Ask::Execute(statements, done) => {
                transaction.execute(sqlx::raw_sql(&statements)).await.unwrap();
                done.send(()).unwrap();
            }
            Ask::End { commit, ended } => {
                let end =
                    if commit { transaction.commit().await } else { transaction.rollback().await };
                end.unwrap();
                return ended.send(()).unwrap();
            }
        }
    }
}

fn over_postgres(url: &str, begun: oneshot::Sender<i32>, mut asked: mpsc::UnboundedReceiver<Ask>) {
    use pglock_postgres::xact;
    let mut client = postgres::Client::connect(url, postgres::NoTls).unwrap();
    let mut transaction = client.transaction().unwrap();
    begun.send(transaction.query_one(PID, &[]).unwrap().get(0)).unwrap();
    while let Some(ask) = asked.blocking_recv() {
        match ask {
            Ask::Take { key, mode, waits, told } => {
                let taken = match (mode, waits) {
                    (AdvisoryMode::Exclusive, true) => {
                        xact::lock(&mut transaction, key).map(|()| true)
                    }
                    (AdvisoryMode::Shared, true) => {
                        xact::lock_shared(&mut transaction, key).map(|()| true)
                    }
                    (AdvisoryMode::Exclusive, false) => xact::try_lock(&mut transaction, key),
                    (AdvisoryMode::Shared, false) => xact::try_lock_shared(&mut transaction, key),
                };
                let _ = told.send(taken);
            }
            Ask::Execute(statements, done) => {
                transaction.batch_execute(&statements).unwrap();
                done.send(()).unwrap();
            }
            Ask::End { commit, ended } => {
                let end = if commit { transaction.commit() } else { transaction.rollback() };
                end.unwrap();
                return ended.send(()).unwrap();
            }
        }
    }
}
