//! S6: what has become of a row, write by write; each continues the one before.

use std::collections::{BTreeMap, BTreeSet};

use pglock_core::Rvn;

use super::books::Books;
use super::{Verdict, condemn};
use crate::account::{Author, Bounds, Deed, Entry, Holder, What, Write};
use crate::server::Record;

#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) record: Option<Record>,
    /// When its number was written.
    pub(super) since: u64,
    /// Since when nobody holds it.
    free_since: Option<u64>,
    /// A stranger has written it.
    meddled: bool,
    pub(super) numbers: BTreeSet<Rvn>,
    /// Who has put which ticket into its line.
    pub(super) tickets: BTreeMap<Rvn, usize>,
    pub(super) last_token: Option<i64>,
    pub(super) grants: Vec<Granted>,
    /// Which grant stands in it.
    current: Option<usize>,
}

/// A committed grant.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) who: usize,
    pub(super) at: u64,
    /// Its process had given the connection up.
    pub(super) late: bool,
    pub(super) token: Option<i64>,
    pub(super) data: Option<Vec<u8>>,
    /// The lock that was told of it.
    pub(super) lock: Option<Holder>,
    /// The first moment at which others may take it over.
    pub(super) promise: u64,
    /// How it ceased to stand in the row.
    pub(super) end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Released,
    TakenOver,
    ByStranger,
}

impl Row {
    pub(super) fn current(&self) -> Option<&Granted> {
        self.grants.get(self.current?)
    }

    pub(super) fn enter(&mut self, at: u64, write: &Write, bounds: Bounds) {
        let after = write.after.as_ref();
        if write.rvn_before() != write.rvn_after() || write.by.is_none() {
            self.since = at;
            self.numbers.extend(write.rvn_after());
        }
        if let Some(Author { who, deed: Deed::LineUp, .. }) = &write.by {
            self.tickets.extend(after.and_then(|row| row.waiters.last()).map(|last| (*last, *who)));
        }
        if let Some(end) = write.end() {
            self.end_current(end);
        }
        if let Some(author) = &write.by
            && write.is_grant()
        {
            self.current = Some(self.grants.len());
            self.grants.push(Granted {
                who: author.who,
                at,
                late: author.late,
                token: after.and_then(|row| row.token),
                data: after.and_then(|row| row.data.as_ref()).map(|data| data.to_vec()),
                lock: None,
                promise: 0,
                end: None,
            });
        }
        self.last_token = self.last_token.max(after.and_then(|row| row.token));
        self.record.clone_from(&write.after);
        self.meddled |= write.by.is_none();
        self.free_since = match write.rvn_after() {
            Some(_) => None,
            None => self.free_since.or(Some(at)),
        };
        let promise = self.since.saturating_add(bounds.soonest(self.lease()));
        if let Some(grant) = self.current.and_then(|index| self.grants.get_mut(index)) {
            grant.promise = promise;
        }
    }

    /// Whether nobody has held it since then, nor can have seemed to.
    pub(super) fn was_free_since(&self, then: u64) -> bool {
        !self.meddled && self.free_since.is_some_and(|since| since < then)
    }

    /// Answers how the grant has ended, if it has.
    pub(super) fn claim(&mut self, of: Holder, token: i64) -> Option<End> {
        let grant = self.grants.iter_mut().rev().find(|grant| grant.token == Some(token))?;
        grant.lock = Some(of);
        grant.end
    }

    fn end_current(&mut self, end: End) {
        if let Some(grant) = self.current.take().and_then(|index| self.grants.get_mut(index)) {
            grant.end = Some(end);
        }
    }

    /// The lease that stands in it, in nanoseconds.
    fn lease(&self) -> u64 {
        self.record.as_ref().and_then(lease_of).unwrap_or(0)
    }
}

pub(super) fn lease_of(row: &Record) -> Option<u64> {
    let lease = u64::try_from(row.lease_ms?).ok()?;
    lease.checked_mul(1_000_000)
}

impl Bounds {
    /// How long a span that a clock has counted has lasted at least.
    pub(super) fn soonest(self, span: u64) -> u64 {
        let counted = u128::from(span.saturating_sub(self.granularity));
        let longest = 1_000_000 + u128::from(self.ppm);
        let least = (counted * 1_000_000).div_ceil(longest);
        u64::try_from(least).unwrap_or(u64::MAX)
    }

    /// Right before the last two ticks that a clock can have made until now: what was known then may count
    /// as known now.
    pub(super) fn two_ticks_before(self, now: u64) -> u64 {
        let slowest = 1_000_000 - u128::from(self.ppm).min(999_999);
        let ticks = (u128::from(self.granularity) * 2_000_000).div_ceil(slowest);
        now.saturating_sub(u64::try_from(ticks).unwrap_or(u64::MAX))
    }
}

impl Write {
    pub(super) fn rvn_before(&self) -> Option<Rvn> {
        self.before.as_ref().and_then(|row| row.rvn)
    }

    pub(super) fn rvn_after(&self) -> Option<Rvn> {
        self.after.as_ref().and_then(|row| row.rvn)
    }

    /// Whether it gives the row to somebody, and not once more to whom it has just been given.
    pub(super) fn is_grant(&self) -> bool {
        let is_acquire = |author: &Author| matches!(author.deed, Deed::Acquire { .. });
        let is_new = self.rvn_after().is_some() && self.rvn_after() != self.rvn_before();
        is_new && self.by.as_ref().is_some_and(is_acquire)
    }

    /// How it ends the grant that stood in the row, if it does.
    fn end(&self) -> Option<End> {
        match &self.by {
            None => Some(End::ByStranger),
            Some(_) if self.is_grant() => Some(End::TakenOver),
            Some(_) if !self.after.as_ref().is_some_and(Record::is_held) => Some(End::Released),
            Some(_) => None,
        }
    }
}

/// The row is as the last write has left it.
pub(super) fn continues(books: &Books, entry: &Entry) -> Verdict {
    let What::Row(write) = &entry.what else { return Ok(()) };
    let Some(row) = books.rows.get(&write.name) else { return Ok(()) };
    if row.record == write.before {
        return Ok(());
    }
    let Write { name, before, .. } = write;
    let left = &row.record;
    condemn("S6", entry.at, format!("row {name} was left as {left:?} and found as {before:?}"))
}
