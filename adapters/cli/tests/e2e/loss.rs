//! Holders that die, stop or lose the server: the command is gone before anybody else has the lock.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};
use pglock_tests::{Database, Private, Server};
use pglock_tokio::Config;

use crate::rig::{Running, eventually, full_pipe, holder, holding, is_dead, number, on, said};

const LOST: i32 = 112;
const SYSTEM: i32 = 116;
/// A command that does not care for TERM.
const STUBBORN: &str = "trap '' TERM";

const LEASE: Duration = Duration::from_secs(6);
/// What a busy machine may add; whoever waits for two leases is still found out.
const ALLOWANCE: Duration = Duration::from_secs(4);

/// The end of a holder of the lock "a" by SIGKILL, soon after a heartbeat.
struct Death {
    /// Before that heartbeat.
    alive: Instant,
    killed: Instant,
}

impl Death {
    fn of(holder: &Running, database: &Database) -> Self {
        let alive = before_a_heartbeat(database);
        let killed = Instant::now();
        holder.signal(Signal::SIGKILL);
        Self { alive, killed }
    }

    /// Another has the lock now: not before the dead holder's lease has passed, and as soon as promised.
    fn is_followed_in_time(&self) {
        let (whole, dead) = (self.alive.elapsed(), self.killed.elapsed());
        assert!(whole >= LEASE, "taken over {whole:?} after a sign of life");
        let bound = bound();
        assert!(dead <= bound + ALLOWANCE, "taken over in {dead:?}, but the bound is {bound:?}");
    }
}

/// A moment at which the next heartbeat had not come about; now it has.
fn before_a_heartbeat(database: &Database) -> Instant {
    let mut before = Instant::now();
    let last = number(database, "a");
    eventually("a heartbeat", || {
        let look = Instant::now();
        let beaten = number(database, "a") != last;
        if !beaten {
            before = look;
        }
        beaten
    });
    before
}

/// A poll and a lease on a clock that runs slow. Round trips are left to the allowance.
fn bound() -> Duration {
    let Config { poll, drift, .. } = Config::default();
    let slow =
        |span: Duration| (span + drift.granularity()).div_f64(1.0 - f64::from(drift.ppm()) / 1e6);
    slow(poll) + slow(LEASE)
}

#[test]
fn a_waiter_has_a_killed_holders_lock_in_the_time_promised() {
    let database = Server::shared().database();
    let (first, command) = holder(&database, "a", &["--lease", "6s"], ":");
    let mut second = Running::start(&mut on(&database, &["run", "a", "--", "echo", "ran"]));
    second.warns("waiting");
    let death = Death::of(&first, &database);
    second.says("ran");
    death.is_followed_in_time();
    assert!(is_dead(command));
    assert_eq!(second.code(), 0);
}

/// It was not there while the holder lived, so it has nothing but what it sees from now on.
#[test]
fn a_probe_has_a_killed_holders_lock_in_the_time_promised() {
    let database = Server::shared().database();
    let (first, command) = holder(&database, "a", &["--lease", "6s"], ":");
    let death = Death::of(&first, &database);
    let probe = ["run", "a", "--probe", "--", "echo", "ran"];
    let mut second = Running::start(&mut on(&database, &probe));
    second.says("ran");
    death.is_followed_in_time();
    assert!(is_dead(command));
    assert_eq!(second.code(), 0);
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
    let command = first.held();
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
    kill(guard(command), Signal::SIGKILL).expect("a guard");
    assert_eq!(first.code(), SYSTEM);
    assert!(is_dead(command));
    assert_eq!(said(&mut on(&database, &["run", "a", "--try", "--", "true"])).code, 0);
}

#[test]
fn words_that_nobody_reads_hold_up_no_signal() {
    let database = Server::shared().database();
    let (_unread, full) = full_pipe();
    let mut first = holding(&database, "a", &["--lease", "2s"], STUBBORN);
    let mut first = Running::start_unheard(&mut first, full);
    let command = first.held();
    first.signal(Signal::SIGSTOP);
    let second = Running::start(&mut on(&database, &["run", "a", "--", "echo", "ran"]));
    second.says("ran");
    assert!(is_dead(command), "two commands ran at once");
    first.signal(Signal::SIGCONT);
    assert_eq!(first.code(), LOST);
}

/// The guard of a command leads its group.
fn guard(command: i32) -> Pid {
    getpgid(Some(Pid::from_raw(command))).expect("its group")
}

#[test]
fn a_lost_lock_ends_a_command_whose_group_is_stopped() {
    let database = Server::shared().database();
    let (mut first, command) = holder(&database, "a", &["--lease", "2s"], STUBBORN);
    killpg(guard(command), Signal::SIGSTOP).expect("a group");
    assert_eq!(said(&mut on(&database, &["release", "a", "--token", "1"])).code, 0);
    assert_eq!(first.code(), LOST);
    assert!(is_dead(command));
}

#[test]
fn the_end_of_a_command_whose_group_is_stopped_is_noticed() {
    let database = Server::shared().database();
    let (mut first, command) = holder(&database, "a", &[], "echo held $$; exec cat");
    killpg(guard(command), Signal::SIGSTOP).expect("a group");
    kill(Pid::from_raw(command), Signal::SIGKILL).expect("a command");
    assert_eq!(first.code(), 128 + 9);
    assert_eq!(said(&mut on(&database, &["run", "a", "--try", "--", "true"])).code, 0);
}

/// Commands that leave the group for one of their own, with the script's own words.
fn leavers(script: &str) -> [String; 2] {
    ["timeout 1h", "setsid -w"]
        .map(|leaver| format!("exec {leaver} sh -c \"{script}; echo held \\$\\$; cat; exit 0\""))
}

#[test]
fn a_lost_lock_ends_a_command_that_has_left_the_group() {
    for leaver in leavers(STUBBORN) {
        let database = Server::shared().database();
        let (mut first, command) = holder(&database, "a", &["--lease", "2s"], &leaver);
        assert_eq!(said(&mut on(&database, &["release", "a", "--token", "1"])).code, 0);
        assert_eq!(first.code(), LOST, "{leaver}");
        assert!(is_dead(command), "{leaver}");
    }
}

#[test]
fn the_guard_ends_a_command_that_has_left_the_group() {
    for leaver in leavers(STUBBORN) {
        let database = Server::shared().database();
        let (first, command) = holder(&database, "a", &["--lease", "2s"], &leaver);
        // The command may speak before the guard is told of it; heartbeats come after that.
        before_a_heartbeat(&database);
        first.signal(Signal::SIGSTOP);
        let second = Running::start(&mut on(&database, &["run", "a", "--", "echo", "ran"]));
        second.says("ran");
        assert!(is_dead(command), "{leaver}: two commands ran at once");
    }
}

#[test]
fn signals_reach_a_command_that_has_left_the_group() {
    for leaver in leavers("trap 'echo heard; exit 3' TERM") {
        let database = Server::shared().database();
        let (mut running, _) = holder(&database, "a", &[], &leaver);
        eventually("the program ends", || {
            running.signal(Signal::SIGTERM);
            running.has_ended()
        });
        running.says("heard");
    }
}
