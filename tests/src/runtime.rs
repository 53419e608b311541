//! The runtimes that there are asynchronous adapters for.

use pglock_async::{Builder, Dial};
use pglock_driver::{Clock, Error, Locks, Options};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// What their adapters hand out is of one type, and can be asked on any runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a test must serve every one")]
pub enum Runtime {
    /// That of the tests themselves.
    Tokio,
    /// On threads of its own, where nobody knows tokio.
    AsyncStd,
    /// The same.
    Smol,
}

impl Runtime {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tokio, Self::AsyncStd, Self::Smol];

    /// Works on this runtime.
    pub async fn run<T: Send + 'static>(self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self {
            Self::Tokio => work.await,
            Self::AsyncStd => async_std::task::spawn(work).await,
            Self::Smol => smol::spawn(work).await,
        }
    }

    /// A handle of this runtime's adapter.
    ///
    /// # Errors
    /// Those of the adapter.
    pub async fn open(self, options: Options, url: &str, prepared: bool) -> Result<Locks, Error> {
        match self {
            Self::Tokio => {
                let builder = pglock_tokio::Locks::builder().options(options).prepared(prepared);
                connect(builder, url.into()).await
            }
            Self::AsyncStd => {
                let builder = pglock_async_std::Locks::builder().options(options);
                self.run(connect(builder.prepared(prepared), url.into())).await
            }
            Self::Smol => {
                let builder = pglock_smol::Locks::builder().options(options).prepared(prepared);
                self.run(connect(builder, url.into())).await
            }
        }
    }

    /// A client over this runtime's own sockets, driven by one of its tasks.
    ///
    /// # Errors
    /// Those of the driver.
    ///
    /// # Panics
    /// When the server is not reached.
    pub async fn client(self, url: &str) -> Result<Client, tokio_postgres::Error> {
        let config: Config = url.parse()?;
        let [Host::Tcp(host)] = config.get_hosts() else { panic!("{url} has one host") };
        let (host, port) = (host.clone(), config.get_ports().first().copied());
        let address = (host.as_str(), port.unwrap_or(5432));
        match self {
            Self::Tokio => {
                let stream = tokio::net::TcpStream::connect(address).await;
                self.talk(config, stream.expect("a server")).await
            }
            Self::AsyncStd => {
                let stream = async_std::net::TcpStream::connect(address).await;
                self.talk(config, stream.expect("a server").compat()).await
            }
            Self::Smol => {
                let stream = smol::net::TcpStream::connect(address).await;
                self.talk(config, stream.expect("a server").compat()).await
            }
        }
    }

    async fn talk<S>(self, config: Config, stream: S) -> Result<Client, tokio_postgres::Error>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        let driven = async { drop(connection.await) };
        match self {
            Self::Tokio => drop(tokio::spawn(driven)),
            Self::AsyncStd => drop(async_std::task::spawn(driven)),
            Self::Smol => smol::spawn(driven).detach(),
        }
        Ok(client)
    }
}

/// What an adapter's handle dereferences to.
///
/// # Errors
/// Those of the adapter.
pub async fn connect<R, T, K>(builder: Builder<R, T, K>, url: String) -> Result<Locks, Error>
where
    R: Dial<T>,
    T: Send + Sync + 'static,
    K: Clock,
{
    let locks = builder.connect(&url).await?;
    Ok(Locks::clone(&locks))
}
