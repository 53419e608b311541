//! A whole process is stopped, and others go on without it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use pglock_tests::{Database, Private};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::adapter::{Adapter, ms};

over_each_driver! {
    a_stopped_holder_knows_at_once_and_by_itself,
}

/// It is asked while it is stopped, so that the answer is the first thing it has to say when it goes on; and
/// there is no server then that could tell it.
async fn a_stopped_holder_knows_at_once_and_by_itself(adapter: Adapter) {
    let server = Private::new();
    let database = server.database();
    let others = adapter.locks(&database).await;
    let mut holder = Holder::start(adapter, &database);
    let token: i64 = holder.says().await.parse().unwrap();
    holder.is_asked();
    assert_eq!(holder.says().await, "held");
    holder.stop();
    let lock = others.request("a").lease(ms(60_000)).acquire().await.unwrap();
    assert!(lock.token().as_i64() > token);
    holder.is_asked();
    server.stop();
    holder.go_on();
    assert_eq!(holder.says().await, "Lost(Expired)");
}

/// A process that holds the lock "a"; killed when dropped.
struct Holder {
    process: Child,
    input: ChildStdin,
    output: UnboundedReceiver<String>,
}

impl Holder {
    fn start(adapter: Adapter, database: &Database) -> Self {
        let adapter = match adapter {
            Adapter::Async(_) => "tokio",
            Adapter::Postgres => "postgres",
            Adapter::Sqlx => "sqlx",
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_holder"));
        command.args([adapter, database.url(), "4000"]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let (sender, output) = unbounded_channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| sender.send(l)));
        Self { process, input, output }
    }

    async fn says(&mut self) -> String {
        self.output.recv().await.expect("a process that lives")
    }

    fn is_asked(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    fn stop(&self) {
        kill(self.id(), Signal::SIGSTOP).unwrap();
        let stopped = waitpid(self.id(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(matches!(stopped, WaitStatus::Stopped(..)), "{stopped:?}");
    }

    fn go_on(&self) {
        kill(self.id(), Signal::SIGCONT).unwrap();
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.process.id().try_into().unwrap())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
