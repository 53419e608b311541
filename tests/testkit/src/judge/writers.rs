//! S6: a row is written only by whom the rules allow to.

use pglock_core::Rvn;

use super::books::Books;
use super::row::lease_of;
use super::{Verdict, condemn};
use crate::account::{Author, Bounds, Deed, Entry, What, Write};
use crate::server::Record;

pub(super) fn may_write(books: &Books, entry: &Entry) -> Verdict {
    let What::Row(write) = &entry.what else { return Ok(()) };
    let Some(author) = &write.by else { return Ok(()) };
    let offence = match &author.deed {
        Deed::Acquire { seen, .. } => acquires(books, entry.at, write, author, *seen),
        Deed::Renew | Deed::Amend { .. } => renews(books, write, author),
        Deed::Release { .. } => releases(books, entry.at, write, author),
        Deed::LineUp => lines_up(write),
        Deed::Other => Some("writes though its statement is not one that does".into()),
    };
    match offence {
        None => Ok(()),
        Some(words) => {
            condemn("S6", entry.at, format!("w{} {words}: row {}", author.who, write.name))
        }
    }
}

/// What is wrong with it, if anything is.
type Offence = Option<String>;

fn acquires(books: &Books, at: u64, write: &Write, author: &Author, seen: Option<Rvn>) -> Offence {
    let Some(after) = &write.after else { return Some("deletes what it asks for".into()) };
    let Some(before) = &write.before else {
        return after.rvn.map(|_| "is granted what was not there".into());
    };
    let Some(rvn) = before.rvn else {
        return after.rvn.is_none().then(|| "asks for a free row and leaves it free".into());
    };
    if rvn.is_ticket() && is_ticket_of(books, write, author, rvn) {
        return None;
    }
    let is_own = has_current(books, write, author);
    if is_own && (write.is_grant() && !is_believed(books, at, write) || is_same_grant(write)) {
        return None;
    }
    if !write.is_grant() || seen != Some(rvn) {
        return Some(format!("writes over {rvn:?}, which it has not watched"));
    }
    let watched = author.sent.saturating_sub(books.watched_since(author.who, &write.name, rvn));
    let least = books.bounds.soonest(to_watch(before, after, books.bounds));
    (watched < least).then(|| {
        format!("takes {rvn:?} over, watched for {watched} ns at most; {least} ns are needed")
    })
}

/// A statement that was run twice.
fn is_same_grant(write: &Write) -> bool {
    write.rvn_before() == write.rvn_after()
}

fn renews(books: &Books, write: &Write, author: &Author) -> Offence {
    if write.rvn_before().is_none() || write.rvn_after().is_none() {
        return Some("renews what nobody holds".into());
    }
    (!has_current(books, write, author)).then(|| "renews what is not its own".into())
}

fn releases(books: &Books, at: u64, write: &Write, author: &Author) -> Offence {
    let (Some(before), Some(after)) = (&write.before, &write.after) else {
        return Some("releases a row that is not there".into());
    };
    if before.rvn == after.rvn {
        return leaves(books, write, author, before, after);
    }
    if after.rvn != before.waiters.first().copied()
        || !after.waiters.iter().eq(before.waiters.iter().skip(1))
    {
        return Some("releases but does not hand over to the first in line".into());
    }
    match before.rvn {
        None => Some("releases what is free".into()),
        Some(rvn) if rvn.is_ticket() && is_ticket_of(books, write, author, rvn) => None,
        Some(_) if !has_current(books, write, author) => {
            Some("releases what is not its own".into())
        }
        Some(_) => {
            is_believed(books, at, write).then(|| "releases what it still believes in".into())
        }
    }
}

/// Takes tickets of its own out of the line.
fn leaves(
    books: &Books,
    write: &Write,
    author: &Author,
    before: &Record,
    after: &Record,
) -> Offence {
    if before.waiters == after.waiters {
        let is_free = before.rvn.is_none();
        return Some(
            if is_free { "releases what is free" } else { "releases but does not free" }.into(),
        );
    }
    let stays = |ticket: &Rvn| after.waiters.contains(ticket);
    let mut left = before.waiters.clone();
    left.retain(|ticket| stays(ticket) || !is_ticket_of(books, write, author, *ticket));
    (after.waiters != left).then(|| "leaves a line and takes others along".into())
}

fn lines_up(write: &Write) -> Offence {
    let (Some(before), Some(after)) = (&write.before, &write.after) else {
        return Some("lines up at a row that is not there".into());
    };
    let mut longer = before.waiters.clone();
    longer.extend(after.waiters.last());
    let only_last = *after == Record { waiters: longer, ..before.clone() };
    (!only_last).then(|| "lines up and changes more than the end of the line".into())
}

/// Whether the author has put this ticket into the row's line.
fn is_ticket_of(books: &Books, write: &Write, author: &Author, ticket: Rvn) -> bool {
    let row = books.rows.get(&write.name);
    row.and_then(|row| row.tickets.get(&ticket)).is_some_and(|who| *who == author.who)
}

/// Whether the grant that stands in the row is the author's.
fn has_current(books: &Books, write: &Write, author: &Author) -> bool {
    let current = books.rows.get(&write.name).and_then(|row| row.current());
    current.is_some_and(|grant| grant.who == author.who)
}

/// Whether the grant that stands in the row is believed in.
fn is_believed(books: &Books, at: u64, write: &Write) -> bool {
    let current = books.rows.get(&write.name).and_then(|row| row.current());
    current.and_then(|grant| grant.lock).is_some_and(|lock| books.believes(lock, at))
}

/// How long a row must be watched before it is taken over: its lease, or if a Go client wrote it, the one it
/// may have, and two heartbeats that may be late. Whom it was handed over to has no lease yet.
fn to_watch(before: &Record, after: &Record, bounds: Bounds) -> u64 {
    if before.rvn.is_some_and(Rvn::is_ticket) {
        return bounds.hand_over;
    }
    match lease_of(before) {
        Some(lease) if before.rvn.is_some_and(Rvn::is_marked) => lease,
        Some(_) | None => {
            let lease = lease_of(after).unwrap_or(0).max(bounds.foreign_lease);
            lease + bounds.foreign_heartbeat * 2
        }
    }
}
