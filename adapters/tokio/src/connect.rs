//! Opens connections: our own, or through the user's.

use std::error;
use std::ops::Deref;

use pglock_driver::{Connect, ConnectError, SessionKind};
use pglock_wire::connect_error;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Socket};

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

    async fn connect(&self, _: SessionKind) -> Result<Self::Session, ConnectError> {
        let connecting = self.config.connect(self.tls.clone());
        let (client, connection) = connecting.await.map_err(|error| connect_error(&error))?;
        let session = Session::own(client, connection, self.prepared);
        session.set_up().await.map_err(|error| connect_error(&error))?;
        Ok(session)
    }
}

/// Connections as the user makes them.
pub(crate) struct Pool<F> {
    pub(crate) open: F,
    pub(crate) prepared: bool,
}

impl<F, W, C, E> Connect for Pool<F>
where
    F: Fn(SessionKind) -> W + Send + Sync + 'static,
    W: Future<Output = Result<C, E>> + Send + 'static,
    C: Deref<Target = Client> + Send + Sync + 'static,
    E: error::Error + 'static,
{
    type Session = Session<C>;

    async fn connect(&self, kind: SessionKind) -> Result<Self::Session, ConnectError> {
        let client = (self.open)(kind).await.map_err(|error| connect_error(&error))?;
        Ok(Session::users(client, self.prepared))
    }
}
