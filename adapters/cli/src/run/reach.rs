//! Where signals have to go: to the guard's group and, if the command has left that, to the command itself and
//! the group that it leads now, as `timeout` and `setsid` do. What else has left is out of reach.
//!
//! A process id is used again once its process has been waited for. The holder waits for the command, so it may
//! send signals until then. The guard cannot know whether somebody has waited, so it compares when the process
//! was started, where the system tells (Linux); elsewhere it leaves alone what has left its group. It does so, too,
//! if the holder is killed or stopped in the moment between the command's start and word of it.

use std::fs;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};

/// To all of it. Parts of it, or all, may have ended already.
pub(super) fn send(signal: Signal, group: Pid, command: Option<Pid>) {
    if let Some(command) = command {
        follow(signal, group, command);
    }
    // Comes last: if it is the guard that sends KILL, the guard ends here.
    let _ended = killpg(group, signal).is_err();
}

/// To a command that has left the group. A group that it does not lead is none of ours.
fn follow(signal: Signal, group: Pid, command: Pid) {
    let _ended = match getpgid(Some(command)) {
        Ok(found) if found == group => Ok(()),
        Ok(found) if found == command => killpg(command, signal),
        Ok(_) | Err(_) => kill(command, signal),
    };
}

/// A process that is not mistaken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    id: Pid,
    started: u64,
}

impl Known {
    /// Of a process that nobody has waited for. Nothing where the system does not tell.
    pub(super) fn of(id: Pid) -> Option<Self> {
        started(id).map(|started| Self { id, started })
    }

    /// Its id, while it is still its own.
    pub(super) fn alive(self) -> Option<Pid> {
        (Self::of(self.id) == Some(self)).then_some(self.id)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, started) = text.split_once(' ')?;
        Some(Self { id: Pid::from_raw(id.parse().ok()?), started: started.parse().ok()? })
    }

    pub(super) fn text(self) -> String {
        format!("{} {}", self.id, self.started)
    }
}

/// In the system's ticks since it was booted: field 22, and the name before may contain anything.
fn started(id: Pid) -> Option<u64> {
    let status = fs::read(format!("/proc/{id}/stat")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let (_, after_name) = status.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_known_until_it_has_been_waited_for() {
        let mut child = Command::new("true").spawn().unwrap();
        let known = Known::of(Pid::from_raw(child.id().try_into().unwrap())).unwrap();
        assert_eq!(Known::parse(&known.text()), Some(known));
        assert_eq!(known.alive(), Some(known.id));
        child.wait().unwrap();
        assert_eq!(known.alive(), None);
    }

    #[test]
    fn a_later_process_with_the_same_id_is_another() {
        let known = Known::of(nix::unistd::getpid()).unwrap();
        let earlier = Known { started: known.started - 1, ..known };
        assert_eq!(earlier.alive(), None);
    }
}
