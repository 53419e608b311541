//! How a promise was seen to be broken, in words; and what promises are compared with.

use std::any::Any;
use std::error::Error;
use std::fmt::{self, Debug};

/// A promise that a driver did not keep, and how that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken(String);

impl Broken {
    pub(super) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }

    /// From what was panicked with.
    pub(super) fn panicked(whose: &str, panic: &(dyn Any + Send)) -> Self {
        let literal = panic.downcast_ref::<&str>().copied();
        let words = literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Self(format!("{whose} panicked: {}", words.unwrap_or("no words")))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Broken {}

pub(super) fn ensure(holds: bool, else_words: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(else_words())) }
}

/// That both are the same.
pub(super) fn same<T: PartialEq + Debug>(what: &str, wanted: &T, came: &T) -> Result<(), Broken> {
    ensure(wanted == came, || format!("{what}: {} came, not {}", brief(came), brief(wanted)))
}

/// As a debugger shows it, but not without end.
pub(super) fn brief(value: &impl Debug) -> String {
    const LONGEST: usize = 300;
    let words = format!("{value:?}");
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            format!("{}... ({} bytes)", words.get(..end).unwrap_or_default(), words.len())
        }
        None => words,
    }
}
