//! Starts the program, listens to it, waits for what it says; a deadline is only for what never comes.

use std::fs;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pglock_tests::Database;

const PATIENCE: Duration = Duration::from_secs(60);

/// The program, with no server in its environment.
pub(crate) fn pglock(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pglock"));
    let ours = |name: &str| name.starts_with("PG") || name == "DATABASE_URL";
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// The program on this database.
pub(crate) fn on(database: &Database, arguments: &[&str]) -> Command {
    let mut command = pglock(arguments);
    command.env("PGLOCK_DATABASE_URL", database.url());
    command
}

/// What a program said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs it to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().expect("the program");
    Said {
        code: output.status.code().expect("an exit code"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A program that runs; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let err = child.as_mut().expect("the program").stderr.take().expect("its errors");
        Self::heard(child.expect("the program"), err)
    }

    /// One that nobody listens to on its standard error.
    pub(crate) fn start_unheard(command: &mut Command, err: PipeWriter) -> Self {
        let child = command.stderr(err).stdout(Stdio::piped()).spawn().expect("the program");
        Self::heard(child, std::io::empty())
    }

    fn heard(mut child: Child, err: impl Read + Send + 'static) -> Self {
        let out = lines(child.stdout.take().expect("its output"));
        Self { child, out, err: lines(err) }
    }

    /// One whose output goes elsewhere.
    pub(crate) fn of(child: Child) -> Self {
        Self { child, out: lines(std::io::empty()), err: lines(std::io::empty()) }
    }

    /// The next line on its standard output that contains `part`.
    pub(crate) fn says(&self, part: &str) -> String {
        next(&self.out, part)
    }

    /// The next line on its standard error that contains `part`.
    pub(crate) fn warns(&self, part: &str) -> String {
        next(&self.err, part)
    }

    /// Waits until it says that it holds the lock; the command's process id.
    pub(crate) fn held(&self) -> i32 {
        self.says("held").trim_start_matches("held ").parse().expect("a process id")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("a running program");
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_some()
    }

    /// Waits for its end.
    pub(crate) fn code(&mut self) -> i32 {
        eventually("the program ends", || self.has_ended());
        self.child.wait().expect("its status").code().expect("an exit code")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that holds the lock `name` until its input ends or it is stopped, and the command's process id.
pub(crate) fn holder(
    database: &Database,
    name: &str,
    options: &[&str],
    script: &str,
) -> (Running, i32) {
    let running = Running::start(&mut holding(database, name, options, script));
    let id = running.held();
    (running, id)
}

/// What [`holder`] starts.
pub(crate) fn holding(database: &Database, name: &str, options: &[&str], script: &str) -> Command {
    let script = format!("{script}; echo held $$; cat; exit 0");
    let arguments = [&["run", name][..], options, &["--", "sh", "-c", &script]].concat();
    let mut command = on(database, &arguments);
    command.stdin(Stdio::piped());
    command
}

/// What the row of a lock shows: its record version number.
pub(crate) fn number(database: &Database, name: &str) -> String {
    let shown = said(&mut on(database, &["show", name, "--json"]));
    let row: serde_json::Value = serde_json::from_str(&shown.out).expect("JSON");
    row["record_version_number"].as_str().expect("a number").into()
}

/// Gone, or a zombie that nobody has waited for yet.
pub(crate) fn is_dead(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim().starts_with('Z'))
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A pipe that takes no more, as long as its reader does not read.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let set = |flags| fcntl(&writer, FcntlArg::F_SETFL(flags)).expect("a flag of the pipe");
    set(OFlag::O_NONBLOCK);
    while (&writer).write(b"x").is_ok() {}
    set(OFlag::empty());
    (reader, writer)
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

fn next(lines: &Receiver<String>, part: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(part) => return line,
            Ok(line) => seen.push(line),
            Err(_) => panic!("{part:?} was never said, but {seen:?}"),
        }
    }
}
