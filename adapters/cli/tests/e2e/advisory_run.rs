//! `pglock run --advisory`: the same, under one of the server's own locks.

use nix::sys::signal::Signal;
use pglock_core::{AdvisoryKey, AdvisoryPlace};
use pglock_tests::{Database, Private, Server};

use crate::rig::{Running, eventually, holder, is_dead, on, said};

const BUSY: i32 = 110;
const TIMED_OUT: i32 = 111;
const LOST: i32 = 112;
const REFUSED: i32 = 114;
const USAGE: i32 = 115;
/// A command that does not care for TERM.
const STUBBORN: &str = "trap '' TERM";

fn number(name: &str) -> i64 {
    let AdvisoryPlace::Bigint(number) = AdvisoryKey::from(name).place() else {
        panic!("{name} is a pair")
    };
    number
}

/// Ends the server's side of the session that holds the lock.
fn kill_the_session(database: &Database, name: &str) {
    let number = number(name);
    database.execute(&format!(
        "DO $$ BEGIN ASSERT (SELECT pg_terminate_backend(pid) FROM pg_locks \
         WHERE locktype = 'advisory' AND (classid::int8 << 32 | objid::int8) = ({number}) \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())); END $$"
    ));
}

#[test]
fn the_command_runs_under_the_lock_and_without_a_table() {
    let database = Server::shared().database();
    let script = r#"echo "$PGLOCK_NAME-$PGLOCK_TOKEN-$PGLOCK_OWNER"; exit 7"#;
    let said = said(&mut on(&database, &["run", "a", "--advisory", "--", "sh", "-c", script]));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (7, "a--\n", ""));
    database.execute("DO $$ BEGIN ASSERT to_regclass('locks') IS NULL; END $$");
}

#[test]
fn others_are_busy_time_out_or_wait() {
    let database = Server::shared().database();
    let (mut first, _) = holder(&database, "a", &["--advisory"], ":");
    let busy = said(&mut on(&database, &["run", "a", "--advisory", "--try", "--", "echo", "ran"]));
    assert_eq!((busy.code, busy.out.as_str()), (BUSY, ""), "{busy:?}");
    assert_eq!(busy.err, "pglock: busy: held by somebody else\n");
    let wait = ["run", "a", "--advisory", "--shared", "--wait", "300ms", "--", "echo", "ran"];
    let late = said(&mut on(&database, &wait));
    assert_eq!((late.code, late.out.as_str()), (TIMED_OUT, ""), "{late:?}");
    let run = ["run", "a", "--advisory", "--", "echo", "ran"];
    let mut second = Running::start(&mut on(&database, &run));
    assert_eq!(second.warns("waiting"), "pglock: waiting for a");
    drop(first.child.stdin.take());
    assert_eq!(first.code(), 0);
    second.says("ran");
    assert_eq!(second.code(), 0);
}

/// Does not depend on the environment in which the outer one was started.
#[test]
fn the_outer_locks_token_is_not_the_inner_ones() {
    let database = Server::shared().database();
    let script = r#"echo "${PGLOCK_NAME-none} ${PGLOCK_TOKEN-none} ${PGLOCK_OWNER-none}""#;
    let inner = ["run", "inner", "--advisory", "--", "sh", "-c", script];
    let outer = ["run", "outer", "--owner", "me", "--", env!("CARGO_BIN_EXE_pglock")];
    let said = said(&mut on(&database, &[&outer[..], &inner].concat()));
    assert_eq!((said.code, said.out.as_str()), (0, "inner none none\n"), "{said:?}");
}

#[test]
fn in_line_the_lock_is_handed_over_by_the_server() {
    let database = Server::shared().database();
    let (mut first, _) = holder(&database, "a", &["--advisory"], ":");
    let run = ["run", "a", "--advisory", "--in-line", "--", "echo", "ran"];
    let mut second = Running::start(&mut on(&database, &run));
    eventually("it stands in the queue", || waits(&database, "a"));
    drop(first.child.stdin.take());
    assert_eq!(first.code(), 0);
    second.says("ran");
    assert_eq!(second.code(), 0);
    let (_third, _) = holder(&database, "a", &["--advisory", "--in-line", "--shared"], ":");
    let late = ["run", "a", "--advisory", "--in-line", "--wait", "300ms", "--", "echo", "ran"];
    assert_eq!(said(&mut on(&database, &late)).code, TIMED_OUT);
}

