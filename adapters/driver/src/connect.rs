//! What an async PostgreSQL client must be able to do to carry the core's commands.

use std::error;
use std::fmt;
use std::future::pending;

use pglock_core::{Command, Outcome, ServerError, SessionKind};

/// Opens connections.
pub trait Connect: Send + Sync + 'static {
    /// What it opens.
    type Session: Session;

    /// Opens a connection. It is dropped when it takes too long, so it needs no time-out of its own.
    fn connect(
        &self,
        kind: SessionKind,
    ) -> impl Future<Output = Result<Self::Session, ConnectError>> + Send;
}

/// One connection to the server. Dropping it closes it.
pub trait Session: Send + Sync + 'static {
    /// Sends a command and answers what became of it. Judges nothing: an error is passed on as the
    /// server reported it, and whatever leaves the answer unknown is [`Outcome::Lost`].
    ///
    /// Called again while an earlier command is still on its way only if the core wants that; the
    /// future is dropped when nobody waits for it any more.
    fn execute(&self, command: Command) -> impl Future<Output = Outcome> + Send;

    /// Ends when the connection is known to be broken; never ends where that cannot be told.
    fn closed(&self) -> impl Future<Output = ()> + Send;

    /// Ends with what the next notification says; never ends where none come, or where the client cannot tell.
    /// Asked of sessions for [hints](SessionKind::Hints) and of others, again after each. One that comes
    /// while nobody asks is kept for whoever asks next.
    fn notified(&self) -> impl Future<Output = String> + Send {
        pending()
    }
}

/// Why no connection came about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ConnectError {
    /// What the server said, if it said anything.
    pub server: Option<ServerError>,
    /// What went wrong, for people.
    pub message: String,
}

impl ConnectError {
    /// The server refused the connection.
    #[must_use]
    pub fn refused(error: ServerError) -> Self {
        Self { message: error.to_string(), server: Some(error) }
    }

    /// The server was not reached, or did not answer.
    #[must_use]
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { server: None, message: message.into() }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for ConnectError {}
