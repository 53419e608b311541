//! One session of a test: runs the library's statements, and asks what they did to the server.

use std::collections::HashMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use pglock_core::{LockName, Outcome, Param, Query, Row, ServerError, Severity, SqlState, Value};
use tokio::sync::Mutex;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, Statement};

/// How long a condition may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session of its own; it ends when dropped.
#[derive(Debug)]
pub struct Session {
    client: Client,
    pid: i32,
    prepared: Mutex<HashMap<String, Statement>>,
}

impl Session {
    pub(crate) async fn open(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await.expect("its process id");
        Self { pid: row.get(0), client, prepared: Mutex::default() }
    }

    /// The driver's client, for whatever else a test has to say.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The server's process.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid
    }

    /// Runs one of the library's statements, or any that answers with its types.
    pub async fn run(&self, query: &Query<'_>) -> Outcome {
        outcome(self.query(query.text, &query.params).await)
    }

    /// The same, but prepares each text once, which is quicker where it comes again and again.
    pub async fn run_prepared(&self, query: &Query<'_>) -> Outcome {
        outcome(self.query_prepared(query).await)
    }

    async fn query_prepared(
        &self,
        query: &Query<'_>,
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let (values, types): (Vec<_>, Vec<_>) = query.params.iter().map(parameter).unzip();
        let mut prepared = self.prepared.lock().await;
        let statement = match prepared.get(query.text) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare_typed(query.text, &types).await?;
                prepared.insert(query.text.into(), statement.clone());
                statement
            }
        };
        let values: Vec<&(dyn ToSql + Sync)> =
            values.iter().map(|value| value.as_ref() as _).collect();
        self.client.query(&statement, &values).await
    }

    async fn query(
        &self,
        text: &str,
        params: &[Param],
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let typed: Vec<_> = params.iter().map(parameter).collect();
        let typed: Vec<(&(dyn ToSql + Sync), Type)> =
            typed.iter().map(|(value, kind)| (value.as_ref() as _, kind.clone())).collect();
        self.client.query_typed(text, &typed).await
    }

    /// Runs statements without parameters.
    pub async fn execute(&self, statements: &str) {
        self.client.batch_execute(statements).await.expect("an execution");
    }

    /// The only value of the only row, as text; `None` if it is NULL.
    pub async fn ask(&self, query: &str) -> Option<String> {
        let rows = self.client.simple_query(query).await.expect("an answer");
        let row = rows.iter().find_map(|message| {
            if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None }
        });
        row.expect("a row").get(0).map(String::from)
    }

    /// Whether the transaction that is open has a transaction id, as every one that writes has.
    pub async fn has_transaction_id(&self) -> bool {
        self.ask("SELECT pg_current_xact_id_if_assigned()").await.is_some()
    }

    /// Runs a statement and tells how the server did it, and what it wrote to the write-ahead log.
    pub async fn explain(&self, query: &Query<'_>) -> String {
        let text = format!("EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF) {}", query.text);
        let plan = self.query(&text, &query.params).await.expect("a plan");
        plan.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
    }

    /// How the server does a statement that it has planned once for all parameters, as it may do after
    /// five executions of a prepared one. Does not run it.
    pub async fn generic_plan(&self, query: &Query<'_>) -> String {
        let values: Vec<_> = query.params.iter().map(literal).collect();
        self.execute("SET plan_cache_mode = force_generic_plan").await;
        self.execute(&format!("PREPARE planned AS {}", query.text)).await;
        let explain =
            format!("EXPLAIN (VERBOSE, COSTS OFF) EXECUTE planned({})", values.join(", "));
        let plan = self.client.simple_query(&explain).await.expect("a plan");
        self.execute("DEALLOCATE planned; RESET plan_cache_mode").await;
        let lines = plan.iter().filter_map(|message| {
            if let SimpleQueryMessage::Row(row) = message { row.get(0) } else { None }
        });
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// Runs a statement and measures what it wrote to the write-ahead log.
    pub async fn wal(&self, query: &Query<'_>) -> Wal {
        self.explain(query).await.lines().map(Wal::read).max().unwrap_or_default()
    }

    /// Where the row of a lock stands and which transactions wrote it or locked it.
    pub async fn tuple(&self, table: &str, name: &LockName) -> Option<Tuple> {
        let query =
            format!("SELECT ctid::text, xmin::text, xmax::text FROM {table} WHERE name = $1");
        let row = self.client.query_opt(&query, &[&name.as_str()]).await.expect("a row");
        row.map(|row| Tuple { ctid: row.get(0), xmin: row.get(1), xmax: row.get(2) })
    }

    /// Waits until this session waits for a lock that `holder` holds, and not only for a moment for one of the
    /// server's own processes; asked by `watcher`.
    pub async fn blocked_by(&self, holder: &Self, watcher: &Self) {
        eventually("the session is blocked", async || {
            let query = "SELECT $2 = ANY(pg_blocking_pids($1))";
            let pids = [&self.pid as &(dyn ToSql + Sync), &holder.pid];
            let row = watcher.client.query_one(query, &pids).await.expect("an answer");
            row.get(0)
        })
        .await;
    }

    /// Waits until this session waits for a lock that another one holds; asked by `watcher`.
    pub async fn blocked(&self, watcher: &Self) {
        eventually("the session is blocked", async || {
            let query = "SELECT cardinality(pg_blocking_pids($1)) > 0";
            let row = watcher.client.query_one(query, &[&self.pid]).await.expect("an answer");
            row.get(0)
        })
        .await;
    }
}

