//! What a runtime brings. Whoever implements it decides nothing.

use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use futures::future::{self, Either};
use pglock_driver::{ConnectError, Error};
use tokio_postgres::Config;

use crate::opened::Opened;

/// Tasks and time.
pub trait Runtime: Clone + Debug + Send + Sync + 'static {
    /// The runtime that the caller is on.
    ///
    /// # Errors
    /// [`Error::System`] where there is none.
    fn current() -> Result<Self, Error>;

    /// Sees to it that a task is run until it ends by itself.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Ends when so much time has passed, or a little later. It may stand still while the machine is suspended.
    fn sleep(span: Duration) -> impl Future<Output = ()> + Send;
}

/// Connections. `T` says how they are encrypted, if at all.
pub trait Dial<T>: Runtime {
    /// Opens a connection to where a configuration says.
    fn dial(
        &self,
        config: &Config,
        tls: &T,
    ) -> impl Future<Output = Result<Opened, ConnectError>> + Send;
}

/// What the work comes to, if it is done in time.
pub(crate) async fn within<R: Runtime, T>(
    span: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    match future::select(pin!(work), pin!(R::sleep(span))).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(((), _)) => None,
    }
}
