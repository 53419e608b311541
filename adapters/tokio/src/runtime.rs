//! What tokio brings.

use std::time::Duration;

use pglock_async::{Dial, Opened, Runtime};
use pglock_driver::{ConnectError, Error};
use pglock_wire::connect_error;
use tokio::runtime::Handle;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};

/// The tokio runtime on which connections are opened and driven.
#[derive(Clone, Debug)]
pub struct Tokio(Handle);

impl Runtime for Tokio {
    fn current() -> Result<Self, Error> {
        Handle::try_current().map(Self).map_err(|error| Error::System(error.to_string()))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(task));
    }

    async fn sleep(span: Duration) {
        tokio::time::sleep(span).await;
    }
}

impl<T> Dial<T> for Tokio
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    async fn dial(&self, config: &Config, tls: &T) -> Result<Opened, ConnectError> {
        let opened = config.connect(tls.clone()).await.map_err(|error| connect_error(&error));
        opened.map(|(client, connection)| Opened::new(client, connection))
    }
}
