//! Opens connections: our own, or through the user's.

use std::error;
use std::ops::Deref;
use std::time::Duration;

use pglock_driver::{Connect, ConnectError, Session as _, SessionKind};
use pglock_wire::{
    CALL, CALLS, ECHO, WITNESS, answer, carries_advisory_locks, connect_error, is_one_session,
    setup,
};
use tokio_postgres::{Client, Config, Error};

use crate::runtime::{Dial, within};
use crate::session::Session;

/// Connections to where a configuration says.
pub(crate) struct Own<R, T> {
    pub(crate) runtime: R,
    pub(crate) config: Config,
    pub(crate) tls: T,
    pub(crate) prepared: bool,
    pub(crate) silence: Duration,
}

impl<R: Dial<T>, T: Send + Sync + 'static> Connect for Own<R, T> {
    type Session = Session<Box<Client>>;

    async fn connect(&self, kind: SessionKind) -> Result<Self::Session, ConnectError> {
        let session = self.open().await?;
        self.set_up(session, kind).await.map_err(|error| connect_error(&error))
    }
}

impl<R: Dial<T>, T: Send + Sync + 'static> Own<R, T> {
    async fn open(&self) -> Result<Session<Box<Client>>, ConnectError> {
        let opened = self.runtime.dial(&self.config, &self.tls).await?;
        Ok(Session::own(&self.runtime, opened, self.prepared))
    }

    async fn set_up(
        &self,
        session: Session<Box<Client>>,
        kind: SessionKind,
    ) -> Result<Session<Box<Client>>, Error> {
        if carries_advisory_locks(kind) && self.is_shared(&session).await? {
            return Ok(session.shared());
        }
        if let Some(statements) = setup(kind, self.prepared, self.silence) {
            session.tell(&statements).await?;
        }
        Ok(session)
    }

    /// A standby and whoever knows no notifications will be told apart by the core. A witness that cannot be had, or
    /// not soon, has seen nothing.
    async fn is_shared(&self, session: &Session<Box<Client>>) -> Result<bool, Error> {
        let first = match session.ask(CALL).await {
            Err(error) if error.as_db_error().is_some() => return Ok(false),
            call => call?,
        };
        let witness = within::<R, _>(WITNESS, self.witness()).await;
        let Some(witness) = witness.flatten() else { return Ok(false) };
        let mut call = first.clone();
        for _ in 0..CALLS {
            let found = witness.ask(&answer(&call)).await? == "t";
            if found || !is_one_session(&call, &first) {
                return Ok(true);
            }
            if within::<R, _>(ECHO, echo(session, &call)).await.is_some() {
                return Ok(false);
            }
            call = session.ask(CALL).await?;
        }
        Ok(true)
    }

    /// A second connection that has been given a session.
    async fn witness(&self) -> Option<Session<Box<Client>>> {
        let witness = self.open().await.ok()?;
        witness.ask("SELECT 1").await.ok()?;
        Some(witness)
    }
}

/// Until the session is notified of this call; of others it may be, too.
async fn echo(session: &Session<Box<Client>>, call: &str) {
    while session.notified().await != call {}
}

/// Connections as the user makes them.
pub(crate) struct Pool<F> {
    pub(crate) open: F,
    pub(crate) prepared: bool,
}

impl<F, W, C, E> Connect for Pool<F>
where
    F: Fn(SessionKind) -> W + Send + Sync + 'static,
    W: Future<Output = Result<C, E>> + Send + 'static,
    C: Deref<Target = Client> + Send + Sync + 'static,
    E: error::Error + 'static,
{
    type Session = Session<C>;

    async fn connect(&self, kind: SessionKind) -> Result<Self::Session, ConnectError> {
        let client = (self.open)(kind).await.map_err(|error| connect_error(&error))?;
        Ok(Session::users(client, self.prepared))
    }
}
