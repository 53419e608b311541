//! The holder's side of its guard: starts it, keeps it told how long the lock is held.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::watch;
use tokio::time::timeout;

use super::clock;
use super::guard::{READY, STOPPING, Word};
use super::reach::Known;
use super::spans::Spans;
use crate::args::Run;
use crate::exit::Failure;

/// How long a guard may take to end once it is told that the command has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// A guard on duty. If it is dropped without a word, it ends its group.
pub(super) struct Post {
    guard: Child,
    orders: ChildStdin,
    until: u64,
    /// Closed when the guard has ended.
    ended: watch::Receiver<()>,
    /// Listens to the guard until its end; answers whether it has begun to stop the command.
    listener: JoinHandle<bool>,
}

impl Post {
    /// Starts a guard in a process group of its own and waits until it is ready.
    pub(super) fn set(run: &Run, spans: &Spans) -> Result<Self, Failure> {
        let span = |span: Duration| humantime::format_duration(span).to_string();
        let mut guard = Command::new(own_program()?)
            .args(["guard", "--grace", &span(spans.grace), "--margin", &span(spans.margin)])
            .args(run.advisory.then_some("--at-once"))
            .args(["--", &run.name])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let gone = || Failure::System("the guard of the command did not start".into());
        let orders = guard.stdin.take().ok_or_else(gone)?;
        // A guard that does not listen must not hold up its holder.
        fcntl(&orders, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let mut words = BufReader::new(guard.stdout.take().ok_or_else(gone)?).lines();
        if words.next().transpose()?.as_deref() != Some(READY) {
            return Err(gone());
        }
        let (end, ended) = watch::channel(());
        let listener = std::thread::spawn(move || {
            let said = words.map_while(Result::ok).filter(|word| word == STOPPING).count();
            drop(end);
            said > 0
        });
        Ok(Self { guard, orders, until: 0, ended, listener })
    }

    /// The group that the guard leads.
    pub(super) fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.guard.id()).unwrap_or(i32::MAX))
    }

    /// This is the command. It must not have been waited for yet.
    pub(super) fn watch(&mut self, command: Pid) {
        if let Some(known) = Known::of(command) {
            self.tell(Word::Command(known));
        }
    }

    /// The lock is held for `remaining` more.
    pub(super) fn extend(&mut self, remaining: impl FnOnce() -> Duration) {
        let until = clock::end(remaining);
        // Two clocks are read at two moments, so the end seems to move a little.
        if until.abs_diff(self.until) > clock::nanos(Duration::from_millis(1)) {
            self.until = until;
            self.tell(Word::Until(until));
        }
        self.wake();
    }

    /// Waits until the guard has ended.
    pub(super) async fn gone(&mut self) {
        while self.ended.changed().await.is_ok() {}
    }

    /// The command has ended. Answers whether the guard had begun to stop it.
    pub(super) async fn dismiss(mut self) -> bool {
        self.tell(Word::Over);
        self.wake();
        if timeout(FAREWELL, self.gone()).await.is_err() {
            let _ended = self.guard.kill().is_err();
        }
        let _ended = self.guard.wait().is_ok();
        self.listener.join().unwrap_or(false)
    }

    fn tell(&mut self, word: Word) {
        let _ended = self.orders.write_all(word.line().as_bytes()).is_err();
    }

    /// Whoever stops the command's group does not mean its guard.
    fn wake(&self) {
        let _ended = kill(self.group(), Signal::SIGCONT).is_err();
    }
}

/// This very program, also if its file has been replaced since.
pub(crate) fn own_program() -> std::io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Ok(running) } else { std::env::current_exe() }
}
