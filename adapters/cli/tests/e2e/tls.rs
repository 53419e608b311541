//! Encryption as `sslmode` and `sslrootcert` say.

use std::io::Write;

use pglock_tests::{Certificate, Database, Private};
use tempfile::NamedTempFile;

use crate::rig::{holder, on, said};

const NO_SERVER: i32 = 113;
const HOST: &str = "localhost";

/// A server with TLS, a database on it, and a file with the server's certificate.
fn encrypted() -> (Private, Database, NamedTempFile) {
    let (server, certificate) = (Private::new(), Certificate::of(HOST));
    server.encrypt(&certificate);
    let database = server.database();
    (server, database, file(&certificate))
}

fn file(certificate: &Certificate) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(certificate.pem().as_bytes()).expect("a file");
    file
}

fn url(database: &Database, host: &str, mode: &str, root: Option<&NamedTempFile>) -> String {
    let url = database.url().replace("127.0.0.1", host);
    let root = root.map(|file| format!("&sslrootcert={}", file.path().display()));
    format!("{url}?sslmode={mode}{}", root.unwrap_or_default())
}

#[test]
fn connections_are_encrypted_as_the_mode_says() {
    let (_server, database, root) = encrypted();
    let modes = [
        ("disable", "127.0.0.1", None, false),
        ("prefer", "127.0.0.1", None, true),
        ("require", "127.0.0.1", None, true),
        ("require", HOST, Some(&root), true),
        ("verify-full", HOST, Some(&root), true),
    ];
    for (mode, host, root, encrypted) in modes {
        let url = url(&database, host, mode, root);
        let (_holder, _) = holder(&database, mode, &["--database-url", &url], ":");
        database.execute(&format!(
            "DO $$ BEGIN ASSERT (SELECT bool_and(ssl = {encrypted}) FROM pg_stat_ssl \
             JOIN pg_stat_activity USING (pid) \
             WHERE datname = current_database() AND application_name = 'pglock'), '{mode}'; END $$"
        ));
    }
}

#[test]
fn a_server_that_is_not_the_one_meant_is_refused() {
    let (_server, database, root) = encrypted();
    let another = file(&Certificate::of(HOST));
    for (host, root, part) in [
        (HOST, &another, "invalid peer certificate"),
        ("127.0.0.1", &root, "certificate not valid for name \"127.0.0.1\""),
    ] {
        let url = url(&database, host, "verify-full", Some(root));
        let run = ["run", "a", "--database-url", &url, "--", "echo", "ran"];
        let said = said(&mut on(&database, &run));
        assert_eq!((said.code, said.out.as_str()), (NO_SERVER, ""), "{said:?}");
        assert!(said.err.contains(part), "{said:?}");
    }
}
