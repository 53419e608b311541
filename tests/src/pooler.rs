//! PgBouncer before a server, which may give the server's sessions to one client after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use url::Url;

use crate::database::{self, Database};
use crate::private;
use crate::programs::Account;
use crate::watchdog::Watchdog;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// For how long a client has a session of the server to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pooling {
    /// As long as it is connected; the session is reset then.
    Session,
    /// For a transaction.
    Transaction,
    /// For a statement.
    Statement,
}

impl Pooling {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        }
    }
}

/// A pooler before the server of one database. It ends when dropped, or when the process ends.
#[derive(Debug)]
pub struct Pooler {
    url: Url,
    pgbouncer: Child,
    _watchdog: Watchdog,
}

impl Pooler {
    /// Starts one that opens at most `sessions` on the server.
    ///
    /// # Panics
    /// When there is no PgBouncer on the `PATH` nor where Debian puts it, or it does not start.
    #[must_use]
    pub fn new(database: &Database, pooling: Pooling, sessions: usize) -> Self {
        let server = Url::parse(database.url()).expect("a database's URL");
        let mut last = String::new();
        for _ in 0..5 {
            match Self::try_new(&server, pooling, sessions) {
                Ok(pooler) => return pooler,
                Err(reason) => last = reason,
            }
        }
        panic!("no PgBouncer (Debian's package `pgbouncer`; tests/run installs it): {last}");
    }

    /// The database's URL through this pooler.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The port is free when it is chosen, but another process may be quicker to use it.
    fn try_new(server: &Url, pooling: Pooling, sessions: usize) -> Result<Self, String> {
        let (folder, account) = private::folder().map_err(|error| error.to_string())?;
        let port = private::free_port().map_err(|error| error.to_string())?;
        let file = folder.join("pgbouncer.ini");
        let settings = settings(server, pooling, sessions, port);
        fs::write(&file, settings).map_err(|error| error.to_string())?;
        let pgbouncer = start(&file, account).map_err(|error| error.to_string())?;
        let cleanup = r#"kill -KILL "$1"; rm -rf "$2""#;
        let pid = pgbouncer.id().to_string();
        let watchdog = Watchdog::new(cleanup, &[pid.as_ref(), folder.as_ref()], account);
        let mut url = server.clone();
        url.set_host(Some("127.0.0.1")).expect("a URL with a host");
        url.set_port(Some(port)).expect("a URL with a port");
        let mut pooler = Self { url, pgbouncer, _watchdog: watchdog };
        pooler.wait().map(|()| pooler)
    }

    /// Until it lets somebody in, which another one on the same port would not.
    fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while let Err(reason) = database::administer(self.url(), |_| Ok(())) {
            if let Ok(Some(status)) = self.pgbouncer.try_wait() {
                return Err(format!("it ended: {status}"));
            }
            if Instant::now() > deadline {
                return Err(reason);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ended_already = self.pgbouncer.kill();
        let _ = self.pgbouncer.wait();
    }
}

/// Whoever comes is let in, and is the server's own role there.
fn settings(server: &Url, pooling: Pooling, sessions: usize, port: u16) -> String {
    let host = server.host_str().expect("a server's name");
    let server_port = server.port().unwrap_or(5432);
    let user = server.username();
    let password = server.password().map(|password| format!(" password={password}"));
    let password = password.unwrap_or_default();
    let database = server.path().trim_start_matches('/');
    let mode = pooling.name();
    format!(
        "[databases]\n\
         {database} = host={host} port={server_port} user={user}{password}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = {mode}\n\
         default_pool_size = {sessions}\n\
         max_client_conn = 500\n\
         server_reset_query = DISCARD ALL\n"
    )
}

/// It refuses to run as root.
fn start(file: &Path, account: Option<Account>) -> std::io::Result<Child> {
    let mut pgbouncer = Command::new(program());
    if let Some(account) = account {
        account.run_as(&mut pgbouncer);
    }
    pgbouncer
        .arg("--quiet")
        .arg(file)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| "/usr/sbin/pgbouncer".into())
}
