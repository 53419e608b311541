//! The rows of the lock table and what each statement does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pglock_core::bugs::{Bug, made};
use pglock_core::{
    Acquire, Amend, Evict, LineUp, LockName, Owner, Read, Release, Renew, Renewal, RenewalVerdict,
    Row, Rvn, Value,
};

use super::{Change, Record};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Table {
    pub(super) rows: BTreeMap<LockName, Record>,
    pub(super) locked: BTreeSet<LockName>,
    last_token: i64,
    pub(super) last_foreign: i64,
    owners: BTreeMap<Rvn, Owner>,
}

impl Table {
    pub(super) fn shows(&self, name: &LockName, mine: &[Rvn]) -> bool {
        self.rows.get(name).is_some_and(|row| shows(row, mine))
    }

    /// Whether the statement's predicate holds for the row.
    pub(super) fn grants(&self, acquire: &Acquire, row: &Record) -> bool {
        row.rvn.is_none_or(|rvn| Some(rvn) == acquire.seen || acquire.mine.contains(&rvn))
            || made(Bug::M23)
                && acquire.seen.is_some_and(|seen| self.owners.get(&seen) == row.owner.as_ref())
    }

    /// Changes a row that is there and fits. Answers it as it is then.
    pub(super) fn write(
        &mut self,
        name: &LockName,
        changes: &mut Vec<Change>,
        fits: impl FnOnce(&Record) -> bool,
        change: impl FnOnce(&mut Record),
    ) -> Option<&Record> {
        let row = self.rows.get_mut(name).filter(|row| fits(row))?;
        let before = Some(row.clone());
        change(row);
        changes.push(Change { name: name.clone(), before, after: Some(row.clone()) });
        Some(row)
    }

    pub(super) fn acquire(
        &mut self,
        acquire: &Acquire,
        seen: Option<Record>,
        changes: &mut Vec<Change>,
    ) -> Option<Row> {
        if let Some(row) = &seen
            && !self.grants(acquire, row)
        {
            if made(Bug::M34) {
                self.write(&acquire.name, changes, |_| true, |_| {});
            }
            return Some(answer(false, row));
        }
        let Some(row) = self.rows.get(&acquire.name) else {
            let free = Record { owner: Some(acquire.owner.clone()), ..Record::default() };
            self.rows.insert(acquire.name.clone(), free.clone());
            let row = answer(false, &free);
            changes.push(Change { name: acquire.name.clone(), before: None, after: Some(free) });
            return Some(row);
        };
        if !self.grants(acquire, row) {
            return seen.map(|row| answer(false, &row));
        }
        let run_twice = row.rvn == Some(acquire.new) && row.token.is_some();
        let keeps_token = run_twice || made(Bug::M19) && row.rvn.is_some();
        if !keeps_token {
            self.last_token += 1;
        }
        if cfg!(pglock_bugs) {
            self.owners.insert(acquire.new, acquire.owner.clone());
        }
        let token = self.last_token.max(row.token.map_or(0, |token| token.saturating_add(1)));
        let grant = |row: &mut Record| {
            if !keeps_token {
                row.token = Some(token);
            }
            let may_write = acquire.content.replace || made(Bug::M35);
            if may_write || (!row.is_held() && row.data.is_none()) {
                row.data.clone_from(&acquire.content.data);
            }
            row.rvn = Some(acquire.new);
            row.owner = Some(acquire.owner.clone());
            row.lease_ms = Some(milliseconds(acquire.lease));
            row.waiters.retain(|ticket| !acquire.mine.contains(ticket));
        };
        let granted = self.write(&acquire.name, changes, |_| true, grant);
        granted.map(|row| match seen {
            Some(seen) if made(Bug::M37) => {
                answer(true, &Record { data: seen.data, ..row.clone() })
            }
            Some(_) | None => answer(true, row),
        })
    }

