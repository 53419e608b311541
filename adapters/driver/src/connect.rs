//! What an async PostgreSQL client must be able to do to carry the core's commands.

use std::error;
use std::fmt;
use std::future::pending;

use pglock_core::{Command, Outcome, ServerError, SessionKind};

/// Opens connections. What it and its sessions promise is put to the test by `pglock_testkit::conformance`.
pub trait Connect: Send + Sync + 'static {
    /// What it opens.
    type Session: Session;

    /// Opens a connection: one session of the server, which is this one's alone for as long as it lives.
    ///
    /// It may take for ever, and needs no time-out of its own: when it takes too long its future is dropped, and nothing
    /// of it goes on.
    ///
    /// # Errors
    /// When no connection comes about: with the server's error if it was the server that refused, which is never made
    /// up for a server that was not reached.
    fn connect(
        &self,
        kind: SessionKind,
    ) -> impl Future<Output = Result<Self::Session, ConnectError>> + Send;
}

/// One connection to the server.
///
/// Dropping it closes it, also while a command is on its way: the server's session ends, at the latest when the statement
/// does that it is at.
pub trait Session: Send + Sync + 'static {
    /// Sends a command and answers what became of it. Judges nothing:
    ///
    /// * [`Outcome::Rows`] are all rows of this command's answer, in the server's order, perhaps none.
    /// * [`Outcome::Failed`] is an error as the server reported it, with severity, code and words. Remarks of the server's
    ///   are no errors.
    /// * [`Outcome::Lost`] is whatever leaves the answer unknown. It is never told as an error, which would say that
    ///   nothing was done; and the session is over: nobody connects again behind the caller's back. (An error with which
    ///   the server ends the session may be told as either.)
    ///
    /// Parameters and values come through whole, with all of their 64 bits, bytes and characters; NULL is not empty. What
    /// cannot be sent, as a text with a NUL in it, is not mended: it fails, or counts as lost.
    ///
    /// May be called while earlier commands are on their way; each gets its own answer. When the future is dropped, the
    /// command may be executed or not; the session goes on with the next, whose answer is its own, or ends.
    fn execute(&self, command: Command) -> impl Future<Output = Outcome> + Send;

    /// Ends when the connection is known to be broken, also if nothing is asked of it, and not while it lives; never ends
    /// where that cannot be told. May be asked again.
    fn closed(&self) -> impl Future<Output = ()> + Send;

    /// Ends with what the next notification says; never ends where none come, or where the client cannot tell.
    /// Asked of sessions for [hints](SessionKind::Hints) and of others, again after each. One that comes while nobody
    /// asks, or while a command is on its way, is kept for whoever asks next: each comes once, whole, in the order in
    /// which it was sent.
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
