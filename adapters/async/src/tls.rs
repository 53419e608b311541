//! How connections are encrypted. Knows no library that does it.

use std::error::Error;

use futures::TryFutureExt;
use futures::future::{Either, ErrInto, Ready, ready};
use pglock_driver::ConnectError;
use tokio_postgres::NoTls;
use tokio_postgres::tls::TlsConnect;

use crate::socket::Socket;

/// Makes a connector for each connection. Either [`NoTls`], or a function that is given the name that the server's
/// certificate must have, and answers a connector made for `tokio-postgres`:
///
/// ```
/// # use tokio_postgres::tls::TlsConnect;
/// use pglock_async::{Socket, Tls};
/// use tokio_postgres::tls::MakeTlsConnect;
///
/// // Of whatever makes connectors on tokio; its crate asks for the feature `runtime` of `tokio-postgres`.
/// # fn through<M>(maker: M) -> impl Tls
/// # where
/// #     M: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
/// #     M::Stream: Send,
/// #     M::TlsConnect: Send,
/// #     <M::TlsConnect as TlsConnect<Socket>>::Future: Send,
/// # {
/// let tls = move |host: &str| MakeTlsConnect::<Socket>::make_tls_connect(&mut maker.clone(), host);
/// # tls }
/// ```
pub trait Tls: Send + Sync + 'static {
    /// A connector for one connection.
    type Connect: TlsConnect<Socket, Stream: Send + 'static, Future: Send> + Send;

    /// Makes one for the server of this name, which is empty where there is none to check a certificate by: where only a
    /// `hostaddr` is given.
    ///
    /// # Errors
    /// When no connector can be made for the name.
    fn connector(&self, host: &str) -> Result<Self::Connect, ConnectError>;
}

impl Tls for NoTls {
    type Connect = Self;

    fn connector(&self, _: &str) -> Result<Self, ConnectError> {
        Ok(Self)
    }
}

impl<F, C, E> Tls for F
where
    F: Fn(&str) -> Result<C, E> + Send + Sync + 'static,
    C: TlsConnect<Socket, Stream: Send + 'static, Future: Send> + Send,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Connect = Handshake<C>;

    fn connector(&self, host: &str) -> Result<Handshake<C>, ConnectError> {
        if host.is_empty() {
            return Ok(Handshake(None));
        }
        let connector = self(host).map_err(|error| {
            ConnectError::unreachable(format!("no TLS connector: {}", error.into()))
        });
        connector.map(|connector| Handshake(Some(connector)))
    }
}

/// Nothing where there is no name for a certificate to have. Whether there is a handshake is up to the server, too.
#[derive(Debug)]
pub struct Handshake<C>(Option<C>);

type Boxed = Box<dyn Error + Send + Sync>;

impl<C: TlsConnect<Socket>> TlsConnect<Socket> for Handshake<C> {
    type Stream = C::Stream;
    type Error = Boxed;
    type Future = Either<ErrInto<C::Future, Boxed>, Ready<Result<C::Stream, Boxed>>>;

    fn connect(self, stream: Socket) -> Self::Future {
        match self.0 {
            Some(connector) => Either::Left(connector.connect(stream).err_into()),
            None => Either::Right(ready(Err("no hostname provided for TLS handshake".into()))),
        }
    }
}
