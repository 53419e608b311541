//! What async-std brings.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use async_std::net::{TcpStream, ToSocketAddrs};
#[cfg(unix)]
use async_std::os::unix::net::UnixStream;
use async_std::task;
use pglock_async::{Runtime, Sockets};
use pglock_driver::Error;

/// The runtime of async-std, of which each process has one.
#[derive(Clone, Copy, Debug)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    fn current() -> Result<Self, Error> {
        Ok(Self)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(task::spawn(task));
    }

    async fn sleep(span: Duration) {
        task::sleep(span).await;
    }
}

impl Sockets for AsyncStd {
    type Tcp = TcpStream;
    #[cfg(unix)]
    type Unix = UnixStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        (host, port).to_socket_addrs().await.map(Iterator::collect)
    }

    async fn tcp(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }

    #[cfg(unix)]
    async fn unix(&self, path: &Path) -> io::Result<UnixStream> {
        UnixStream::connect(path).await
    }
}
