//! A database for one test, and the errands that need a connection of their own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use postgres::{Client, NoTls};
use url::Url;

use crate::listener::Listener;
use crate::session::Session;

/// A database of its own. Dropped with this value on a server that outlives the tests.
#[derive(Debug)]
pub struct Database {
    url: Url,
    drop_through: Option<String>,
}

impl Database {
    pub(crate) fn create(server: &str, dropped: bool) -> Self {
        let name = unused_name();
        // Sessions on a template database would be in the way of any other but template0.
        let create = format!("CREATE DATABASE {name} TEMPLATE template0");
        administer(server, |client| client.batch_execute(&create)).expect("a new database");
        let mut url = Url::parse(server).expect("the server's URL");
        url.set_path(&name);
        Self { url, drop_through: dropped.then(|| server.into()) }
    }

    pub(crate) fn on_port(&self, port: u16) -> Self {
        let mut url = self.url.clone();
        url.set_port(Some(port)).expect("a URL with a host");
        Self { url, drop_through: None }
    }

    /// Its URL, for any client.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.url.path().trim_start_matches('/')
    }

    /// Runs statements on a connection of their own, apart from any runtime.
    pub fn execute(&self, statements: &str) {
        administer(self.url(), |client| client.batch_execute(statements)).expect("an execution");
    }

    /// Makes `value` the default of a setting for all sessions opened from now on.
    pub fn set_default(&self, setting: &str, value: &str) {
        self.execute(&format!("ALTER DATABASE {} SET {setting} = '{value}'", self.name()));
    }

    /// Opens a session that is told of notifications on `channel`.
    pub async fn listen(&self, channel: &str) -> Listener {
        Listener::open(self.url(), channel).await
    }

    /// Opens a session.
    pub async fn connect(&self) -> Session {
        Session::open(self.url()).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(server) = &self.drop_through else { return };
        let name = self.name();
        let _ = administer(server, |client| {
            client.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1",
                &[&name],
            )?;
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {name}"))
        });
    }
}

/// On a thread of its own, so that it can be called from inside a runtime, too.
pub(crate) fn administer<T: Send>(
    url: &str,
    errand: impl FnOnce(&mut Client) -> Result<T, postgres::Error> + Send,
) -> Result<T, String> {
    let work = || Client::connect(url, NoTls).and_then(|mut client| errand(&mut client));
    std::thread::scope(|scope| scope.spawn(work).join())
        .map_err(|_| String::from("the errand panicked"))?
        .map_err(|error| match error.as_db_error() {
            Some(said) => said.to_string(),
            None => match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            },
        })
}

/// The server's version. It may have started only now, so it is asked until it answers.
pub(crate) fn version(url: &str) -> Result<String, String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = administer(url, |client| client.query_one("SHOW server_version", &[]));
        match answer {
            Ok(row) => return Ok(row.get(0)),
            Err(error) if Instant::now() > deadline => return Err(format!("{url}: {error}")),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Unused also by the tests of other processes on the same server.
fn unused_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock past 1970");
    format!("pglock_{}_{number}_{}", std::process::id(), now.as_micros())
}
