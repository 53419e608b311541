//! `pglock demo`.

use std::path::Path;

use pglock_tests::Server;

use crate::rig::{on, pglock, said};

const NO_SERVER: i32 = 113;

fn assert_played(out: &str) {
    for part in
        ["is killed with SIGKILL", "handed over in", "taken over in", "grants: 1 < 2 < 3 < 4"]
    {
        assert!(out.contains(part), "{part:?} is missing in: {out}");
    }
}

#[test]
fn the_demo_plays_on_the_given_server_and_leaves_nothing() {
    let database = Server::shared().database();
    let played = said(&mut on(&database, &["demo"]));
    assert_eq!(played.code, 0, "{played:?}");
    assert_played(&played.out);
    assert!(!played.out.contains('\x1b'), "colours where there is no terminal");
    database.execute(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_class WHERE relname LIKE 'pglock_demo%') \
         THEN RAISE 'something is left'; END IF; END $$",
    );
}

/// On a machine with programs or a Docker engine; elsewhere it says how to get them.
#[test]
fn without_a_server_the_demo_starts_one_or_says_how_to_get_one() {
    let mut command = pglock(&["demo"]);
    let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/postgresql/bin");
    if let Some(named) = std::env::var_os("PGLOCK_TEST_PROGRAMS") {
        command.env("PGLOCK_PG_BIN", named);
    } else if Path::new(installed).exists() {
        command.env("PGLOCK_PG_BIN", installed);
    }
    let played = said(&mut command);
    if played.code == NO_SERVER {
        assert!(played.err.contains("apt install postgresql"), "{played:?}");
    } else {
        assert_eq!(played.code, 0, "{played:?}");
        assert_played(&played.out);
    }
}
