//! Tears down what a test process started, however the process ends. Knows no server.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::programs::Account;

/// A shell that waits until this value is dropped, or the whole process is gone, and then cleans up.
///
/// It learns of either by the end of a pipe, so that it also outlives SIGKILL; being in a process group of
/// its own it outlives Ctrl-C.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Will run the shell script `cleanup` with `arguments`.
    pub(crate) fn new(cleanup: &str, arguments: &[&OsStr], account: Option<Account>) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("read -r _; {cleanup}")).arg("watchdog").args(arguments);
        if let Some(account) = account {
            account.run_as(&mut shell);
        }
        let shell = shell
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        Self { shell }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
