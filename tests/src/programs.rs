//! Where PostgreSQL's programs are on this machine, and the account they run under. Starts none.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a private server needs.
const NEEDED: [&str; 4] = ["initdb", "pg_basebackup", "pg_ctl", "postgres"];

/// The folder with the programs: the one that `PGLOCK_TEST_PROGRAMS` names; else one on the `PATH`; else
/// the newest of Debian's; else the one that `tests/run` has installed.
pub(crate) fn folder() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PGLOCK_TEST_PROGRAMS") {
        return complete(Path::new(&named));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/postgresql/bin");
    std::env::split_paths(&path)
        .chain(debian())
        .chain([PathBuf::from(installed)])
        .find_map(|folder| complete(&folder))
}

/// The real path of a folder that holds all that is needed: the programs find their data beside it.
fn complete(folder: &Path) -> Option<PathBuf> {
    let folder = folder.canonicalize().ok()?;
    NEEDED.iter().all(|program| folder.join(program).is_file()).then_some(folder)
}

fn debian() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.iter().map(|version| format!("/usr/lib/postgresql/{version}/bin").into()).collect()
}

/// The account that servers run under when the tests run as root, which PostgreSQL refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The `postgres` account, or else `nobody`.
    pub(crate) fn unprivileged() -> Self {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let account = |name| passwd.lines().find_map(|line| Self::parse(line, name));
        account("postgres").or_else(|| account("nobody")).expect("an account postgres or nobody")
    }

    fn parse(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let _password = fields.next()?;
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }

    pub(crate) fn run_as(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}
