//! One connection: carries statements, and notices its end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pglock_driver::{Command, Outcome};
use pglock_wire::{SETUP, Wire, outcome, types, wired};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Connection, Error, Row, Statement};

/// How long a connection that is given up may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) struct Session<C> {
    client: C,
    /// By their texts; nothing if statements are to be sent unnamed.
    statements: Option<Mutex<HashMap<String, Statement>>>,
    /// Closed from the other end when the connection ends; nothing if the user drives it.
    connection: Option<mpsc::Sender<Infallible>>,
}

impl Session<Box<Client>> {
    pub(crate) fn own<S, T>(client: Client, connection: Connection<S, T>, prepared: bool) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, session) = mpsc::channel(1);
        tokio::spawn(drive(connection, session));
        Self { connection: Some(sender), ..Self::users(Box::new(client), prepared) }
    }

    /// Behind a pooler a setting would be somebody else's later.
    pub(crate) async fn set_up(&self) -> Result<(), Error> {
        if self.statements.is_some() { self.client.batch_execute(SETUP).await } else { Ok(()) }
    }
}

impl<C> Session<C> {
    pub(crate) fn users(client: C, prepared: bool) -> Self {
        Self { client, statements: prepared.then(Mutex::default), connection: None }
    }
}

/// Until the connection ends, or soon after its session has been dropped.
async fn drive(
    connection: impl Future<Output = Result<(), Error>>,
    mut session: mpsc::Receiver<Infallible>,
) {
    let mut connection = pin!(connection);
    tokio::select! {
        _ended = &mut connection => {}
        _dropped = session.recv() => {
            let _overdue = tokio::time::timeout(FAREWELL, connection).await.is_err();
        }
    }
}

impl<C: Deref<Target = Client> + Send + Sync + 'static> pglock_driver::Session for Session<C> {
    async fn execute(&self, command: Command) -> Outcome {
        let query = command.query();
        outcome(self.query(query.text, &wired(query.params)).await)
    }

    async fn closed(&self) {
        match &self.connection {
            Some(connection) => connection.closed().await,
            None => pending().await,
        }
    }
}

impl<C: Deref<Target = Client>> Session<C> {
    async fn query(&self, text: &str, params: &[Wire]) -> Result<Vec<Row>, Error> {
        let Some(statements) = &self.statements else {
            let typed: Vec<_> = params.iter().map(|param| (sql(param), param.pg_type())).collect();
            return self.client.query_typed(text, &typed).await;
        };
        let statement = self.statement(statements, text, params).await?;
        let params: Vec<_> = params.iter().map(sql).collect();
        self.client.query(&statement, &params).await
    }

    async fn statement(
        &self,
        statements: &Mutex<HashMap<String, Statement>>,
        text: &str,
        params: &[Wire],
    ) -> Result<Statement, Error> {
        let known = || statements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = known().get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare_typed(text, &types(params)).await?;
        known().insert(text.into(), statement.clone());
        Ok(statement)
    }
}

pub(crate) fn sql(param: &Wire) -> &(dyn ToSql + Sync) {
    param
}
