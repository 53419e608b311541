//! One connection of sqlx, and what can be done over it while nobody else has it.

use pglock_driver::{Command, Outcome};
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgRow};
use sqlx::{Acquire, Connection, Error, Executor, PgConnection, Row};

use crate::values::{bound, inlined, outcome};

pub(crate) enum Line {
    /// Deaf while no statement is under way.
    Plain(PgConnection),
    /// Hears notifications and its own end at any time.
    Listening(PgListener),
}

impl Line {
    pub(crate) async fn plain(options: &PgConnectOptions) -> Result<Self, Error> {
        PgConnection::connect_with(options).await.map(Self::Plain)
    }

    /// sqlx listens only on the connection of a pool, which here has no other and never comes to use this one twice.
    /// While the server is down or full it tries again by itself.
    pub(crate) async fn listening(options: PgConnectOptions) -> Result<Self, Error> {
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener.ignore_pool_close_event(true);
        drop(pool.close());
        Ok(Self::Listening(listener))
    }

    async fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        match self {
            Self::Plain(connection) => Ok(connection),
            Self::Listening(listener) => listener.acquire().await,
        }
    }

    pub(crate) async fn execute(&mut self, command: &Command, prepared: bool) -> Outcome {
        outcome(self.query(command, prepared).await)
    }

    async fn query(&mut self, command: &Command, prepared: bool) -> Result<Vec<PgRow>, Error> {
        let (query, connection) = (command.query(), self.connection().await?);
        if prepared {
            bound(query).fetch_all(connection).await
        } else {
            connection.fetch_all(sqlx::raw_sql(&inlined(query.text, &query.params))).await
        }
    }

    pub(crate) async fn tell(&mut self, statements: &str) -> Result<(), Error> {
        self.connection().await?.execute(sqlx::raw_sql(statements)).await.map(drop)
    }

    /// The last value that is answered; empty if there is none.
    pub(crate) async fn ask(&mut self, statements: &str) -> Result<String, Error> {
        let rows = self.connection().await?.fetch_all(sqlx::raw_sql(statements)).await?;
        let value = rows.last().map(|row| row.try_get_raw(0)).transpose()?;
        Ok(value.and_then(|value| value.as_str().ok()).unwrap_or_default().into())
    }

    /// What the next notification says; nothing when the connection has ended.
    pub(crate) async fn notified(&mut self) -> Option<String> {
        match self {
            Self::Plain(_) => std::future::pending().await,
            Self::Listening(listener) => Some(listener.try_recv().await.ok()??.payload().into()),
        }
    }
}
