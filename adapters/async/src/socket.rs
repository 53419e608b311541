//! A connection of bytes to a server, as the driver wants it.

use std::fmt;
use std::io;
#[cfg(unix)]
pub use std::os::fd::AsFd as OsSocket;
#[cfg(windows)]
pub use std::os::windows::io::AsSocket as OsSocket;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::io::{AsyncRead as Read, AsyncWrite as Write};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Config;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// What can be read from and written to, as `futures-io` has it.
pub trait Bytes: Read + Write + Send + Sync + Unpin + 'static {}

impl<S: Read + Write + Send + Sync + Unpin + 'static> Bytes for S {}

/// A connection to a server, over TCP or a Unix socket of the runtime; what TLS connectors are given.
pub struct Socket(Compat<Box<dyn Bytes>>);

impl Socket {
    pub(crate) fn new(stream: impl Bytes) -> Self {
        let stream: Box<dyn Bytes> = Box::new(stream);
        Self(stream.compat())
    }

    /// With time-outs and keepalives as they are configured.
    pub(crate) fn tcp(stream: impl Bytes + OsSocket, config: &Config) -> io::Result<Self> {
        let socket = SockRef::from(&stream);
        socket.set_tcp_nodelay(true)?;
        #[cfg(target_os = "linux")]
        if let Some(timeout) = config.get_tcp_user_timeout() {
            socket.set_tcp_user_timeout(Some(*timeout))?;
        }
        if config.get_keepalives() {
            socket.set_tcp_keepalive(&keepalive(config))?;
        }
        Ok(Self::new(stream))
    }
}

/// As far as the operating system can be told.
fn keepalive(config: &Config) -> TcpKeepalive {
    let keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = match config.get_keepalives_interval() {
        Some(interval) => keepalive.with_interval(interval),
        None => keepalive,
    };
    #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "solaris")))]
    let keepalive = match config.get_keepalives_retries() {
        Some(retries) => keepalive.with_retries(retries),
        None => keepalive,
    };
    keepalive
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use smol::net::TcpStream;

    use super::*;

    /// A connection, as it was before it was set up, too.
    fn connected(config: &str) -> (TcpStream, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = smol::block_on(TcpStream::connect(listener.local_addr().unwrap())).unwrap();
        (stream.clone(), Socket::tcp(stream, &config.parse().unwrap()).unwrap())
    }

    #[test]
    fn a_silent_network_is_noticed_as_soon_as_configured() {
        let (stream, _socket) = connected(
            "keepalives_idle=11 keepalives_interval=7 keepalives_retries=5 tcp_user_timeout=13",
        );
        let socket = SockRef::from(&stream);
        let seconds = Duration::from_secs;
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(11));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(7));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 5);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(seconds(13)));
    }

    #[test]
    fn keepalives_can_be_left_out() {
        let (stream, _socket) = connected("keepalives=0");
        assert!(!SockRef::from(&stream).keepalive().unwrap());
    }
}
