//! What any bytes must never do to pglock. Each target is a function of bytes that panics, with words, when a
//! promise is broken; libFuzzer, a replay of the corpora and whoever has found something run the same one.
//!
//! On stable Rust each target is a program that runs the files it is given:
//! `cargo run -p pglock-fuzz --bin history -- FILE...`
#![allow(clippy::panic, reason = "that is how a target tells a fuzzer")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod identifiers;
pub mod lexer;

pub use identifiers::identifiers;

/// Makes a function of bytes a fuzz target under `cargo fuzz`, and else a program that runs it on files.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! target {
    ($target:path) => {
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| $target(bytes));
    };
}

/// Makes a function of bytes a fuzz target under `cargo fuzz`, and else a program that runs it on files.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! target {
    ($target:path) => {
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                $target(&std::fs::read(file)?);
            }
            Ok(())
        }
    };
}

/// Bytes beyond these make it longer, not stranger.
const MOST: usize = 4_096;

/// A history of the simulated world: no rule may be broken in it.
///
/// # Panics
/// When one is, with all that led to it.
pub fn history(bytes: &[u8]) {
    if let Err(violation) = pglock_testkit::simulate_bytes(first(bytes)) {
        panic!("{violation}");
    }
}

/// Whatever a driver may bring to a client: it keeps its promises, which
/// [`drive_bytes`](pglock_testkit::drive_bytes) lists.
///
/// # Panics
/// When it breaks one, with all that was brought.
pub fn inputs(bytes: &[u8]) {
    if let Err(misdeed) = pglock_testkit::drive_bytes(first(bytes)) {
        panic!("{misdeed}");
    }
}

fn first(bytes: &[u8]) -> &[u8] {
    bytes.get(..MOST).unwrap_or(bytes)
}
