//! Passwords from the file that libpq looks into: one `host:port:database:user:password` a line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::libpq::{Env, set};

/// Sets the password if the file has one. As with libpq, a file that others may read does not count.
pub(super) fn fill(config: &mut Config, env: Env<'_>) {
    let Some(text) = path(env).as_deref().and_then(read) else { return };
    if let Some(password) = find(&text, &wanted(config)) {
        config.password(password);
    }
}

fn path(env: Env<'_>) -> Option<PathBuf> {
    let home = || Some(PathBuf::from(set(env, "HOME")?).join(".pgpass"));
    set(env, "PGPASSFILE").map(PathBuf::from).or_else(home)
}

fn read(path: &Path) -> Option<String> {
    let private = fs::metadata(path).ok()?.permissions().mode() & 0o077 == 0;
    private.then(|| fs::read_to_string(path).ok()).flatten()
}

/// Host, port, database and user; of several hosts the first.
fn wanted(config: &Config) -> [String; 4] {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(folder)) if folder.starts_with("/var/run") => "localhost".into(),
        Some(Host::Unix(folder)) if folder.starts_with("/run") => "localhost".into(),
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or_default();
    let database = config.get_dbname().unwrap_or(user);
    [host, port.to_string(), database.into(), user.into()]
}

fn find(text: &str, wanted: &[String; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(fields).find_map(|fields| {
        let (password, place) = fields.split_last()?;
        let fits = |(found, wanted): (&String, &String)| found == "*" || found == wanted;
        (place.len() == 4 && place.iter().zip(wanted).all(fits)).then(|| password.clone())
    })
}

/// At most five; a backslash keeps the character after it.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        let separates = c == ':' && fields.len() < 5;
        let kept = if c == '\\' { characters.next() } else { Some(c) };
        match (separates, fields.last_mut(), kept) {
            (true, _, _) => fields.push(String::new()),
            (false, Some(field), Some(kept)) => field.push(kept),
            (false, _, _) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let wanted = ["h", "5432", "d", "u"].map(String::from);
        let text = "# h:5432:d:u:comment\nother:*:*:*:no\nh:5432:*:u:a\\:b\\\\c:d\n*:*:*:*:late";
        assert_eq!(find(text, &wanted).as_deref(), Some("a:b\\c:d"));
        assert_eq!(find("h:5433:d:u:no\nh:5432", &wanted), None);
    }

    #[test]
    fn a_file_that_others_may_read_does_not_count() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "*:*:*:*:secret").unwrap();
        assert!(read(file.path()).is_some());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(read(file.path()), None);
    }
}
