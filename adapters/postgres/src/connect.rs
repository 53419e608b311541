//! Opens connections: our own, or through the user's.

use std::error;
use std::ops::DerefMut;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pglock_driver::blocking::{Connect, Session as _};
use pglock_driver::{ConnectError, SessionKind};
use pglock_wire::{
    CALL, CALLS, ECHO, WITNESS, answer, carries_advisory_locks, connect_error, is_one_session,
    setup,
};
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{Client, Config, Error, Socket};

use crate::session::Session;

/// Connections to where a configuration says.
pub(crate) struct Own<T> {
    pub(crate) config: Config,
    pub(crate) tls: T,
    pub(crate) prepared: bool,
    pub(crate) silence: Duration,
}

impl<T> Connect for Own<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    type Session = Session<Box<Client>>;

    fn connect(&self, kind: SessionKind) -> Result<Self::Session, ConnectError> {
        self.session(kind).map_err(|error| connect_error(&error))
    }
}

impl<T> Own<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn session(&self, kind: SessionKind) -> Result<Session<Box<Client>>, Error> {
        let client = self.config.connect(self.tls.clone())?;
        let mut session = Session::new(Box::new(client), self.prepared);
        if carries_advisory_locks(kind) && self.is_shared(&mut session)? {
            return Ok(session.shared());
        }
        if let Some(statements) = setup(kind, self.prepared, self.silence) {
            session.tell(&statements)?;
        }
        Ok(session)
    }

    /// A standby and whoever knows no notifications will be told apart by the core. A witness that cannot be had, or
    /// not soon, has seen nothing.
    fn is_shared(&self, session: &mut Session<Box<Client>>) -> Result<bool, Error> {
        let first = match session.ask(CALL) {
            Err(error) if error.as_db_error().is_some() => return Ok(false),
            call => call?,
        };
        let witness = Witness::new(self.config.clone(), self.tls.clone());
        let mut call = first.clone();
        for _ in 0..CALLS {
            let Some(found) = witness.ask(answer(&call)) else { return Ok(false) };
            if found == "t" || !is_one_session(&call, &first) {
                return Ok(true);
            }
            if hears(session, &call) {
                return Ok(false);
            }
            call = session.ask(CALL)?;
        }
        Ok(true)
    }
}

/// Whether the session is notified of this call; of others it may be, too.
fn hears(session: &mut Session<Box<Client>>, call: &str) -> bool {
    let deadline = Instant::now() + ECHO;
    let left = || deadline.saturating_duration_since(Instant::now());
    while let Some(news) = session.wait_for_notification(left()) {
        if news == call {
            return true;
        }
    }
    false
}

/// A second connection, on a thread of its own that it may block. Both end when this is dropped.
struct Witness {
    asks: mpsc::Sender<String>,
    answers: mpsc::Receiver<String>,
}

impl Witness {
    fn new<T>(config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Send + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let ((asks, asked), (tell, answers)) = (mpsc::channel::<String>(), mpsc::channel());
        thread::spawn(move || -> Result<(), Error> {
            let mut session = Session::new(Box::new(config.connect(tls)?), false);
            for statement in asked {
                let _nobody_waits = tell.send(session.ask(&statement)?).is_err();
            }
            Ok(())
        });
        Self { asks, answers }
    }

    /// What it is answered, if it is soon.
    fn ask(&self, statement: String) -> Option<String> {
        self.asks.send(statement).ok()?;
        self.answers.recv_timeout(WITNESS).ok()
    }
}

/// Connections as the user makes them.
pub(crate) struct Pool<F> {
    pub(crate) open: F,
    pub(crate) prepared: bool,
}

impl<F, C, E> Connect for Pool<F>
where
    F: Fn(SessionKind) -> Result<C, E> + Send + Sync + 'static,
    C: DerefMut<Target = Client> + Send + 'static,
    E: error::Error + 'static,
{
    type Session = Session<C>;

    fn connect(&self, kind: SessionKind) -> Result<Self::Session, ConnectError> {
        let client = (self.open)(kind).map_err(|error| connect_error(&error))?;
        Ok(Session::new(client, self.prepared))
    }
}
