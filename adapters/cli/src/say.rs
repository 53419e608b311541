//! Words for people, on standard error. Standard output is for answers and for the command that runs.

use std::io::{IsTerminal, Write};

/// A line with the program's name before it.
pub(crate) fn line(words: &str) {
    put(&format!("pglock: {words}\n"));
}

/// Whether somebody may be watching.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A line on a terminal that is written again and again in the same place, and goes when this is dropped.
#[derive(Default)]
pub(crate) struct Status {
    shown: bool,
}

impl Status {
    /// As far as it fits.
    pub(crate) fn show(&mut self, words: &str) {
        let width = terminal_size::terminal_size_of(std::io::stderr())
            .map_or(80, |(width, _)| usize::from(width.0).max(2));
        let line: String = format!("pglock: {words}").chars().take(width - 1).collect();
        put(&format!("\r\x1b[2K{line}"));
        self.shown = true;
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        if self.shown {
            put("\r\x1b[2K");
        }
    }
}

/// In one write, so that lines of several processes do not mix. Nobody may be there to read.
fn put(text: &str) {
    let _unheard = std::io::stderr().write_all(text.as_bytes()).is_err();
}

/// An answer, on standard output. A reader that has gone away, such as `head`, is no failure.
pub(crate) fn answer(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