/// Waits until a condition holds; fails after a minute.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "it never came about that {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What a statement wrote to the write-ahead log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wal {
    /// Bytes.
    pub bytes: u64,
    /// Records.
    pub records: u64,
}

impl Wal {
    /// Reads a line of a plan, such as `WAL: records=1 bytes=72`.
    fn read(line: &str) -> Self {
        let number = |key: &str| {
            let text = line.trim_start().strip_prefix("WAL:")?.split_once(key)?.1;
            text.split_whitespace().next()?.parse().ok()
        };
        Self { bytes: number("bytes=").unwrap_or(0), records: number("records=").unwrap_or(0) }
    }
}

/// A version of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// Where it stands.
    pub ctid: String,
    /// Who wrote it.
    pub xmin: String,
    /// Who locked or replaced it last.
    pub xmax: String,
}

/// A position in the write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(u64);

impl FromStr for Lsn {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (high, low) = text.split_once('/').unwrap_or(("", text));
        Ok(Self((u64::from_str_radix(high, 16)? << 32) | u64::from_str_radix(low, 16)?))
    }
}

fn parameter(param: &Param) -> (Box<dyn ToSql + Sync + Send>, Type) {
    match param {
        Param::Int8(number) => (Box::new(*number), Type::INT8),
        Param::Bool(yes) => (Box::new(*yes), Type::BOOL),
        Param::Text(text) => (Box::new(text.to_string()), Type::TEXT),
        Param::Bytea(bytes) => (Box::new(bytes.as_ref().map(|bytes| bytes.to_vec())), Type::BYTEA),
        Param::Int8Array(numbers) => (Box::new(numbers.clone()), Type::INT8_ARRAY),
        Param::TextArray(texts) => {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            (Box::new(texts), Type::TEXT_ARRAY)
        }
    }
}

/// Where a statement can have no parameters.
fn literal(param: &Param) -> String {
    param.to_text().map_or("NULL".into(), |text| format!("'{}'", text.replace('\'', "''")))
}

fn row(row: &tokio_postgres::Row) -> Row {
    (0..row.len()).map(|column| value(row, column)).collect()
}

fn value(row: &tokio_postgres::Row, column: usize) -> Value {
    let kind = row.columns().get(column).expect("a column").type_();
    let value = match *kind {
        Type::INT8 => row.get::<_, Option<i64>>(column).map(Value::Int8),
        Type::BOOL => row.get::<_, Option<bool>>(column).map(Value::Bool),
        Type::BYTEA => row.get::<_, Option<Vec<u8>>>(column).map(Value::Bytea),
        _ => row.get::<_, Option<String>>(column).map(Value::Text),
    };
    value.unwrap_or(Value::Null)
}

fn outcome(done: Result<Vec<tokio_postgres::Row>, tokio_postgres::Error>) -> Outcome {
    match done {
        Ok(rows) => Outcome::Rows(rows.iter().map(row).collect()),
        Err(error) => failure(&error),
    }
}

fn failure(error: &tokio_postgres::Error) -> Outcome {
    use tokio_postgres::error::Severity as Theirs;
    let Some(said) = error.as_db_error() else { return Outcome::Lost };
    let severity = match said.parsed_severity() {
        Some(Theirs::Fatal) => Severity::Fatal,
        Some(Theirs::Panic) => Severity::Panic,
        Some(_) | None => Severity::Error,
    };
    let sqlstate = SqlState::new(said.code().code());
    Outcome::Failed(ServerError { severity, sqlstate, message: said.message().into() })
}
