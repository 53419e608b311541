//! What smol brings.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

use pglock_async::{Runtime, Sockets};
use pglock_driver::Error;
use smol::Timer;
use smol::net;
#[cfg(unix)]
use smol::net::unix::UnixStream;

/// The global executor of smol, and its sockets and timers.
#[derive(Clone, Copy, Debug)]
pub struct Smol;

impl Runtime for Smol {
    fn current() -> Result<Self, Error> {
        Ok(Self)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }

    async fn sleep(span: Duration) {
        Timer::after(span).await;
    }
}

impl Sockets for Smol {
    type Tcp = net::TcpStream;
    #[cfg(unix)]
    type Unix = UnixStream;

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        net::resolve((host, port)).await
    }

    async fn tcp(&self, address: SocketAddr) -> io::Result<net::TcpStream> {
        net::TcpStream::connect(address).await
    }

    #[cfg(unix)]
    async fn unix(&self, path: &Path) -> io::Result<UnixStream> {
        UnixStream::connect(path).await
    }
}
