//! S7: data changes only where a statement asks for it; a grant comes with what stands in its row.

use std::sync::Arc;

use super::books::Books;
use super::{Verdict, condemn};
use crate::account::{Deed, Entry, Step, What, Write};
use crate::server::Record;

/// Of a row that was written.
pub(super) fn is_kept(_books: &Books, entry: &Entry) -> Verdict {
    let What::Row(write) = &entry.what else { return Ok(()) };
    let Some(Record { data: found, .. }) = &write.after else { return Ok(()) };
    let Some(wanted) = wanted(write) else { return Ok(()) };
    if *found == wanted && is_else_kept(write) {
        return Ok(());
    }
    let Write { name, before, after, .. } = write;
    condemn("S7", entry.at, format!("row {name} was {before:?} and became {after:?}"))
}

/// Which data must stand in the row, unless a stranger wrote it.
fn wanted(write: &Write) -> Option<Option<Arc<[u8]>>> {
    let before = write.before.as_ref().and_then(|row| row.data.clone());
    let is_blank = !write.before.as_ref().is_some_and(Record::is_held) && before.is_none();
    let is_granted = write.before.is_some();
    Some(match &write.by.as_ref()?.deed {
        Deed::Acquire { data, replace, .. } if is_granted && (*replace || is_blank) => data.clone(),
        Deed::Amend { data: Some(data) } => data.clone(),
        Deed::Release { keep_data: false } => None,
        Deed::Acquire { .. }
        | Deed::Amend { data: None }
        | Deed::Release { keep_data: true }
        | Deed::Renew
        | Deed::LineUp
        | Deed::Other => before,
    })
}

/// Owner and lease are the grant's; only an amendment changes the lease.
fn is_else_kept(write: &Write) -> bool {
    let (Some(before), Some(after)) = (&write.before, &write.after) else { return true };
    let same_owner = before.owner == after.owner;
    match write.by.as_ref().map(|author| &author.deed) {
        Some(Deed::Acquire { .. }) | None => true,
        Some(Deed::Amend { .. }) => same_owner,
        Some(Deed::Renew | Deed::Release { .. } | Deed::LineUp | Deed::Other) => {
            same_owner && before.lease_ms == after.lease_ms
        }
    }
}

/// To whoever got a grant.
pub(super) fn is_told(books: &Books, entry: &Entry) -> Verdict {
    let What::Lock { of, step: Step::Granted(told) } = &entry.what else { return Ok(()) };
    let row = books.life(*of).and_then(|life| books.rows.get(&life.name));
    let Some(row) = row else { return Ok(()) };
    match row.grants.iter().rev().find(|grant| grant.token == Some(told.token)) {
        Some(grant) if grant.data != told.data => {
            let words = format!("the {of} came with {:?}, not {:?}", told.data, grant.data);
            condemn("S7", entry.at, words)
        }
        Some(_) | None => Ok(()),
    }
}
