//! What a blocking PostgreSQL client must be able to do to carry the core's commands.

use std::thread;
use std::time::Duration;

use pglock_core::{Command, Outcome, SessionKind};

use crate::connect::ConnectError;

/// Opens connections. What it and its sessions promise is put to the test by `pglock_testkit::conformance`.
pub trait Connect: Send + Sync + 'static {
    /// What it opens.
    type Session: Session;

    /// Opens a connection: one session of the server, which is this one's alone for as long as it lives. Called on a
    /// thread where it may hang without harm to others, but it should give up in the end.
    ///
    /// # Errors
    /// When no connection comes about: with the server's error if it was the server that refused, which is never made
    /// up for a server that was not reached.
    fn connect(&self, kind: SessionKind) -> Result<Self::Session, ConnectError>;
}

/// One connection to the server, used by one thread at a time. Dropping it closes it: the server's session ends.
pub trait Session: Send + 'static {
    /// Sends a command and answers what became of it, as [`execute`](crate::Session::execute) of an async session does.
    fn execute(&mut self, command: &Command) -> Outcome;

    /// Whether the connection is known to be broken; asked after each command and each wait for a notification, the
    /// shortest of which is enough to know. Never while the connection lives.
    fn is_closed(&self) -> bool;

    /// Waits as long as `patience` for a notification, and answers what it says. Asked again and again of a session
    /// that listens: one that did not wait would keep a processor busy. One that comes while nobody asks, or beside the
    /// answer to a command, is kept for whoever asks next: each comes once, whole, in the order in which it was sent.
    /// Asked also, with no patience at all, of a session that carries advisory locks: so that it reads that the server
    /// has closed it.
    ///
    /// A client that cannot tell lets the time pass.
    fn wait_for_notification(&mut self, patience: Duration) -> Option<String> {
        thread::sleep(patience);
        None
    }
}
