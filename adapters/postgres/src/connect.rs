//! Opens connections: our own, or through the user's.

use std::error;
use std::ops::DerefMut;

use pglock_driver::blocking::Connect;
use pglock_driver::{ConnectError, SessionKind};
use pglock_wire::{SETUP, connect_error};
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres::{Client, Config, Socket};

use crate::session::Session;

/// Connections to where a configuration says.
pub(crate) struct Own<T> {
    pub(crate) config: Config,
    pub(crate) tls: T,
    pub(crate) prepared: bool,
}

impl<T> Connect for Own<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    type Session = Session<Box<Client>>;

    fn connect(&self, _: SessionKind) -> Result<Self::Session, ConnectError> {
        let mut client = self.config.connect(self.tls.clone()).map_err(|e| connect_error(&e))?;
        // Behind a pooler a setting would be somebody else's later.
        if self.prepared {
            client.batch_execute(SETUP).map_err(|error| connect_error(&error))?;
        }
        Ok(Session::new(Box::new(client), self.prepared))
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
