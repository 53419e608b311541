//! Words for people, on standard error: best effort. Standard output is for answers and for the command that
//! runs.

mod pen;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;

pub(crate) use self::pen::Saying;

/// How long words are waited for: for order among them and with what the command writes, and so that the last
/// ones are out before the program ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// A line with the program's name before it.
pub(crate) fn line(words: &str) {
    begin(words).wait(PATIENCE);
}

/// A line that is not waited for.
pub(crate) fn begin(words: &str) -> Saying {
    Saying::begin(format!("pglock: {words}\n"))
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
        put(format!("\r\x1b[2K{line}"));
        self.shown = true;
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        if self.shown {
            put("\r\x1b[2K".into());
        }
    }
}

fn put(text: String) {
    Saying::begin(text).wait(PATIENCE);
}

/// An answer as JSON.
pub(crate) fn json(value: &impl Serialize) -> std::io::Result<()> {
    answer(&serde_json::to_string_pretty(value)?)
}

/// An answer, on standard output. A reader that has gone away, such as `head`, is no failure.
pub(crate) fn answer(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