/// Whether somebody waits for the lock in the server's queue.
fn waits(database: &Database, name: &str) -> bool {
    let holders = said(&mut on(database, &["holders", name, "--json"]));
    serde_json::from_str::<serde_json::Value>(&holders.out)
        .expect("JSON")
        .as_array()
        .expect("a list")
        .iter()
        .any(|claim| claim["held"] == false)
}

#[test]
fn readers_are_in_together() {
    let database = Server::shared().database();
    let (_reader, _) = holder(&database, "a", &["--advisory", "--shared"], ":");
    let shared = ["run", "a", "--advisory", "--shared", "--try", "--", "echo", "ran"];
    assert_eq!(said(&mut on(&database, &shared)).out, "ran\n");
    let alone = ["run", "a", "--advisory", "--try", "--quiet", "--", "echo", "ran"];
    assert_eq!(said(&mut on(&database, &alone)).code, BUSY);
}

#[test]
fn the_name_is_mapped_as_told() {
    let database = Server::shared().database();
    let run = ["--advisory", "--mapping", "sqlx"];
    let (_holder, _) = holder(&database, "a", &run, ":");
    let held =
        |mapping| said(&mut on(&database, &["holders", "a", "--mapping", mapping])).code == 0;
    assert!(held("sqlx") && !held("fnv1a"));
}

#[test]
fn the_families_are_apart() {
    let database = Server::shared().database();
    let (_lease, _) = holder(&database, "a", &[], ":");
    let run = ["run", "a", "--advisory", "--try", "--", "echo", "ran"];
    assert_eq!(said(&mut on(&database, &run)).out, "ran\n");
}

#[test]
fn signals_reach_the_command() {
    let database = Server::shared().database();
    let (mut running, _) =
        holder(&database, "a", &["--advisory"], "trap 'echo heard; exit 3' TERM");
    eventually("the program ends", || {
        running.signal(Signal::SIGTERM);
        running.has_ended()
    });
    running.says("heard");
    assert_eq!(running.code(), 3);
}

#[test]
fn the_end_of_the_session_ends_the_command() {
    let database = Server::shared().database();
    let (mut first, command) = holder(&database, "a", &["--advisory"], STUBBORN);
    kill_the_session(&database, "a");
    assert_eq!(first.code(), LOST);
    assert!(is_dead(command));
    first.warns("its session has ended");
}

#[test]
fn the_command_of_a_killed_holder_ends_at_once() {
    let database = Server::shared().database();
    let (first, command) = holder(&database, "a", &["--advisory"], STUBBORN);
    first.signal(Signal::SIGKILL);
    eventually("the command has ended", || is_dead(command));
    let mut next =
        Running::start(&mut on(&database, &["run", "a", "--advisory", "--", "echo", "ran"]));
    next.says("ran");
    assert_eq!(next.code(), 0);
}

#[test]
fn a_stopped_holder_keeps_the_lock_and_loses_its_command() {
    let database = Server::shared().database();
    let (mut first, command) = holder(&database, "a", &["--advisory"], STUBBORN);
    first.signal(Signal::SIGSTOP);
    eventually("the command has ended", || is_dead(command));
    first.signal(Signal::SIGCONT);
    assert_eq!(first.code(), LOST);
    assert_eq!(
        said(&mut on(&database, &["run", "a", "--advisory", "--try", "--", "true"])).code,
        0
    );
}

#[test]
fn a_standby_is_refused() {
    let primary = Private::new();
    let database = primary.database();
    let standby = primary.standby();
    standby.follow(&primary);
    let replica = standby.replica_of(&database);
    let refused = said(&mut on(&replica, &["run", "a", "--advisory", "--", "echo", "ran"]));
    assert_eq!((refused.code, refused.out.as_str()), (REFUSED, ""), "{refused:?}");
    assert!(refused.err.contains("connect to the primary"), "{refused:?}");
}

#[test]
fn options_of_leases_are_refused() {
    for option in [
        &["--lease", "20s"][..],
        &["--owner", "me"],
        &["--data", "one"],
        &["--keep-data"],
        &["--probe"],
        &["--grace", "10s"],
    ] {
        let arguments = [&["run", "a", "--advisory"], option, &["--", "true"]].concat();
        let said = said(&mut crate::rig::pglock(&arguments));
        assert_eq!((said.code, said.out.as_str()), (USAGE, ""), "{option:?}: {said:?}");
        assert!(said.err.contains(option[0]), "{option:?}: {said:?}");
    }
}
