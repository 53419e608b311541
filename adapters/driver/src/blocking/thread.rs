//! The thread of one connection: opens it, executes what it is told to, reports. When it ends, for whatever
//! reason, it says so.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use pglock_core::{Command, Outcome, ServerError, SessionId, SessionKind, Statement};

use super::connect::{Connect, Session};
use super::drive::Input;
use crate::connect::ConnectError;
use crate::link::Report;

/// How long a thread that waits for notifications does not look for commands. It wakes up so often, and closes a
/// connection that is given up so late; notifications themselves are not held up. Also how often a thread that
/// carries advisory locks looks whether its connection has ended.
const SLICE: Duration = Duration::from_secs(1);

/// What a thread does while it has no command.
#[derive(Clone, Copy)]
enum Rest {
    Sleep,
    /// Looks whether the connection has ended, and with it what it holds.
    Watch,
    /// Reports what it is told.
    Hear,
}

impl Rest {
    fn after(self, command: &Command, outcome: &Outcome) -> Self {
        let answered = matches!(outcome, Outcome::Rows(_));
        if answered && *command.statement() == Statement::Listen {
            Self::Hear
        } else if answered && matches!(command.statement(), Statement::Advisory(_)) {
            Self::Watch
        } else {
            self
        }
    }
}

/// The loop's end of a connection. When it is dropped, the thread ends as soon as the call it is in does.
pub(super) struct Link {
    commands: Sender<Command>,
}

impl Link {
    /// Starts a thread that opens the connection with `open`.
    pub(super) fn start<S: Session>(
        id: SessionId,
        inputs: Sender<Input>,
        open: impl FnOnce() -> Result<S, ConnectError> + Send + 'static,
    ) -> io::Result<Self> {
        let (commands, received) = channel();
        let work = move || serve(open, &received, &mut Reports { id, inputs, error: None });
        thread::Builder::new().name("pglock-session".into()).spawn(work)?;
        Ok(Self { commands })
    }

    /// A command for a thread that has ended is forgotten: its end has been reported.
    pub(super) fn execute(&self, command: Command) {
        let _thread_has_ended = self.commands.send(command).is_err();
    }
}

fn serve<S: Session>(
    open: impl FnOnce() -> Result<S, ConnectError>,
    commands: &Receiver<Command>,
    reports: &mut Reports,
) {
    let mut session = match open() {
        Ok(session) => session,
        Err(error) => {
            reports.error = error.server;
            return;
        }
    };
    reports.send(Report::Connected);
    let mut rest = Rest::Sleep;
    while let Some(command) = next_command(&mut session, rest, commands, reports) {
        let outcome = session.execute(&command);
        rest = rest.after(&command, &outcome);
        let over = outcome == Outcome::Lost || session.is_closed();
        reports.send(Report::Outcome(command.id(), outcome));
        if over {
            return;
        }
    }
}

/// Nothing if there will be none.
fn next_command(
    session: &mut impl Session,
    rest: Rest,
    commands: &Receiver<Command>,
    reports: &Reports,
) -> Option<Command> {
    match rest {
        Rest::Sleep => commands.recv().ok(),
        Rest::Watch => watch(session, commands),
        Rest::Hear => hear(session, commands, reports),
    }
}

fn watch(session: &mut impl Session, commands: &Receiver<Command>) -> Option<Command> {
    loop {
        match commands.recv_timeout(SLICE) {
            Ok(command) => return Some(command),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Nothing is listened for, but clients read what has come, and so notice the end, only when asked.
        let _nothing = session.wait_for_notification(Duration::ZERO);
        if session.is_closed() {
            return None;
        }
    }
}

fn hear(
    session: &mut impl Session,
    commands: &Receiver<Command>,
    reports: &Reports,
) -> Option<Command> {
    while !session.is_closed() {
        match commands.try_recv() {
            Ok(command) => return Some(command),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if let Some(payload) = session.wait_for_notification(SLICE) {
            reports.send(Report::Notified(payload));
        }
    }
    None
}

/// Reports the end when dropped, also by a panic of the driver.
struct Reports {
    id: SessionId,
    inputs: Sender<Input>,
    error: Option<ServerError>,
}

impl Reports {
    fn send(&self, report: Report) {
        let _loop_has_ended = self.inputs.send(Input::Report(self.id, report)).is_err();
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        let error = self.error.take();
        self.send(Report::Disconnected(error));
    }
}

/// Opens a connection on a thread of its own and waits for it no longer than `patience`.
pub(super) fn first_session<C: Connect>(
    connect: &Arc<C>,
    patience: std::time::Duration,
) -> Result<C::Session, ConnectError> {
    let (sender, opened) = channel();
    let connect = Arc::clone(connect);
    let open = move || {
        let _nobody_waits = sender.send(connect.connect(SessionKind::Work)).is_err();
    };
    thread::Builder::new()
        .name("pglock-session".into())
        .spawn(open)
        .map_err(|error| ConnectError::unreachable(error.to_string()))?;
    opened
        .recv_timeout(patience)
        .unwrap_or_else(|_| Err(ConnectError::unreachable(format!("no answer in {patience:?}"))))
}
