//! A server of one's own in a temporary folder, from the programs found on this machine. It listens on a
//! Unix socket in that folder only, so no port can be taken and nobody else gets in.

use std::ffi::OsStr;
use std::io::{Read, Seek};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::programs::{self, Account};
use super::watchdog::Watchdog;
use crate::say;

/// Nothing here outlives the demo.
const SETTINGS: &str = "-c listen_addresses='' -c fsync=off";

const CLEANUP: &str = r#"[ ! -f "$2/data/postmaster.pid" ] || "$1/pg_ctl" stop -D "$2/data" -m immediate -w; rm -rf "$2""#;

pub(in crate::demo) struct Private {
    folder: PathBuf,
    _watchdog: Watchdog,
}

impl Private {
    pub(super) fn start() -> Result<Self, String> {
        let programs = programs::folder()?;
        let account = Account::unprivileged()?;
        say::line(&format!("starting a private server from {}", programs.display()));
        let folder = folder(account).map_err(|error| format!("no temporary folder: {error}"))?;
        let arguments: [&OsStr; 2] = [programs.as_ref(), folder.as_ref()];
        let watchdog = Watchdog::new(CLEANUP, &arguments, account)
            .map_err(|error| format!("no shell to clean up: {error}"))?;
        let server = Self { folder, _watchdog: watchdog };
        let run = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(programs.join(program));
            command.args(arguments).arg("-D").arg(server.folder.join("data"));
            run(account.run(&mut command), &server.folder)
        };
        run(
            "initdb",
            &["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"],
        )?;
        let settings = format!("{SETTINGS} -k {}", server.folder.display());
        run("pg_ctl", &["start", "-w", "-s", "-o", &settings])?;
        Ok(server)
    }

    pub(super) fn url(&self) -> String {
        format!("host={} port=5432 user=postgres dbname=postgres", self.folder.display())
    }
}

/// A temporary folder that belongs to the account. The watchdog removes it.
fn folder(account: Account) -> std::io::Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("pglock-demo-").tempdir()?.keep();
    if let Some((uid, gid)) = account.ids {
        chown(&folder, Some(uid), Some(gid))?;
    }
    Ok(folder)
}

/// Output goes to a file, since a server that a program starts would keep a pipe open.
fn run(command: &mut Command, folder: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut output = tempfile::tempfile().map_err(failed)?;
    let copy = || output.try_clone().map(Stdio::from).map_err(failed);
    for variable in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGOPTIONS"] {
        command.env_remove(variable);
    }
    command.current_dir(folder).env("LC_ALL", "C").stdin(Stdio::null());
    let status = command.stdout(copy()?).stderr(copy()?).status();
    let program = command.get_program().to_string_lossy().into_owned();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let mut said = String::new();
            let _unread = output.rewind().and_then(|()| output.read_to_string(&mut said)).is_err();
            Err(format!("{program}: {status}: {}", said.trim()))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}
