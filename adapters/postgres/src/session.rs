//! One connection: carries statements, and waits for notifications.

use std::collections::HashMap;
use std::ops::DerefMut;
use std::time::Duration;

use pglock_driver::{Command, Outcome, blocking};
use pglock_wire::{Wire, outcome, types, value, wired};
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use postgres::{Client, Error, Row, Statement};

pub(crate) struct Session<C> {
    client: C,
    /// By their texts; nothing if statements are to be sent unnamed.
    statements: Option<HashMap<String, Statement>>,
    /// Whether the server's session is known to be shared with others.
    shared: bool,
}

impl<C> Session<C> {
    pub(crate) fn new(client: C, prepared: bool) -> Self {
        Self { client, statements: prepared.then(HashMap::new), shared: false }
    }

    pub(crate) fn shared(self) -> Self {
        Self { shared: true, ..self }
    }
}

impl<C: DerefMut<Target = Client> + Send + 'static> blocking::Session for Session<C> {
    fn execute(&mut self, command: &Command) -> Outcome {
        if self.shared {
            return Outcome::shared_session();
        }
        let query = command.query();
        outcome(self.query(query.text, &wired(query.params)))
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// After an error the connection is closed.
    fn wait_for_notification(&mut self, patience: Duration) -> Option<String> {
        let news = self.client.notifications().timeout_iter(patience).next().ok().flatten()?;
        Some(news.payload().into())
    }
}

impl<C: DerefMut<Target = Client>> Session<C> {
    pub(crate) fn tell(&mut self, statements: &str) -> Result<(), Error> {
        self.client.batch_execute(statements)
    }

    /// The only value that is answered; empty if there is none.
    pub(crate) fn ask(&mut self, statements: &str) -> Result<String, Error> {
        let answer = self.client.simple_query(statements)?;
        Ok(value(&answer).unwrap_or_default().into())
    }

    fn query(&mut self, text: &str, params: &[Wire]) -> Result<Vec<Row>, Error> {
        let Some(statements) = &mut self.statements else {
            let typed: Vec<_> = params.iter().map(|param| (sql(param), param.pg_type())).collect();
            return self.client.query_typed(text, &typed);
        };
        let statement = match statements.get(text) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare_typed(text, &types(params))?;
                statements.insert(text.into(), statement.clone());
                statement
            }
        };
        let params: Vec<_> = params.iter().map(sql).collect();
        self.client.query(&statement, &params)
    }
}

pub(crate) fn sql(param: &Wire) -> &(dyn ToSql + Sync) {
    param
}
