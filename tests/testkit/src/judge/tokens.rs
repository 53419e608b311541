//! S3: each grant of a name has a larger token than all before it; nothing else changes a token.

use std::collections::BTreeMap;

use super::books::Books;
use super::{Verdict, condemn};
use crate::account::{Entry, What};

/// In the order of commits.
pub(super) fn grow(books: &Books, entry: &Entry) -> Verdict {
    let What::Row(write) = &entry.what else { return Ok(()) };
    if write.by.is_none() {
        return Ok(());
    }
    let before = write.before.as_ref().and_then(|row| row.token);
    let after = write.after.as_ref().and_then(|row| row.token);
    let last = books.rows.get(&write.name).and_then(|row| row.last_token);
    let is_right = if write.is_grant() { after > last } else { before == after };
    if is_right {
        return Ok(());
    }
    let deed = if write.is_grant() { "a grant" } else { "what is no grant" };
    let name = &write.name;
    let words = format!("{deed} of {name} turns token {before:?} into {after:?}, after {last:?}");
    condemn("S3", entry.at, words)
}

/// In the order in which grants are believed in. Not where strangers have ended them.
pub(super) fn grow_along_beliefs(books: &Books) -> Verdict {
    if books.bounds.breached {
        return Ok(());
    }
    let mut beliefs = Vec::new();
    for life in books.lives.values().filter(|life| life.belief.counts()) {
        if let (Some(grant), Some(first)) = (&life.grant, life.belief.spans().next()) {
            beliefs.push((&life.name, first.from, grant.token));
        }
    }
    beliefs.sort_unstable();
    let mut last = BTreeMap::new();
    for (name, at, token) in beliefs {
        if let Some(before) = last.insert(name, token).filter(|before| *before >= token) {
            let words = format!("token {token} of {name} is believed in after {before}");
            return condemn("S3", at, words);
        }
    }
    Ok(())
}
