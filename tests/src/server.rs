//! Which server the tests of this process use. Knows the order, not how one is started.

use std::fmt;
use std::io::Write;
use std::sync::OnceLock;

use crate::container::Container;
use crate::database::{self, Database};
use crate::private::Private;

const HELP: &str = "Tests need a PostgreSQL server. Any of these will do:
  - set PGLOCK_TEST_URL to the URL of one, with a role that may create databases;
  - have a Docker engine, with the image postgres:18 or local PostgreSQL programs to make one from;
  - install PostgreSQL's programs, for example Debian's package `postgresql`;
  - or run tests/run, which installs them.";

/// A server that all tests of a process share.
#[derive(Debug)]
pub struct Server(Kind);

#[derive(Debug)]
enum Kind {
    Given(String),
    Container(Container),
    Private(Private),
}

impl Server {
    /// The server of this process: the one given by `PGLOCK_TEST_URL`, else one in a container, else a
    /// private one. `PGLOCK_TEST_SERVER` may insist on `env`, `container` or `private`.
    ///
    /// # Panics
    /// When there is none, with the reasons and what to do.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
        match SHARED.get_or_init(announced) {
            Ok(server) => server,
            Err(reasons) => panic!("{HELP}\nTried: {reasons}."),
        }
    }

    /// A new, empty database.
    #[must_use]
    pub fn database(&self) -> Database {
        Database::create(&self.url(), matches!(self.0, Kind::Given(_)))
    }

    /// The URL of a database that is there already, of a role that may create others.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.0 {
            Kind::Given(url) => url.clone(),
            Kind::Container(container) => container.url.clone(),
            Kind::Private(private) => private.url(),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Given(_) => f.write_str("the server of PGLOCK_TEST_URL"),
            Kind::Container(container) => write!(f, "a container of {}", container.image),
            Kind::Private(private) => {
                write!(f, "a private server of {}", private.programs().display())
            }
        }
    }
}

/// Told on the process's own standard error, since the tests' is captured.
fn announced() -> Result<Server, String> {
    let server = find()?;
    let version = database::version(&server.url())?;
    let _ = writeln!(std::io::stderr(), "tests use {server}, PostgreSQL {version}");
    Ok(server)
}

fn find() -> Result<Server, String> {
    let insisted = std::env::var("PGLOCK_TEST_SERVER").ok();
    match insisted.as_deref() {
        Some("env") => given().unwrap_or_else(|| Err("PGLOCK_TEST_URL is not set".into())),
        Some("container") => container(),
        Some("private") => private(),
        Some(other) => Err(format!("PGLOCK_TEST_SERVER is {other}, not env, container or private")),
        None => given().unwrap_or_else(|| {
            container()
                .or_else(|container| private().map_err(|private| format!("{container}; {private}")))
        }),
    }
}

fn given() -> Option<Result<Server, String>> {
    let url = std::env::var("PGLOCK_TEST_URL").ok()?;
    Some(Ok(Server(Kind::Given(url))))
}

fn container() -> Result<Server, String> {
    Container::try_new().map(Kind::Container).map(Server)
}

fn private() -> Result<Server, String> {
    Private::try_new().map(Kind::Private).map(Server)
}
