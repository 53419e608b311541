//! A server of one's own from local programs, which a test may stop, crash or replicate.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::certificate::Certificate;
use crate::database::{self, Database};
use crate::programs::{self, Account};
use crate::session::Lsn;
use crate::watchdog::Watchdog;

/// How long a server may take to start, stop or follow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing here outlives the machine, and tests open many connections.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
max_connections = 500
";

/// A server in a temporary folder. It is stopped and removed when dropped, or when the process ends.
#[derive(Debug)]
pub struct Private {
    programs: PathBuf,
    folder: PathBuf,
    account: Option<Account>,
    port: u16,
    _watchdog: Watchdog,
}

impl Private {
    /// Starts a new server.
    ///
    /// # Panics
    /// When there are no programs, or they fail.
    #[must_use]
    pub fn new() -> Self {
        Self::try_new().unwrap_or_else(|reason| panic!("no private PostgreSQL server: {reason}"))
    }

    pub(crate) fn try_new() -> Result<Self, String> {
        let programs = programs::folder()
            .ok_or("no PostgreSQL programs on the PATH, in /usr/lib/postgresql/*/bin or in PGLOCK_TEST_PROGRAMS")?;
        Self::build(programs, |server, data| {
            let mut initdb = server.program("initdb");
            initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"]);
            run(initdb.arg("--no-sync").arg("--pgdata").arg(data))?;
            server.configure(SETTINGS)
        })
    }

    /// Makes the folder, has it filled, and starts what is in it.
    fn build(
        programs: PathBuf,
        fill: impl FnOnce(&Self, &Path) -> Result<(), String>,
    ) -> Result<Self, String> {
        let (folder, account) =
            folder().map_err(|error| format!("no temporary folder: {error}"))?;
        let cleanup = r#"[ ! -f "$2/data/postmaster.pid" ] || "$1/pg_ctl" stop -D "$2/data" -m immediate -w; rm -rf "$2""#;
        let arguments: [&OsStr; 2] = [programs.as_ref(), folder.as_ref()];
        let watchdog = Watchdog::new(cleanup, &arguments, account);
        let mut server = Self { programs, folder, account, port: 0, _watchdog: watchdog };
        fill(&server, &server.data())?;
        server.start_on_a_free_port()?;
        Ok(server)
    }

    /// The port is free when it is chosen, but another process may be quicker to use it.
    fn start_on_a_free_port(&mut self) -> Result<(), String> {
        let mut failure = String::new();
        for _ in 0..5 {
            self.port = free_port().map_err(|error| format!("no free port: {error}"))?;
            let sockets = self.folder.display();
            self.configure(&format!(
                "port = {}\nunix_socket_directories = '{sockets}'\n",
                self.port
            ))?;
            match self.try_start() {
                Ok(()) => return Ok(()),
                Err(reason) => failure = reason,
            }
        }
        Err(failure)
    }

    /// A new, empty database.
    #[must_use]
    pub fn database(&self) -> Database {
        Database::create(&self.url(), false)
    }

    /// The URL of the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The folder of the programs that it runs.
    #[must_use]
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// Shuts it down in order; sessions are ended.
    pub fn stop(&self) {
        self.control(&["stop", "-m", "fast"]);
    }