    pub(super) fn is_left(&self, release: &Release) -> bool {
        self.rows.get(&release.name).is_some_and(|row| is_left(row, release))
    }

    pub(super) fn release(&mut self, release: &Release, changes: &mut Vec<Change>) -> Vec<Row> {
        let fits = |row: &Record| is_left(row, release) || made(Bug::M10);
        let free = |row: &mut Record| {
            if shows(row, &release.mine) || made(Bug::M10) {
                hand_over(row);
            } else {
                row.waiters.retain(|ticket| !release.mine.contains(ticket));
            }
            if !release.keep_data {
                row.data = None;
            }
        };
        let freed = self.write(&release.name, changes, fits, free);
        freed.map(|row| Row(vec![number(row.token)])).into_iter().collect()
    }

    pub(super) fn renew(&mut self, renew: &Renew, changes: &mut Vec<Change>) -> Vec<Row> {
        renew
            .locks
            .iter()
            .map(|renewal| {
                let (verdict, lease) = self.renew_one(renewal, changes);
                Row(vec![
                    Value::Text(renewal.name.as_str().into()),
                    Value::Text(verdict.as_str().into()),
                    number(lease),
                ])
            })
            .collect()
    }

    fn renew_one(
        &mut self,
        renewal: &Renewal,
        changes: &mut Vec<Change>,
    ) -> (RenewalVerdict, Option<i64>) {
        let fits = |row: &Record| shows(row, &renewal.mine) || made(Bug::M09);
        if !self.rows.get(&renewal.name).is_some_and(fits) {
            return (RenewalVerdict::Lost, None);
        }
        if self.locked.contains(&renewal.name) {
            return (RenewalVerdict::RowLocked, None);
        }
        if cfg!(pglock_bugs)
            && let Some(owner) = self.rows.get(&renewal.name).and_then(|row| row.owner.clone())
        {
            self.owners.insert(renewal.new, owner);
        }
        if made(Bug::M22) {
            self.last_token += 1;
        }
        let token = self.last_token;
        let renew = |row: &mut Record| {
            row.rvn = Some(renewal.new);
            if made(Bug::M22) {
                row.token = Some(token);
            }
        };
        let renewed = self.write(&renewal.name, changes, fits, renew);
        (RenewalVerdict::Renewed, renewed.and_then(|row| row.lease_ms))
    }

    pub(super) fn amend(&mut self, amend: &Amend, changes: &mut Vec<Change>) -> Vec<Row> {
        let stale = made(Bug::M09) || made(Bug::M36) && amend.data.is_some();
        let fits = |row: &Record| shows(row, &amend.mine) || stale;
        let change = |row: &mut Record| {
            row.rvn = Some(amend.new);
            row.lease_ms = amend.lease.map(milliseconds).or(row.lease_ms);
            if let Some(data) = &amend.data {
                row.data.clone_from(data);
            }
        };
        let amended = self.write(&amend.name, changes, fits, change);
        amended.map(|row| Row(vec![number(row.lease_ms)])).into_iter().collect()
    }

    pub(super) fn look(&self, name: &LockName, mine: &[Rvn]) -> Vec<Row> {
        self.rows.get(name).map(|row| looked(name, row, mine)).into_iter().collect()
    }

    pub(super) fn is_joined(&self, line_up: &LineUp) -> bool {
        self.rows.get(&line_up.name).is_some_and(|row| is_joined(row, line_up))
    }

    pub(super) fn line_up(
        &mut self,
        line_up: &LineUp,
        seen: Option<Record>,
        changes: &mut Vec<Change>,
    ) -> Vec<Row> {
        let fits = |row: &Record| is_joined(row, line_up);
        let join = |row: &mut Record| {
            let end = if made(Bug::LinesUpInFront) { 0 } else { row.waiters.len() };
            row.waiters.insert(end, line_up.ticket);
        };
        let joined = self.write(&line_up.name, changes, fits, join).cloned();
        let found = joined.or_else(|| seen.filter(|row| !is_joined(row, line_up)));
        found.map(|row| looked(&line_up.name, &row, &line_up.mine)).into_iter().collect()
    }

