//! How much a test does, where whoever starts it may want more.

/// A number from the environment.
///
/// # Panics
/// When the variable is set and is no number.
#[must_use]
pub fn setting(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")),
        Err(_) => otherwise,
    }
}
