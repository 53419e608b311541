//! One connection: carries statements, passes on notifications, and notices its end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::ops::Deref;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{self, Either};
use futures::stream::BoxStream;
use pglock_driver::{Command, Outcome};
use pglock_wire::{Wire, outcome, types, value, wired};
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use crate::opened::Opened;
use crate::runtime::{Runtime, within};

/// How long a connection that is given up may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) struct Session<C> {
    client: C,
    /// By their texts; nothing if statements are to be sent unnamed.
    statements: Option<Mutex<HashMap<String, Statement>>>,
    /// Nothing if the user drives the connection.
    connection: Option<Driven>,
    /// Whether the server's session is known to be shared with others.
    shared: bool,
}

/// The session's end of the task that drives its connection.
struct Driven {
    /// Closed from the other end when the connection ends.
    task: mpsc::Sender<Infallible>,
    notifications: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Session<Box<Client>> {
    pub(crate) fn own<R: Runtime>(runtime: &R, opened: Opened, prepared: bool) -> Self {
        let (task, session) = mpsc::channel(1);
        let (told, notifications) = mpsc::unbounded_channel();
        let connection = carry(opened.notifications, told);
        runtime.spawn(drive::<R>(connection, session));
        let notifications = notifications.into();
        let connection = Some(Driven { task, notifications });
        Self { connection, ..Self::users(Box::new(opened.client), prepared) }
    }

    pub(crate) async fn tell(&self, statements: &str) -> Result<(), Error> {
        self.client.batch_execute(statements).await
    }

    /// The only value that is answered; empty if there is none.
    pub(crate) async fn ask(&self, statements: &str) -> Result<String, Error> {
        let answer = self.client.simple_query(statements).await?;
        Ok(value(&answer).unwrap_or_default().into())
    }

    pub(crate) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }
}

impl<C> Session<C> {
    pub(crate) fn users(client: C, prepared: bool) -> Self {
        Self { client, statements: prepared.then(Mutex::default), connection: None, shared: false }
    }
}

/// Until the connection ends, or soon after its session has been dropped.
async fn drive<R: Runtime>(
    connection: impl Future<Output = ()>,
    mut session: mpsc::Receiver<Infallible>,
) {
    let dropped = pin!(session.recv());
    match future::select(pin!(connection), dropped).await {
        Either::Left(((), _)) => {}
        Either::Right((_, connection)) => {
            let _overdue = within::<R, _>(FAREWELL, connection).await.is_none();
        }
    }
}

/// Until the connection ends; what the server tells meanwhile is passed on.
async fn carry(mut connection: BoxStream<'static, String>, told: mpsc::UnboundedSender<String>) {
    while let Some(payload) = connection.next().await {
        let _nobody_listens = told.send(payload).is_err();
    }
}

impl<C: Deref<Target = Client> + Send + Sync + 'static> pglock_driver::Session for Session<C> {
    async fn execute(&self, command: Command) -> Outcome {
        if self.shared {
            return Outcome::shared_session();
        }
        let query = command.query();
        outcome(self.query(query.text, &wired(query.params)).await)
    }

    async fn closed(&self) {
        match &self.connection {
            Some(connection) => connection.task.closed().await,
            None => pending().await,
        }
    }

    async fn notified(&self) -> String {
        match &self.connection {
            Some(connection) => connection.notified().await,
            None => pending().await,
        }
    }
}

impl Driven {
    /// After the end there are no more.
    async fn notified(&self) -> String {
        match self.notifications.lock().await.recv().await {
            Some(payload) => payload,
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