    pub(super) fn delete(&mut self, name: &LockName, changes: &mut Vec<Change>) {
        let Some(before) = self.rows.remove(name) else { return };
        self.locked.remove(name);
        if made(Bug::M21) {
            self.last_token = 0;
        }
        changes.push(Change { name: name.clone(), before: Some(before), after: None });
    }

    pub(super) fn stands_under(&self, evict: &Evict) -> bool {
        self.rows.get(&evict.name).is_some_and(|row| stands_under(row, evict))
    }

    pub(super) fn evict(&mut self, evict: &Evict, changes: &mut Vec<Change>) -> Vec<Row> {
        let fits = |row: &Record| stands_under(row, evict);
        let freed = self.write(&evict.name, changes, fits, hand_over);
        let free = freed.map(|row| Record { rvn: None, ..row.clone() });
        free.map(|row| entry(&evict.name, &row)).into_iter().collect()
    }

    pub(super) fn read(&self, read: &Read) -> Vec<Row> {
        let entry = |(name, row)| entry(name, row);
        match read {
            Read::One(name) => self.rows.get_key_value(name).map(entry).into_iter().collect(),
            Read::All { prefix } => {
                let wanted = |(name, _): &(&LockName, _)| name.as_str().starts_with(prefix);
                self.rows.iter().filter(wanted).map(entry).collect()
            }
        }
    }
}

fn shows(row: &Record, mine: &[Rvn]) -> bool {
    row.rvn.is_some_and(|rvn| mine.contains(&rvn))
}

fn stands_under(row: &Record, evict: &Evict) -> bool {
    row.is_held() && row.rvn.is_some_and(Rvn::is_marked) && row.token == Some(evict.token.as_i64())
}

/// Whether a release finds one of its numbers in the row or its line.
fn is_left(row: &Record, release: &Release) -> bool {
    shows(row, &release.mine) || row.waiters.iter().any(|ticket| release.mine.contains(ticket))
}

/// The first in line has the row next; nobody, if there is none.
fn hand_over(row: &mut Record) {
    if made(Bug::LastInLine) {
        row.waiters.reverse();
    }
    row.rvn = (!row.waiters.is_empty()).then(|| row.waiters.remove(0));
}

fn is_joined(row: &Record, line_up: &LineUp) -> bool {
    let is_mine = |ticket: &Rvn| line_up.mine.contains(ticket);
    row.rvn.is_some_and(|rvn| rvn.is_marked() && !is_mine(&rvn))
        && row.waiters.len() < LineUp::LONGEST
        && !row.waiters.iter().any(is_mine)
}

fn looked(name: &LockName, row: &Record, mine: &[Rvn]) -> Row {
    let place = row.waiters.iter().position(|ticket| mine.contains(ticket));
    let place = place.map_or(0, |place| i64::try_from(place + 1).unwrap_or(i64::MAX));
    let mut answer = entry(name, row);
    answer.0.push(number((!row.waiters.is_empty()).then_some(place)));
    answer
}

fn entry(name: &LockName, row: &Record) -> Row {
    std::iter::once(Value::Text(name.as_str().into())).chain(values(row)).collect()
}

fn answer(granted: bool, row: &Record) -> Row {
    std::iter::once(Value::Bool(granted)).chain(values(row)).collect()
}

fn values(row: &Record) -> [Value; 5] {
    [
        number(row.rvn.map(Rvn::as_i64)),
        row.owner.as_ref().map_or(Value::Null, |owner| Value::Text(owner.as_str().into())),
        number(row.lease_ms),
        row.data.as_ref().map_or(Value::Null, |data| Value::Bytea(data.to_vec())),
        number(row.token),
    ]
}

fn number(number: Option<i64>) -> Value {
    number.map_or(Value::Null, Value::Int8)
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
