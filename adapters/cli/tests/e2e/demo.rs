//! `pglock demo`.

use pglock_tests::{Private, Server};

use crate::rig::{on, pglock, said};

const NO_SERVER: i32 = 113;

/// Whether in time is up to the machine: the demo makes no allowance for a busy one. `loss.rs` measures that.
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

#[test]
fn without_a_server_the_demo_starts_one() {
    let programs = Private::new().programs().to_owned();
    let played = said(pglock(&["demo"]).env("PGLOCK_PG_BIN", programs));
    assert_eq!(played.code, 0, "{played:?}");
    assert!(played.err.contains("starting a private server"), "{played:?}");
    assert_played(&played.out);
}

#[test]
fn where_nothing_can_be_started_the_demo_says_how_to_get_a_server() {
    let nothing = tempfile::tempdir().expect("an empty folder");
    let mut command = pglock(&["demo"]);
    command.env("PGLOCK_PG_BIN", nothing.path()).env("PATH", nothing.path());
    let refused = said(&mut command);
    assert_eq!((refused.code, refused.out.as_str()), (NO_SERVER, ""), "{refused:?}");
    for part in ["no private server", "no server in a container", "apt install postgresql"] {
        assert!(refused.err.contains(part), "{part:?} is missing in: {refused:?}");
    }
}
