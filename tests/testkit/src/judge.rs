//! The second opinion on a history: reads an account of it when it is over and looks for a broken promise.
//! Knows no world, no client and no clock, and nothing of how the oracles judge.

mod belief;
mod books;
mod data;
mod disjoint;
mod lives;
mod numbers;
mod promise;
mod row;
mod stranded;
#[cfg(test)]
mod tests;
mod tokens;
mod writers;

use std::fmt;

use crate::account::{Account, Entry};
use books::Books;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Judgement {
    /// Which: S1 mutual exclusion, S3 tokens, S4 the life of a lock, S6 what is written, S7 data, L3 nothing
    /// is stranded.
    pub rule: &'static str,
    /// When it was seen, in true time.
    pub at: u64,
    /// How it was broken, in words.
    pub words: String,
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at {})", self.rule, self.words, self.at)
    }
}

impl std::error::Error for Judgement {}

type Verdict = Result<(), Judgement>;

fn condemn(rule: &'static str, at: u64, words: impl Into<String>) -> Verdict {
    Err(Judgement { rule, at, words: words.into() })
}

type Rule = fn(&Books, &Entry) -> Verdict;

/// What an entry must obey, given all before it.
const BEFORE: [Rule; 8] = [
    row::continues,
    numbers::come_once,
    tokens::grow,
    writers::may_write,
    data::is_kept,
    data::is_told,
    lives::go_their_way,
    lives::are_told_the_truth,
];

/// What must hold when it counts.
const AFTER: [Rule; 1] = [promise::outlasts_belief];

/// What must hold of everything together.
const AT_LAST: [fn(&Books) -> Verdict; 4] =
    [disjoint::are_beliefs, tokens::grow_along_beliefs, lives::have_ended, stranded::is_no_row];

/// Judges what happened.
///
/// # Errors
/// When a promise was broken.
pub fn judge(account: &Account) -> Result<(), Judgement> {
    let mut entries: Vec<&Entry> = account.entries.iter().collect();
    entries.sort_by_key(|entry| entry.at);
    let mut books = Books::new(account.bounds);
    for entry in entries {
        BEFORE.iter().try_for_each(|rule| rule(&books, entry))?;
        books.enter(entry);
        AFTER.iter().try_for_each(|rule| rule(&books, entry))?;
    }
    AT_LAST.iter().try_for_each(|rule| rule(&books))
}
