//! Where a server is and who asks, as `postgres://user:password@host:port/database` says.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use url::Url;

/// A server, a database on it, and who asks.
#[derive(Clone, Debug)]
pub struct ServerUrl {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) database: String,
}

impl ServerUrl {
    /// What `DATABASE_URL` says.
    ///
    /// # Errors
    /// When it is not set, or as [`parse`](Self::parse).
    pub fn from_environment() -> io::Result<Self> {
        let url = std::env::var("DATABASE_URL");
        Self::parse(&url.map_err(|_| io::Error::other("DATABASE_URL is not set"))?)
    }

    /// What a URL says. The host is looked up here, once.
    ///
    /// # Errors
    /// When the URL is not understood, or its host has no address.
    pub fn parse(text: &str) -> io::Result<Self> {
        let url = Url::parse(text).map_err(io::Error::other)?;
        let host = url.host_str().unwrap_or("localhost");
        let mut addresses = (host, url.port().unwrap_or(5432)).to_socket_addrs()?;
        let decoded = |part: &str| {
            percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned()
        };
        Ok(Self {
            address: addresses.next().ok_or(io::ErrorKind::NotFound)?,
            user: decoded(url.username()),
            password: decoded(url.password().unwrap_or_default()),
            database: decoded(url.path().trim_start_matches('/')),
        })
    }
}
