//! Holders that die, stop or lose the server: the command is gone before anybody else has the lock.

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid};
use pglock_tests::{Private, Server};

use crate::rig::{Running, eventually, holder, is_dead, on, said};

const LOST: i32 = 112;
const SYSTEM: i32 = 116;
/// A command that does not care for TERM.
const STUBBORN: &str = "trap '' TERM";

#[test]
fn a_killed_holder_takes_its_command_along_and_a_probe_takes_over() {
    let database = Server::shared().database();
    let (first, command) = holder(&database, "a", &["--lease", "2s"], ":");
    first.signal(Signal::SIGKILL);
    let probe = ["run", "a", "--probe", "--lease", "2s", "--", "echo", "ran"];
    let said = said(&mut on(&database, &probe));
    assert_eq!((said.code, said.out.as_str()), (0, "ran\n"), "{said:?}");
    assert!(is_dead(command));
}

#[test]
fn a_stopped_holder_loses_its_command_before_another_has_the_lock() {
    let database = Server::shared().database();
    let (mut first, command) = holder(&database, "a", &["--lease", "2s"], STUBBORN);
    first.signal(Signal::SIGSTOP);
    let second = Running::start(&mut on(&database, &["run", "a", "--", "echo", "ran"]));
    second.says("ran");
    assert!(is_dead(command), "two commands ran at once");
    first.signal(Signal::SIGCONT);
    assert_eq!(first.code(), LOST);
}

#[test]
fn without_the_server_the_command_is_stopped_in_time() {
    let server = Private::new();
    let database = server.database();
    let script = "trap 'echo stopping; exit' TERM; sleep 1000 & echo held $$; wait";
    let run = ["run", "a", "--lease", "6s", "--grace", "3s", "--", "sh", "-c", script];
    let mut first = Running::start(&mut on(&database, &run));
    first.says("held");
    server.stop();
    first.says("stopping");
    assert_eq!(first.code(), LOST);
    first.warns("cannot keep a: TERM to the command");
    first.warns("lost");
}

#[test]
fn what_the_command_started_goes_with_it() {
    let database = Server::shared().database();
    let script = format!("{STUBBORN}; sleep 1000 & echo child $!");
    let arguments = ["run", "a", "--lease", "2s", "--", "sh", "-c"];
    let script = format!("{script}; echo held $$; wait");
    let first = Running::start(&mut on(&database, &[&arguments[..], &[&script]].concat()));
    let child = first.says("child").trim_start_matches("child ").parse().expect("a process id");
    let command = first.says("held").trim_start_matches("held ").parse().expect("a process id");
    first.signal(Signal::SIGKILL);
    eventually("both are gone", || is_dead(child) && is_dead(command));
}

#[test]
fn a_lock_that_an_operator_has_released_is_lost() {
    let database = Server::shared().database();
    let (mut first, command) = holder(&database, "a", &["--lease", "2s"], STUBBORN);
    assert_eq!(said(&mut on(&database, &["release", "a", "--token", "1"])).code, 0);
    assert_eq!(first.code(), LOST);
    assert!(is_dead(command));
}

/// The next heartbeat would have told, but the command ends before it.
#[test]
fn a_loss_that_only_the_release_shows_is_in_the_code() {
    let database = Server::shared().database();
    let script = r#""$0" release a --token "$PGLOCK_TOKEN""#;
    let run = ["run", "a", "--", "sh", "-c", script, env!("CARGO_BIN_EXE_pglock")];
    let lost = said(&mut on(&database, &run));
    assert_eq!(lost.code, LOST, "{lost:?}");
    assert!(lost.err.contains("lost before the command ended"), "{lost:?}");
}

#[test]
fn without_its_guard_the_command_does_not_go_on() {
    let database = Server::shared().database();
    let (mut first, command) = holder(&database, "a", &[], STUBBORN);
    let guard = getpgid(Some(Pid::from_raw(command))).expect("its group");
    kill(guard, Signal::SIGKILL).expect("a guard");
    assert_eq!(first.code(), SYSTEM);
    assert!(is_dead(command));
    assert_eq!(said(&mut on(&database, &["run", "a", "--try", "--", "true"])).code, 0);
}
