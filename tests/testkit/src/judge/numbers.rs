//! S6: no record version number comes twice to one row.

use super::books::Books;
use super::{Verdict, condemn};
use crate::account::{Entry, What};

pub(super) fn come_once(books: &Books, entry: &Entry) -> Verdict {
    let What::Row(write) = &entry.what else { return Ok(()) };
    let (before, after) = (write.rvn_before(), write.rvn_after());
    let (Some(row), Some(rvn)) = (books.rows.get(&write.name), after) else { return Ok(()) };
    if before != after && row.numbers.contains(&rvn) {
        return condemn("S6", entry.at, format!("{rvn:?} comes to row {} again", write.name));
    }
    Ok(())
}
