//! One session of the driver under test, and what promises ask of it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use pglock_core::{Command, Outcome, Param, Row, ServerError, Value};

use super::alarm::within;
use super::broken::{Broken, brief, ensure};
use super::driver::{Line, Words};

/// Asks which process of the server serves this session.
pub(super) const MY_PID: &str = "SELECT pg_backend_pid()::int8";

/// A command like no other before.
pub(super) fn command(text: &str, params: Vec<Param>) -> Command {
    static COMMANDS: AtomicU64 = AtomicU64::new(0);
    Command::trial(COMMANDS.fetch_add(1, Ordering::Relaxed), text, params)
}

pub(super) const fn int(number: i64) -> Param {
    Param::Int8(Some(number))
}

pub(super) fn text(text: &str) -> Param {
    Param::Text(text.into())
}

/// Ends when it is dropped.
pub(super) struct Session {
    line: Box<dyn Line>,
    patience: Duration,
    pid: i64,
}

impl Session {
    pub(super) async fn new(line: Box<dyn Line>, patience: Duration) -> Result<Self, Broken> {
        let mut session = Self { line, patience, pid: 0 };
        session.pid = session.number(MY_PID, Vec::new()).await?;
        Ok(session)
    }

    /// The server's process.
    pub(super) const fn pid(&self) -> i64 {
        self.pid
    }

    pub(super) async fn execute(&self, text: &str, params: Vec<Param>) -> Result<Outcome, Broken> {
        let executed = self.line.execute(command(text, params));
        self.in_time(&format!("execute({}) ends", brief(&text)), executed).await
    }

    /// What becomes of a command that is sent, or not, but not waited for: whoever drops this drops the command.
    pub(super) fn begin(&self, text: &str, params: Vec<Param>) -> impl Future<Output = Outcome> {
        self.line.execute(command(text, params))
    }

    pub(super) fn words(&self) -> Words {
        self.line.words()
    }

    pub(super) async fn end(&self) {
        self.line.closed().await;
    }

    /// That its end is told.
    pub(super) async fn closed(&self, when: &str) -> Result<(), Broken> {
        let what = format!(
            "{} {when} (a client that cannot tell: Subject::without_closing)",
            self.words().end
        );
        self.in_time(&what, self.end()).await
    }

    /// Whether the driver says so.
    pub(super) async fn is_closed(&self) -> Result<bool, Broken> {
        self.in_time("is_closed() ends", self.line.is_closed()).await
    }

    /// The next notification, which should say `what`.
    pub(super) async fn notified(&self, what: &str) -> Result<String, Broken> {
        let what = format!(
            "{} {what} (a client that brings none: Subject::without_notifications)",
            self.words().news
        );
        self.in_time(&what, self.line.notified()).await
    }

    /// The next notification, unless that takes longer: then nobody waits for it any more.
    pub(super) async fn notified_within(&self, span: Duration) -> Option<String> {
        within(span, self.line.notified()).await
    }

    /// How long a wait for a notification lasts that does not come.
    pub(super) async fn wait_in_vain(&self, patience: Duration) -> Result<Duration, Broken> {
        self.in_time("wait_for_notification() ends", self.line.wait_in_vain(patience)).await
    }

    /// That something happens before patience is over.
    pub(super) async fn in_time<T>(
        &self,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, Broken> {
        let caught = AssertUnwindSafe(future).catch_unwind();
        match within(self.patience, caught).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(panic)) => Err(Broken::panicked("the driver", panic.as_ref())),
            None => {
                Err(Broken::new(format!("{what}: this did not happen within {:?}", self.patience)))
            }
        }
    }
}

/// Commands whose answers are of one kind.
impl Session {
    pub(super) async fn rows(&self, text: &str, params: Vec<Param>) -> Result<Vec<Row>, Broken> {
        match self.execute(text, params).await? {
            Outcome::Rows(rows) => Ok(rows),
            outcome @ (Outcome::Failed(_) | Outcome::Lost) => {
                Err(Broken::new(format!("{} came of {text}, not rows", brief(&outcome))))
            }
        }
    }

    /// The only row.
    pub(super) async fn row(&self, text: &str, params: Vec<Param>) -> Result<Vec<Value>, Broken> {
        let mut rows = self.rows(text, params).await?;
        ensure(rows.len() == 1, || format!("{} rows came of {text}, not one", rows.len()))?;
        Ok(rows.pop().unwrap_or_default().0)
    }

    /// The only value of the only row.
    pub(super) async fn value(&self, text: &str, params: Vec<Param>) -> Result<Value, Broken> {
        let mut row = self.row(text, params).await?;
        ensure(row.len() == 1, || format!("{} came of {text}, not one value", brief(&row)))?;
        Ok(row.pop().unwrap_or(Value::Null))
    }

    pub(super) async fn number(&self, text: &str, params: Vec<Param>) -> Result<i64, Broken> {
        match self.value(text, params).await? {
            Value::Int8(number) => Ok(number),
            value @ (Value::Null | Value::Bool(_) | Value::Text(_) | Value::Bytea(_)) => {
                Err(Broken::new(format!("{} came of {text}, not a number", brief(&value))))
            }
        }
    }

    pub(super) async fn holds(&self, text: &str, params: Vec<Param>) -> Result<bool, Broken> {
        match self.value(text, params).await? {
            Value::Bool(holds) => Ok(holds),
            value @ (Value::Null | Value::Int8(_) | Value::Text(_) | Value::Bytea(_)) => Err(
                Broken::new(format!("{} came of {text}, neither true nor false", brief(&value))),
            ),
        }
    }

    /// That the server's own comparison comes out true.
    pub(super) async fn confirms(&self, text: &str, params: Vec<Param>) -> Result<(), Broken> {
        let with = brief(&params);
        ensure(self.holds(text, params).await?, || format!("the server denies {text} with {with}"))
    }

    /// The server's error.
    pub(super) async fn error(
        &self,
        text: &str,
        params: Vec<Param>,
    ) -> Result<ServerError, Broken> {
        match self.execute(text, params).await? {
            Outcome::Failed(error) => Ok(error),
            outcome @ (Outcome::Rows(_) | Outcome::Lost) => {
                Err(Broken::new(format!("{} came of {text}, not an error", brief(&outcome))))
            }
        }
    }

    /// That it does what it is told, and answers to what it was asked.
    pub(super) async fn is_sound(&self) -> Result<(), Broken> {
        for number in [self.pid, -1] {
            let answer = self.number("SELECT $1::int8", vec![int(number)]).await?;
            ensure(answer == number, || format!("asked for {number}, the session says {answer}"))?;
        }
        Ok(())
    }
}
