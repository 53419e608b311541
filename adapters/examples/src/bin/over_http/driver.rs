//! A driver for a database that is reached by HTTP. There are no sessions, so a connection is nothing but an address.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pglock_core::Statement;
use pglock_driver::blocking::{Connect, Session};
use pglock_driver::{Command, ConnectError, Outcome, Query, SessionKind};
use pglock_examples::{http, json};
use serde_json::Value;

/// Longer than the core waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
pub(crate) struct OverHttp(pub(crate) SocketAddr);

impl Connect for OverHttp {
    type Session = Self;

    fn connect(&self, _: SessionKind) -> Result<Self, ConnectError> {
        Ok(*self)
    }
}

impl Session for OverHttp {
    fn execute(&mut self, command: &Command) -> Outcome {
        if matches!(command.statement(), Statement::Advisory(_)) {
            return Outcome::shared_session();
        }
        self.post(&command.query()).map_or(Outcome::Lost, |answer| json::outcome(&answer))
    }

    fn is_closed(&self) -> bool {
        false
    }
}

impl OverHttp {
    fn post(self, query: &Query<'_>) -> io::Result<Value> {
        let stream = TcpStream::connect_timeout(&self.0, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        http::write_message(&stream, "POST / HTTP/1.1", &json::statement(query).to_string())?;
        Ok(serde_json::from_slice(&http::read_body(&stream)?)?)
    }
}
