//! A driver for a database that is reached by HTTP. There are no sessions, so a connection is nothing but an address.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use pglock_core::{ServerError, Severity, SqlState, Statement};
use pglock_driver::blocking::{Connect, Session};
use pglock_driver::{Command, ConnectError, Outcome, Query, SessionKind};
use pglock_examples::{http, text};
use serde_json::{Value, json};

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
        let answer = self.post(&command.query()).ok();
        answer.as_ref().and_then(outcome).unwrap_or(Outcome::Lost)
    }

    fn is_closed(&self) -> bool {
        false
    }
}

impl OverHttp {
    fn post(self, query: &Query<'_>) -> io::Result<Value> {
        let stream = TcpStream::connect_timeout(&self.0, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let params = query.params.iter();
        let params = params
            .map(|param| json!({ "type": text::type_of(param), "value": param.to_text() }))
            .collect::<Vec<_>>();
        let body = json!({ "query": query.text, "params": params });
        http::write_message(&stream, "POST / HTTP/1.1", &body.to_string())?;
        Ok(serde_json::from_slice(&http::read_body(&stream)?)?)
    }
}

/// What the proxy says has become of the statement; nothing if it makes no sense.
fn outcome(answer: &Value) -> Option<Outcome> {
    if let Some(error) = answer.get("error") {
        let severity = match error["severity"].as_str()? {
            "FATAL" => Severity::Fatal,
            "PANIC" => Severity::Panic,
            _ => Severity::Error,
        };
        let sqlstate = SqlState::new(error["code"].as_str()?);
        let message = error["message"].as_str()?.into();
        return Some(Outcome::Failed(ServerError { severity, sqlstate, message }));
    }
    let types: Vec<u32> = serde_json::from_value(answer.get("types")?.clone()).ok()?;
    let rows: Vec<_> = serde_json::from_value(answer.get("rows")?.clone()).ok()?;
    Some(text::rows(&types, &rows))
}
