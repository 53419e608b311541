//! S1: nobody believes for longer than the row promises: from then on others may take it over.

use pglock_core::LockName;

use super::books::{Books, Life};
use super::row::{End, Row};
use super::{Verdict, condemn};
use crate::account::{Entry, Holder, What};

/// Looks at every belief in the name that the entry is about, if it is known what was committed there.
pub(super) fn outlasts_belief(books: &Books, entry: &Entry) -> Verdict {
    let Some(name) = name_of(books, entry).filter(|_| !books.bounds.breached) else {
        return Ok(());
    };
    let (Some(row), Some(granted)) = (books.rows.get(name), books.granted.get(name)) else {
        return Ok(());
    };
    for of in granted {
        if let Some(life) = books.life(*of) {
            within(*of, life, row, entry.at)?;
        }
    }
    Ok(())
}

fn name_of<'a>(books: &'a Books, entry: &'a Entry) -> Option<&'a LockName> {
    match &entry.what {
        What::Lock { of, .. } => books.life(*of).map(|life| &life.name),
        What::Row(write) => Some(&write.name),
        What::Sees { .. }
        | What::Crashes { .. }
        | What::ClockEnds { .. }
        | What::Healed
        | What::Over => None,
    }
}

fn within(of: Holder, life: &Life, row: &Row, at: u64) -> Verdict {
    let until = life.belief.until();
    if until <= at {
        return Ok(());
    }
    let grant = row.grants.iter().rev().find(|grant| grant.lock == Some(of));
    match grant.map(|grant| (grant.end, grant.promise)) {
        Some((None, promise)) if until <= promise => Ok(()),
        Some((None, promise)) => condemn(
            "S1",
            at,
            format!(
                "the {of} is believed in until {until}, {} ns longer than the row promises",
                until - promise
            ),
        ),
        // The belief does not count.
        Some((Some(End::ByStranger), _)) => Ok(()),
        Some((Some(End::Released | End::TakenOver), _)) | None => {
            condemn("S1", at, format!("the {of} is believed in, but the row is not its own"))
        }
    }
}
