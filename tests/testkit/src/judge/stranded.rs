//! L3: at the end no row stays held by a process that is there, is well, and wants nothing any more.

use super::books::Books;
use super::row::Granted;
use super::{Verdict, condemn};

/// Excused are processes that crashed, and grants that were committed while things went wrong or after
/// their process had turned away: they lapse.
pub(super) fn is_no_row(books: &Books) -> Verdict {
    let Some(healed) = books.healed.filter(|_| books.over) else { return Ok(()) };
    let is_owed = |grant: &Granted| {
        let is_there = !books.gone.contains(&grant.who) && !books.excused.contains(&grant.who);
        is_there && grant.at > healed && !grant.late
    };
    for (name, row) in &books.rows {
        if let Some(grant) = row.current().filter(|grant| is_owed(grant)) {
            let words = format!("row {name} stays held by w{}, token {:?}", grant.who, grant.token);
            return condemn("L3", books.now, words);
        }
    }
    Ok(())
}
