//! The command: started in its guard's process group, watched until it ends, told what signals come.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tokio::signal::unix::{self, SignalKind};

use super::reach;
use crate::exit::{Failure, SIGNAL};

/// The command that runs under the lock.
pub(super) struct Child {
    id: Pid,
    group: Pid,
    changes: unix::Signal,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Ended(u8),
    Stopped(Signal),
}

impl Change {
    #[expect(clippy::wildcard_enum_match_arm, reason = "each system has others")]
    fn of(status: WaitStatus) -> Option<Self> {
        match status {
            WaitStatus::Exited(_, code) => Some(Self::Ended(u8::try_from(code).unwrap_or(u8::MAX))),
            WaitStatus::Signaled(_, signal, _) => {
                Some(Self::Ended(SIGNAL.saturating_add(u8::try_from(signal as i32).unwrap_or(0))))
            }
            WaitStatus::Stopped(_, signal) => Some(Self::Stopped(signal)),
            _ => None,
        }
    }
}

impl Child {
    /// Variables without a value are taken from its environment.
    pub(super) fn start(
        words: &[OsString],
        environment: &[(&str, Option<String>)],
        group: Pid,
    ) -> Result<Self, Failure> {
        let nothing = || Failure::Usage("there is no command to run".into());
        let changes = unix::signal(SignalKind::child())?;
        let (program, arguments) = words.split_first().ok_or_else(nothing)?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(group.as_raw());
        for (name, value) in environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let started = command.spawn();
        let program = program.to_string_lossy().into_owned();
        let child = started.map_err(|error| Failure::Command(error, program))?;
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        Ok(Self { id, group, changes })
    }

    /// Waits until it ends or stops.
    pub(super) async fn change(&mut self) -> Result<Change, Failure> {
        let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED;
        loop {
            match Change::of(waitpid(self.id, Some(flags))?) {
                Some(change) => return Ok(change),
                None => drop(self.changes.recv().await),
            }
        }
    }

    pub(super) const fn id(&self) -> Pid {
        self.id
    }

    /// To the whole group, and to the command wherever it is. Not once [`Child::change`] has said that it has
    /// ended: its id may be another's then.
    pub(super) fn signal(&self, signal: Signal) {
        reach::send(signal, self.group, Some(self.id));
    }
}
