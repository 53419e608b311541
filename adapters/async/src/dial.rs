//! How a server is found and reached over a runtime's sockets: each host in turn, each of its addresses, until one
//! answers and is what was asked for. As `tokio-postgres` does it with its feature `runtime`.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::pin;

use futures::future::{self, Either};
use pglock_driver::ConnectError;
use pglock_wire::{connect_error, value};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, Error};

use crate::hosts::{Place, Target, in_order, targets};
use crate::opened::Opened;
use crate::runtime::{Dial, within};
use crate::socket::Socket;
use crate::sockets::Sockets;
use crate::tls::Tls;

impl<R: Sockets, T: Tls> Dial<T> for R {
    async fn dial(&self, config: &Config, tls: &T) -> Result<Opened, ConnectError> {
        let call = Call { runtime: self, config, tls };
        let mut failure = ConnectError::unreachable("no host to connect to");
        for target in targets(config)? {
            match call.reach(&target).await {
                Ok(opened) => return Ok(opened),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

struct Call<'a, R, T> {
    runtime: &'a R,
    config: &'a Config,
    tls: &'a T,
}

/// What a socket connects to.
enum Endpoint {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl<R: Sockets, T: Tls> Call<'_, R, T> {
    /// The first of a host's addresses that will do.
    async fn reach(&self, target: &Target) -> Result<Opened, ConnectError> {
        let mut failure = ConnectError::unreachable("the host has no address");
        for endpoint in self.endpoints(target).await.map_err(unreachable)? {
            match self.open(&endpoint, target.name.as_deref()).await {
                Ok(opened) => return Ok(opened),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn endpoints(&self, Target { place, port, .. }: &Target) -> io::Result<Vec<Endpoint>> {
        Ok(match place {
            Place::Address(address) => vec![Endpoint::Tcp((*address, *port).into())],
            Place::Name(name) => {
                let addresses = in_order(self.config, self.runtime.resolve(name, *port).await?);
                addresses.into_iter().map(Endpoint::Tcp).collect()
            }
            #[cfg(unix)]
            Place::Folder(folder) => {
                vec![Endpoint::Unix(folder.join(format!(".s.PGSQL.{port}")))]
            }
        })
    }

    async fn open(&self, endpoint: &Endpoint, name: Option<&str>) -> Result<Opened, ConnectError> {
        let socket = self.socket(endpoint).await.map_err(unreachable)?;
        let connector = self.tls.connector(name.unwrap_or_default())?;
        let opened = self.config.connect_raw(socket, connector).await;
        let (client, mut connection) = opened.map_err(|error| connect_error(&error))?;
        check(&client, &mut connection, self.config.get_target_session_attrs()).await?;
        Ok(Opened::new(client, connection))
    }

    async fn socket(&self, endpoint: &Endpoint) -> io::Result<Socket> {
        let connecting = self.connect(endpoint);
        match self.config.get_connect_timeout() {
            Some(time) => within::<R, _>(*time, connecting)
                .await
                .unwrap_or_else(|| Err(io::Error::from(io::ErrorKind::TimedOut))),
            None => connecting.await,
        }
    }

    async fn connect(&self, endpoint: &Endpoint) -> io::Result<Socket> {
        match endpoint {
            Endpoint::Tcp(address) => Socket::tcp(self.runtime.tcp(*address).await?, self.config),
            #[cfg(unix)]
            Endpoint::Unix(path) => Ok(Socket::new(self.runtime.unix(path).await?)),
        }
    }
}

fn unreachable(error: io::Error) -> ConnectError {
    ConnectError::unreachable(format!("error connecting to server: {error}"))
}

/// Whether the session takes writes, or does not, if that was asked for.
async fn check(
    client: &Client,
    connection: impl Future<Output = Result<(), Error>> + Unpin,
    wanted: TargetSessionAttrs,
) -> Result<(), ConnectError> {
    if wanted == TargetSessionAttrs::Any {
        return Ok(());
    }
    let asking = pin!(client.simple_query("SHOW transaction_read_only"));
    let answer = match future::select(asking, connection).await {
        Either::Left((answer, _)) => answer.map_err(|error| connect_error(&error))?,
        Either::Right(_) => return Err(ConnectError::unreachable("connection closed")),
    };
    match value(&answer) {
        Some("on") if wanted == TargetSessionAttrs::ReadWrite => {
            Err(ConnectError::unreachable("database does not allow writes"))
        }
        Some("off") if wanted == TargetSessionAttrs::ReadOnly => {
            Err(ConnectError::unreachable("database is not read only"))
        }
        Some(_) | None => Ok(()),
    }
}
