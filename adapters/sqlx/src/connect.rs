//! Opens connections beside a pool.

use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use pglock_driver::own::{
    CALL, CALLS, ECHO, WITNESS, answer, carries_advisory_locks, is_one_session, setup,
};
use pglock_driver::{Connect, ConnectError, SessionKind};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Error, PgPool};

use crate::line::Line;
use crate::session::Session;
use crate::values::connect_error;

/// Connections to where a pool connects to.
pub(crate) struct Beside<S> {
    pub(crate) pool: PgPool,
    pub(crate) prepared: bool,
    pub(crate) silence: Duration,
    pub(crate) sleep: S,
}

impl<S, F> Connect for Beside<S>
where
    S: Fn(Duration) -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
{
    type Session = Session;

    async fn connect(&self, kind: SessionKind) -> Result<Session, ConnectError> {
        self.session(kind).await.map_err(|error| connect_error(&error))
    }
}

impl<S, F> Beside<S>
where
    S: Fn(Duration) -> F + Send + Sync + 'static,
    F: Future + Send + 'static,
{
    async fn session(&self, kind: SessionKind) -> Result<Session, Error> {
        let mut line = match kind {
            SessionKind::Work | SessionKind::Renewals => Line::plain(&self.options()).await?,
            SessionKind::Advisory | SessionKind::InLine | SessionKind::Hints | _ => {
                Line::listening(self.options()).await?
            }
        };
        if carries_advisory_locks(kind) && self.is_shared(&mut line).await? {
            return Ok(Session::new(line, self.prepared).shared());
        }
        if let Some(statements) = setup(kind, self.prepared, self.silence) {
            line.tell(&statements).await?;
        }
        Ok(Session::new(line, self.prepared))
    }

    /// As the pool has them now. Statements keep their names as long as the connection lives, and no pooler refuses what
    /// is asked for.
    fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::clone(&self.pool.connect_options());
        let options = options.statement_cache_capacity(100).extra_float_digits(None);
        if options.get_application_name().is_some() {
            return options;
        }
        options.application_name("pglock")
    }

    /// A standby and whoever knows no notifications will be told apart by the core. A witness that cannot be had, or
    /// not soon, has seen nothing.
    async fn is_shared(&self, line: &mut Line) -> Result<bool, Error> {
        let first = match line.ask(CALL).await {
            Err(error) if error.as_database_error().is_some() => return Ok(false),
            call => call?,
        };
        let Some(Ok(mut witness)) = self.within(WITNESS, self.witness()).await else {
            return Ok(false);
        };
        let mut call = first.clone();
        for _ in 0..CALLS {
            let found = witness.ask(&answer(&call)).await? == "t";
            if found || !is_one_session(&call, &first) {
                return Ok(true);
            }
            if self.within(ECHO, echo(line, &call)).await.is_some() {
                return Ok(false);
            }
            call = line.ask(CALL).await?;
        }
        Ok(true)
    }

    /// A second connection that has been given a session. It may be told what others listen for whose session it is, and
    /// a plain one fails then.
    async fn witness(&self) -> Result<Line, Error> {
        let mut witness = Line::listening(self.options()).await?;
        witness.ask("SELECT 1").await?;
        Ok(witness)
    }

    async fn within<T>(&self, span: Duration, future: impl Future<Output = T>) -> Option<T> {
        match select(pin!(future), pin!((self.sleep)(span))).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}

/// Until the session is notified of this call; of others it may be, too.
async fn echo(line: &mut Line, call: &str) {
    while let Some(payload) = line.notified().await {
        if payload == call {
            return;
        }
    }
    std::future::pending().await
}
