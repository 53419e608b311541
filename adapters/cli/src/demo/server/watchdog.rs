//! Tears down what was started, however this process ends.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::programs::Account;

/// A shell that waits until this value is dropped, or the whole process is gone, and then cleans up. It
/// learns of either by the end of a pipe, so it also outlives SIGKILL; in a process group of its own
/// it outlives Ctrl-C.
pub(super) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Will run the shell script `cleanup` with `arguments`.
    pub(super) fn new(
        cleanup: &str,
        arguments: &[&OsStr],
        account: Account,
    ) -> std::io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("read -r _; {cleanup}")).arg("watchdog").args(arguments);
        let shell = account
            .run(&mut shell)
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _gone_already = self.shell.wait().is_err();
    }
}
