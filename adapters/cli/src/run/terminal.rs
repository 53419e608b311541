//! Whose the terminal is: only the process group in its foreground may read it and hears its keys.

use std::fs::File;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{Pid, getpgrp, getsid, tcgetpgrp, tcsetpgrp};

/// The terminal that controls this process.
pub(super) struct Terminal {
    file: File,
}

impl Terminal {
    pub(super) fn find() -> Option<Self> {
        File::open("/dev/tty").ok().map(|file| Self { file })
    }

    /// Hands it from one process group to another; does nothing if it is a third one's. Says whether it
    /// is now the other's.
    pub(super) fn hand(&self, from: Pid, to: Pid) -> bool {
        tcgetpgrp(&self.file).is_ok_and(|owner| owner == from) && self.give(to).is_ok()
    }

    /// The system would stop whoever does this from the background.
    fn give(&self, group: Pid) -> nix::Result<()> {
        let background = SigSet::from(Signal::SIGTTOU);
        let before = background.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let given = tcsetpgrp(&self.file, group);
        before.thread_set_mask()?;
        given
    }
}

/// Whether a shell would continue this process if it stopped: not in the session leader's own group.
pub(super) fn has_a_shell() -> bool {
    getsid(None).is_ok_and(|session| session != getpgrp())
}
