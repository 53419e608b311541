//! What a runtime brings whose sockets are those of `futures-io`. Whoever implements it decides nothing.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

use crate::runtime::Runtime;
use crate::socket::{Bytes, OsSocket};

/// Sockets, and the addresses of hosts.
pub trait Sockets: Runtime {
    /// A connection over TCP.
    type Tcp: Bytes + OsSocket;

    /// A connection over a Unix socket.
    #[cfg(unix)]
    type Unix: Bytes;

    /// Looks up under which addresses a host can be reached.
    fn resolve(
        &self,
        host: &str,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to an address.
    fn tcp(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + Send;

    /// Connects to a socket in the file system.
    #[cfg(unix)]
    fn unix(&self, path: &Path) -> impl Future<Output = io::Result<Self::Unix>> + Send;
}