    /// Ends all its processes at once; what was not yet flushed is gone.
    pub fn crash(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    /// Kills its main process with SIGKILL; the others notice and end by themselves.
    pub fn kill(&self) {
        let file =
            fs::read_to_string(self.data().join("postmaster.pid")).expect("a running server");
        let pid = file.lines().next().expect("a process id");
        run(self.program("pg_ctl").args(["kill", "KILL", pid])).expect("a server to kill");
    }

    /// Starts it again, on the same port, after [`stop`](Self::stop), [`crash`](Self::crash) or
    /// [`kill`](Self::kill).
    pub fn start(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(reason) = self.try_start() {
            assert!(Instant::now() < deadline, "the server does not start again: {reason}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Shuts it down and starts it again.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Starts it again with TLS for those who ask for it.
    ///
    /// # Panics
    /// When its programs were built without TLS.
    pub fn encrypt(&self, certificate: &Certificate) {
        let library = scalar(&self.url(), "SHOW ssl_library");
        assert!(!library.is_empty(), "{}: built without TLS", self.programs.display());
        self.keep("server.crt", certificate.pem());
        self.keep("server.key", &certificate.key);
        self.configure("ssl = on\n").expect("a server to configure");
        self.restart();
    }

    /// A streaming replica of this server, readable and read-only.
    #[must_use]
    pub fn standby(&self) -> Self {
        let port = self.port.to_string();
        Self::build(self.programs.clone(), |standby, data| {
            let mut backup = standby.program("pg_basebackup");
            backup.args(["--host=127.0.0.1", "--username=postgres", "--port", &port]);
            backup.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
            run(backup.arg("--pgdata").arg(data))
        })
        .unwrap_or_else(|reason| panic!("no standby: {reason}"))
    }

    /// Waits until this standby shows all that is committed on its primary now.
    pub fn follow(&self, primary: &Self) {
        let goal = position(&primary.url(), "SELECT pg_current_wal_lsn()::text");
        let deadline = Instant::now() + PATIENCE;
        while position(&self.url(), "SELECT pg_last_wal_replay_lsn()::text") < goal {
            assert!(Instant::now() < deadline, "the standby does not reach {goal:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A primary's database as this standby shows it.
    #[must_use]
    pub fn replica_of(&self, database: &Database) -> Database {
        database.on_port(self.port)
    }

    /// Makes this standby a primary, on a new timeline.
    pub fn promote(&self) {
        self.control(&["promote"]);
    }

    /// Adds settings, which count from the next start on.
    fn configure(&self, settings: &str) -> Result<(), String> {
        fs::OpenOptions::new()
            .append(true)
            .open(self.data().join("postgresql.conf"))
            .and_then(|mut file| file.write_all(settings.as_bytes()))
            .map_err(|error| format!("postgresql.conf: {error}"))
    }

    /// Writes a file for the server's eyes only.
    fn keep(&self, name: &str, text: &str) {
        let file = self.data().join(name);
        fs::write(&file, text).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file");
        if let Some(Account { uid, gid }) = self.account {
            chown(&file, Some(uid), Some(gid)).expect("a file");
        }
    }

    fn try_start(&self) -> Result<(), String> {
        let log = self.folder.join("log");
        let mut start = self.program("pg_ctl");
        start.args(["start", "-w", "-D"]).arg(self.data()).arg("-l").arg(&log);
        run(&mut start).map_err(|reason| {
            let log = fs::read_to_string(log).unwrap_or_default();
            let last = log.lines().rev().take(5).collect::<Vec<_>>();
            format!(
                "{reason}; its log ends: {}",
                last.into_iter().rev().collect::<Vec<_>>().join(" / ")
            )
        })
    }

    fn control(&self, arguments: &[&str]) {
        let mut control = self.program("pg_ctl");
        control.args(arguments).arg("-w").arg("-D").arg(self.data());
        run(&mut control).expect("a server under control");
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn program(&self, name: &str) -> Command {
        let mut program = Command::new(self.programs.join(name));
        if let Some(account) = self.account {
            account.run_as(&mut program);
        }
        for variable in
            ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGOPTIONS"]
        {
            program.env_remove(variable);
        }
        program.current_dir(&self.folder).env("LC_ALL", "C").stdin(Stdio::null());
        program
    }
}

impl Default for Private {
    fn default() -> Self {
        Self::new()
    }
}

/// A temporary folder, and whose it is: the tests' own, or an unprivileged account's if they run as root.
pub(crate) fn folder() -> std::io::Result<(PathBuf, Option<Account>)> {
    let folder = tempfile::Builder::new().prefix("pglock-tests-").tempdir()?.keep();
    let root = fs::metadata(&folder)?.uid() == 0;
    let account = root.then(Account::unprivileged);
    if let Some(account) = account {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        chown(&folder, Some(account.uid), Some(account.gid))?;
    }
    Ok((folder, account))
}

pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn position(url: &str, query: &str) -> Lsn {
    scalar(url, query).parse().expect("a WAL position")
}

fn scalar(url: &str, query: &str) -> String {
    database::administer(url, |client| Ok(client.query_one(query, &[])?.get(0))).expect("an answer")
}

/// Output goes to a file, since a server that a program starts would keep a pipe open.
fn run(command: &mut Command) -> Result<(), String> {
    let mut output = tempfile::tempfile().map_err(|error| error.to_string())?;
    let copy = || output.try_clone().map(Stdio::from).map_err(|error| error.to_string());
    let status = command.stdout(copy()?).stderr(copy()?).status();
    let program = command.get_program().to_string_lossy().into_owned();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            use std::io::{Read, Seek};
            let mut said = String::new();
            let _ = output.rewind().and_then(|()| output.read_to_string(&mut said));
            Err(format!("{program}: {status}: {}", said.trim()))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}
