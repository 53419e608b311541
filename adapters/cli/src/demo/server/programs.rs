//! Where PostgreSQL's programs are on this machine, and the account they can run under. Starts no server.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{User, geteuid};

/// What a private server needs.
const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// The folder that `PGLOCK_PG_BIN` names; else the first on the `PATH`, where `pg_config` says, in the
/// usual places or beside this program that has all that is needed.
pub(super) fn folder() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("PGLOCK_PG_BIN") {
        let missing = || format!("PGLOCK_PG_BIN is {named:?}, which lacks one of {NEEDED:?}");
        return complete(Path::new(&named)).ok_or_else(missing);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(pg_config());
    folders.extend(versions("/usr/lib/postgresql", "", "/bin"));
    folders.extend(versions("/usr", "pgsql-", "/bin"));
    folders.extend(versions("/opt/homebrew/opt", "postgresql@", "/bin"));
    folders.extend(versions("/usr/local/opt", "postgresql@", "/bin"));
    folders.extend(beside());
    let found = folders.iter().find_map(|folder| complete(folder));
    found.ok_or_else(|| "PostgreSQL's programs were not found".into())
}

/// The folder where the programs really are: they find their data from there.
fn complete(folder: &Path) -> Option<PathBuf> {
    let real = folder.join("initdb").canonicalize().ok()?.parent()?.to_path_buf();
    NEEDED.iter().all(|program| real.join(program).is_file()).then_some(real)
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().into())
}

/// Folders called by a version, the newest first.
fn versions(parent: &str, before: &str, after: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let version = |name: &str| name.strip_prefix(before)?.parse::<u32>().ok();
    let mut found: Vec<u32> =
        entries.filter_map(|entry| version(entry.file_name().to_str()?)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.iter().map(|version| format!("{parent}/{before}{version}{after}").into()).collect()
}

/// `postgresql/bin` in the folder above this program's own.
fn beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent()?.parent()?.join("postgresql/bin"))
}

/// Runs a command under another account if this process is root's, which PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub(super) ids: Option<(u32, u32)>,
}

impl Account {
    /// The `postgres` account, or else `nobody`.
    pub(super) fn unprivileged() -> Result<Self, String> {
        if !geteuid().is_root() {
            return Ok(Self { ids: None });
        }
        let account = |name| User::from_name(name).ok().flatten();
        let user = account("postgres").or_else(|| account("nobody"));
        let user = user.ok_or("PostgreSQL does not run as root, and there is no other account")?;
        Ok(Self { ids: Some((user.uid.as_raw(), user.gid.as_raw())) })
    }

    pub(super) fn run(self, command: &mut Command) -> &mut Command {
        match self.ids {
            Some((uid, gid)) => command.uid(uid).gid(gid),
            None => command,
        }
    }
}
