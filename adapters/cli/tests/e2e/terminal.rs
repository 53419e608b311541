//! On a terminal: the command can read it, and a waiter and a search count on in one line.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::pty::openpty;
use pglock_tests::Server;

use crate::rig::{Running, holder, on, pglock};

/// The program in a session of its own, with a terminal.
struct Session {
    keys: File,
    screen: Receiver<Vec<u8>>,
    shown: String,
    running: Running,
}

impl Session {
    fn start(program: &Command) -> Self {
        let terminal = openpty(None, None).expect("a terminal");
        let end = || Stdio::from(terminal.slave.try_clone().expect("its other end"));
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("setsid");
        let keys = File::from(terminal.master);
        let mut reader = keys.try_clone().expect("a terminal");
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(n) = reader.read(&mut bytes) {
                let _ = sender.send(bytes[..n].to_vec());
            }
        });
        Self { keys, screen, shown: String::new(), running: Running::of(child) }
    }

    /// Waits until this is on the screen. Answers all before it, and forgets it.
    fn shows(&mut self, part: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.shown.contains(part) {
            let rest = deadline.saturating_duration_since(Instant::now());
            let bytes = self.screen.recv_timeout(rest);
            let bytes = bytes.unwrap_or_else(|_| panic!("never {part:?}, but {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        let begin = self.shown.find(part).expect("just seen");
        let after = self.shown.split_off(begin + part.len());
        let before = std::mem::replace(&mut self.shown, after);
        before[..begin].into()
    }

    /// The seconds that a waiter has counted when it next says so.
    fn watched_for(&mut self) -> u64 {
        self.shows("\r\x1b[2Kpglock: waiting for a: held by ann (token 1), watched for ");
        self.shows("s").parse().expect("less than a minute")
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("a terminal");
    }
}

#[test]
fn the_command_reads_the_terminal_and_hears_its_keys() {
    let database = Server::shared().database();
    let script =
        "read -r line; echo got $line; trap 'exit 4' INT; echo deaf; while :; do sleep 0.1; done";
    let mut session = Session::start(&on(&database, &["run", "a", "--", "sh", "-c", script]));
    session.types("words\n");
    session.shows("got words");
    session.shows("deaf");
    session.types("\x03");
    assert_eq!(session.running.code(), 4);
}

#[test]
fn a_command_whose_output_goes_elsewhere_gets_the_terminal_when_it_asks() {
    let database = Server::shared().database();
    let inner = r#""$0" run a -- sh -c 'read -r line; echo got $line' | sed 's/got/passed on/'"#;
    let script = ["run", "b", "--", "bash", "-c", inner, env!("CARGO_BIN_EXE_pglock")];
    let mut session = Session::start(&on(&database, &script));
    session.types("words\n");
    session.shows("passed on words");
    assert_eq!(session.running.code(), 0);
}

#[test]
fn a_waiter_says_for_whom_and_counts_on() {
    let database = Server::shared().database();
    let (mut first, _) = holder(&database, "a", &["--owner", "ann"], ":");
    let mut second = Session::start(&on(&database, &["run", "a", "--", "echo", "ran"]));
    let begin = second.watched_for();
    while second.watched_for() <= begin {}
    drop(first.child.stdin.take());
    second.shows("\r\x1b[2Kran");
    assert_eq!(second.running.code(), 0);
}

#[test]
fn a_search_says_how_far_it_is_and_leaves_its_result() {
    let mut session = Session::start(&pglock(&["simulate", "--histories", "40"]));
    session.shows("\r\x1b[2Kpglock: ················  0 of 40 histories, ");
    session.shows("\r\x1b[2K40 histories, ");
    session.shows("no rule broken");
    assert_eq!(session.running.code(), 0);
}
