//! Signals as a stream, and which of them are meant for the command.

use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Passed on to the command's process group.
pub(super) const PASSED_ON: [Signal; 8] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];

/// End the wait for a lock.
pub(super) const ENDING: [Signal; 4] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// Would end or stop whoever does not listen to them.
pub(super) const DEADLY: [Signal; 10] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGALRM,
];

/// From now on these signals come through the stream and do nothing else. Those that were ignored from the
/// beginning stay so: `nohup` means it.
pub(super) fn catch(signals: &[Signal]) -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let (sender, caught) = mpsc::unbounded_channel();
    let ignored = ignored();
    for &kind in signals.iter().filter(|&&kind| ignored & bit(kind) == 0) {
        let sender = sender.clone();
        let mut stream = signal(SignalKind::from_raw(kind as i32))?;
        tokio::spawn(
            async move { while stream.recv().await.is_some() && sender.send(kind).is_ok() {} },
        );
    }
    Ok(caught)
}

/// As bits, where the system tells.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

const fn bit(signal: Signal) -> u64 {
    1 << (signal as u32 - 1)
}
