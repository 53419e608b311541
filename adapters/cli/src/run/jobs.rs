//! Job control: the command's group gets the terminal, and a shell that waits for us sees us stop when
//! the command stops.

use std::io::IsTerminal;

use nix::sys::signal::{Signal, raise};
use nix::unistd::{Pid, getpgrp};

use super::child::Child;
use super::terminal::{Terminal, has_a_shell};
use crate::say;

/// The command's group and the terminal, if there is one.
pub(super) struct Jobs {
    terminal: Option<Terminal>,
    group: Pid,
    /// Whether the command is to have the terminal when we are in its foreground.
    wanted: bool,
}

impl Jobs {
    /// A command that both reads and writes the terminal gets it from the start, others when they ask for
    /// it, so as not to take it from the rest of a pipeline.
    pub(super) fn start(group: Pid) -> Self {
        let wanted = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let jobs = Self { terminal: Terminal::find(), group, wanted };
        jobs.give();
        jobs
    }

    pub(super) fn pass_on(&self, signal: Signal, child: &Child) {
        if signal == Signal::SIGCONT {
            self.give();
        }
        child.signal(signal);
    }

    /// The command has stopped by this signal. Without a terminal that is between it and whoever sent it.
    pub(super) fn stopped(&mut self, signal: Signal, child: &Child) {
        let asks = matches!(signal, Signal::SIGTTIN | Signal::SIGTTOU);
        if self.terminal.is_none() || !(asks || signal == Signal::SIGTSTP) {
            return;
        }
        if asks && self.hand(getpgrp(), self.group) {
            self.wanted = true;
        } else {
            self.hand(self.group, getpgrp());
            stop_oneself();
            self.give();
        }
        child.signal(Signal::SIGCONT);
    }

    /// The command has ended: the terminal is ours again.
    pub(super) fn end(&self) {
        self.hand(self.group, getpgrp());
    }

    fn give(&self) {
        if self.wanted {
            self.hand(getpgrp(), self.group);
        }
    }

    fn hand(&self, from: Pid, to: Pid) -> bool {
        self.terminal.as_ref().is_some_and(|terminal| terminal.hand(from, to))
    }
}

/// Until somebody continues us; not if there is nobody who would. Heartbeats stop, too.
pub(super) fn stop_oneself() {
    if has_a_shell() {
        say::line("stopped; the lock will be lost unless continued soon");
        let _refused = raise(Signal::SIGSTOP).is_err();
    }
}
