//! What a blocking PostgreSQL client must be able to do to carry the core's commands.

use std::thread;
use std::time::Duration;

use pglock_core::{Command, Outcome, SessionKind};

use crate::connect::ConnectError;

/// Opens connections.
pub trait Connect: Send + Sync + 'static {
    /// What it opens.
    type Session: Session;

    /// Opens a connection; called on the thread that the connection will live on. It may hang without
    /// harm to others, but should give up in the end.
    ///
    /// # Errors
    /// When no connection comes about.
    fn connect(&self, kind: SessionKind) -> Result<Self::Session, ConnectError>;
}

/// One connection to the server, used by one thread at a time. Dropping it closes it.
pub trait Session: Send + 'static {
    /// Sends a command and answers what became of it. Judges nothing: an error is passed on as the
    /// server reported it, and whatever leaves the answer unknown is [`Outcome::Lost`].
    fn execute(&mut self, command: &Command) -> Outcome;

    /// Whether the connection is known to be broken; asked after each command and each wait for a notification.
    fn is_closed(&self) -> bool;

    /// Waits no longer than `patience` for a notification, and answers what it says. Asked again and again
    /// of a session that listens. One that comes while nobody asks is kept for whoever asks next. Asked also, with
    /// no patience at all, of a session that carries advisory locks: so that it reads that the server has closed it.
    ///
    /// A client that cannot tell lets the time pass.
    fn wait_for_notification(&mut self, patience: Duration) -> Option<String> {
        thread::sleep(patience);
        None
    }
}
