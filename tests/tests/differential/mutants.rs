//! Mistakes of the model, made on purpose: a comparison with the server that does not see them proves nothing.

use pglock_core::{
    Acquire, LockName, Look, Outcome, Read, RenewalVerdict, Row, Rvn, ServerError, SqlState,
    Statement, Value,
};
use pglock_testkit::{Record, Server as Model};

use crate::pair::Pair;
use crate::program::Action;
use crate::sequences::{Run, run, runtime};

/// How many steps a mutant may live.
const STEPS: u64 = 20_000;

#[test]
fn every_mutant_of_the_model_is_seen() {
    let runtime = runtime();
    println!("| mutant of the model | steps |\n| --- | ---: |");
    for (what, spoil) in MUTANTS {
        let pair = runtime.block_on(Pair::new()).spoilt_by(Mutant(*spoil));
        let Run { made, difference } = run(&runtime, pair, STEPS, 1, 0);
        assert!(difference.is_some(), "not seen in {made} steps: {what}");
        println!("| {what} | {made} |");
    }
}

/// A mistake that is made after an action.
pub(crate) struct Mutant(fn(&mut Done<'_>));

impl Mutant {
    /// What the action answers then, which began on `begun` and wrote on `before`.
    pub(crate) fn spoil(
        &self,
        action: &Action,
        begun: &Model,
        before: &Model,
        model: &mut Model,
        outcome: Outcome,
    ) -> Outcome {
        let mut done = Done { action, begun, before, model, outcome };
        (self.0)(&mut done);
        done.outcome
    }
}

/// An action, and what came of it.
struct Done<'a> {
    action: &'a Action,
    begun: &'a Model,
    before: &'a Model,
    model: &'a mut Model,
    outcome: Outcome,
}

type Spoil = fn(&mut Done<'_>);

const MUTANTS: &[(&str, Spoil)] = &[
    ("the predicate is not compared again after the wait", |done| {
        let Some(acquire) = done.refused() else { return };
        let began = done.begun.row(&acquire.name).cloned();
        let fits = |rvn: Rvn| Some(rvn) == acquire.seen || acquire.mine.contains(&rvn);
        if began.is_some_and(|row| row.rvn.is_none_or(fits)) {
            done.grant(&acquire);
        }
    }),
    ("refused after a wait, an acquire answers what stands there then", |done| {
        if let Some(acquire) = done.refused() {
            done.answer(&acquire.name, false);
        }
    }),
    ("a refused acquire leaves its owner", |done| {
        if let Some(acquire) = done.refused() {
            done.model.edit(&acquire.name, |row| row.owner = Some(acquire.owner.clone()));
        }
    }),
    ("a refused acquire hides the owner", |done| {
        if done.refused().is_some() {
            done.each_value(2, |owner| *owner = Value::Null);
        }
    }),
    ("the first use of a name grants at once", |done| {
        if let Some(acquire) = done.refused()
            && done.before.row(&acquire.name).is_none()
        {
            done.grant(&acquire);
        }
    }),
    ("a take-over keeps the token", |done| {
        done.after_grant(|_, before, row| {
            if before.rvn.is_some() {
                row.token = before.token;
            }
        });
    }),
    ("an acquire that is run twice draws twice", |done| {
        done.after_grant(|acquire, before, row| {
            if before.rvn == Some(acquire.new) {
                row.token = row.token.map(|token| token + 1);
            }
        });
    }),
    ("a grant leaves the lease of before", |done| {
        done.after_grant(|_, before, row| row.lease_ms = before.lease_ms);
    }),
    ("a grant leaves the owner of before", |done| {
        done.after_grant(|_, before, row| row.owner = before.owner.clone());
    }),
    ("a grant replaces data that were kept", |done| {
        done.after_grant(|acquire, before, row| {
            if before.rvn.is_none() {
                row.data = acquire.content.data.clone();
            }
        });
    }),
    ("a take-over fills a row that has no data", |done| {
        done.after_grant(|acquire, before, row| {
            if before.data.is_none() {
                row.data = acquire.content.data.clone();
            }
        });
    }),
    ("a release drops data that are to be kept", |done| {
        done.after_release(|_, row| row.data = None);
    }),
    ("a release keeps data that are to be dropped", |done| {
        done.after_release(|before, row| row.data = before.data.clone());
    }),
    ("a release forgets the token", |done| done.after_release(|_, row| row.token = None)),
    ("a stale row keeps the others from being renewed", |done| {
        let Action::Statement(Statement::Renew(renew)) = done.action else { return };
        if done.verdicts().any(|verdict| verdict == RenewalVerdict::Lost.as_str()) {
            for lock in &renew.locks {
                let before = done.before.row(&lock.name).and_then(|row| row.rvn);
                done.model.edit(&lock.name, |row| row.rvn = before);
            }
        }
    }),
    ("a renewal calls a locked row lost", |done| {
        let lost = || Value::Text(RenewalVerdict::Lost.as_str().into());
        let locked = Value::Text(RenewalVerdict::RowLocked.as_str().into());
        if let Action::Statement(Statement::Renew(_)) = done.action {
            done.each_value(1, |verdict| {
                if *verdict == locked {
                    *verdict = lost();
                }
            });
        }
    }),
    ("a renewal writes a locked row", |done| {
        let Action::Statement(Statement::Renew(renew)) = done.action else { return };
        let verdicts: Vec<_> = done.verdicts().map(String::from).collect();
        for (lock, verdict) in renew.locks.iter().zip(verdicts) {
            if verdict == RenewalVerdict::RowLocked.as_str() {
                done.model.edit(&lock.name, |row| row.rvn = Some(lock.new));
            }
        }
    }),
    ("an amendment without a lease clears it", |done| {
        let Action::Statement(Statement::Amend(amend)) = done.action else { return };
        if amend.lease.is_none() && done.has_rows() {
            done.model.edit(&amend.name, |row| row.lease_ms = None);
        }
    }),
    ("an amendment cannot clear data", |done| {
        let Action::Statement(Statement::Amend(amend)) = done.action else { return };
        let before = done.before.row(&amend.name).and_then(|row| row.data.clone());
        if amend.data == Some(None) && done.has_rows() {
            done.model.edit(&amend.name, |row| row.data = before);
        }
    }),
    ("an eviction compares no token", |done| {
        let Action::Statement(Statement::Evict(evict)) = done.action else { return };
        let row = done.before.row(&evict.name);
        if row.is_some_and(|row| row.rvn.is_some_and(Rvn::is_marked)) && !done.has_failed() {
            done.model.edit(&evict.name, |row| row.rvn = None);
        }
    }),
    ("an eviction frees the lock of a Go client", |done| {
        let Action::Statement(Statement::Evict(evict)) = done.action else { return };
        let token = evict.token.as_i64();
        if done.before.row(&evict.name).is_some_and(|row| row.token == Some(token))
            && !done.has_failed()
        {
            done.model.edit(&evict.name, |row| row.rvn = None);
        }
    }),
    ("an eviction frees what was handed over to another", |done| {
        let Action::Statement(Statement::Evict(evict)) = done.action else { return };
        let token = evict.token.as_i64();
        if done
            .before
            .row(&evict.name)
            .is_some_and(|row| row.token == Some(token) && !row.is_held())
            && !done.has_failed()
        {
            done.model.edit(&evict.name, |row| row.rvn = None);
        }
    }),
    ("who lines up stands in front", |done| {
        let Action::Statement(Statement::LineUp(line_up)) = done.action else { return };
        if done.has_rows() {
            done.model.edit(&line_up.name, |row| row.waiters.rotate_right(1));
        }
    }),
    ("one lines up twice", |done| {
        let Action::Statement(Statement::LineUp(line_up)) = done.action else { return };
        if done.before.row(&line_up.name).is_some_and(|row| row.waiters.contains(&line_up.ticket)) {
            done.model.edit(&line_up.name, |row| row.waiters.push(line_up.ticket));
        }
    }),
    ("one lines up at a row that a Go client holds", |done| {
        let Action::Statement(Statement::LineUp(line_up)) = done.action else { return };
        let row = done.before.row(&line_up.name);
        if row.is_some_and(|row| row.rvn.is_some_and(|rvn| !rvn.is_marked())) && done.has_rows() {
            done.model.edit(&line_up.name, |row| row.waiters.push(line_up.ticket));
        }
    }),
    ("who finds another row after a wait is answered what it began with", |done| {
        let Action::Statement(Statement::LineUp(line_up)) = done.action else { return };
        if let (Some(Outcome::Rows(rows)), false) = (done.as_it_began(), done.has_rows())
            && !done.has_failed()
            && done.model.row(&line_up.name) == done.before.row(&line_up.name)
        {
            done.outcome = Outcome::Rows(rows);
        }
    }),
    ("nobody has a place in line", |done| {
        if let Action::Statement(Statement::Look(_) | Statement::LineUp(_)) = done.action {
            done.each_value(6, |place| *place = Value::Null);
        }
    }),
    ("a grant leaves its ticket in line", |done| {
        done.after_grant(|_, before, row| row.waiters.clone_from(&before.waiters));
    }),
    ("a grant leaves the line to nobody", |done| {
        done.after_grant(|_, _, row| row.waiters.clear());
    }),
    ("a release does not hand over", |done| {
        done.after_release(|before, row| {
            if before.rvn != row.rvn {
                row.rvn = None;
            }
        });
    }),
    ("a release hands over to the last in line", |done| {
        done.after_release(|before, row| {
            if before.rvn != row.rvn {
                row.rvn = before.waiters.last().copied();
            }
        });
    }),
    ("a release leaves its tickets in line", |done| {
        done.after_release(|before, row| {
            if before.rvn == row.rvn {
                row.waiters.clone_from(&before.waiters);
            }
        });
    }),
    ("a release tells nobody", |done| {
        let Action::Statement(Statement::Release(_)) = done.action else { return };
        done.model.take_notifications();
    }),
    ("an eviction tells nobody", |done| {
        let Action::Statement(Statement::Evict(_)) = done.action else { return };
        done.model.take_notifications();
    }),
    ("a Go client's write clears the token", |done| {
        if let Action::GoWrite(name) = done.action {
            done.model.edit(name, |row| row.token = None);
        }
    }),
    ("a Go client's write clears the lease", |done| {
        if let Action::GoWrite(name) = done.action {
            done.model.edit(name, |row| row.lease_ms = None);
        }
    }),
    ("a Go client frees whatever stands there", |done| {
        if let Action::GoRelease(name, _) = done.action {
            done.model.edit(name, |row| row.rvn = None);
        }
    }),
    ("rows are read in the wrong order", |done| {
        if let (Action::Statement(Statement::Read(_)), Outcome::Rows(rows)) =
            (done.action, &mut done.outcome)
        {
            rows.reverse();
        }
    }),
    ("reading many rows does not heed the prefix", |done| {
        let all = Statement::Read(Read::All { prefix: String::new() });
        if let Action::Statement(Statement::Read(Read::All { .. })) = done.action {
            done.outcome = done.model.execute(&all);
        }
    }),
    ("a locked row fails with another code", |done| done.recode("55P03", "40001")),
    ("a missing table reads as an empty one", |done| {
        if matches!(&done.outcome, Outcome::Failed(error) if error.sqlstate.as_str() == "42P01") {
            done.outcome = Outcome::Rows(Vec::new());
        }
    }),
    ("making the table again empties it", |done| {
        let Action::Statement(Statement::CreateTable) = done.action else { return };
        for name in crate::program::NAMES {
            done.model.delete(&LockName::new(name).unwrap());
        }
    }),
];

impl Done<'_> {
    /// The acquire, if it was refused.
    fn refused(&self) -> Option<Acquire> {
        self.acquire(false)
    }

    fn acquire(&self, granted: bool) -> Option<Acquire> {
        let Action::Statement(Statement::Acquire(acquire)) = self.action else { return None };
        let Outcome::Rows(rows) = &self.outcome else { return None };
        let answer = rows.first().and_then(|row| row.0.first());
        (answer == Some(&Value::Bool(granted))).then(|| acquire.clone())
    }

    fn grant(&mut self, acquire: &Acquire) {
        self.model.edit(&acquire.name, |row| {
            row.rvn = Some(acquire.new);
            row.owner = Some(acquire.owner.clone());
            row.lease_ms = i64::try_from(acquire.lease.as_millis()).ok();
            row.token = Some(row.token.unwrap_or(0) + 1);
        });
        self.answer(&acquire.name, true);
    }

    /// An acquire that was granted leaves another row, and says so.
    fn after_grant(&mut self, change: fn(&Acquire, &Record, &mut Record)) {
        let Some(acquire) = self.acquire(true) else { return };
        let Some(before) = self.before.row(&acquire.name).cloned() else { return };
        self.model.edit(&acquire.name, |row| change(&acquire, &before, row));
        self.answer(&acquire.name, true);
    }

    fn after_release(&mut self, change: fn(&Record, &mut Record)) {
        let Action::Statement(Statement::Release(release)) = self.action else { return };
        let Some(before) = self.before.row(&release.name).cloned() else { return };
        if self.has_rows() {
            self.model.edit(&release.name, |row| change(&before, row));
        }
    }

    /// An acquire answers the row as it is.
    fn answer(&mut self, name: &LockName, granted: bool) {
        let read = Statement::Read(Read::One(name.clone()));
        let Outcome::Rows(rows) = self.model.execute(&read) else { return };
        let Some(Row(values)) = rows.into_iter().next() else { return };
        let values = values.into_iter().skip(1);
        let row = std::iter::once(Value::Bool(granted)).chain(values).collect();
        self.outcome = Outcome::Rows(vec![row]);
    }

    /// What a look shows of the row as the action found it when it began.
    fn as_it_began(&self) -> Option<Outcome> {
        let Action::Statement(Statement::LineUp(line_up)) = self.action else { return None };
        let look = Look { name: line_up.name.clone(), mine: line_up.mine.clone() };
        Some(self.begun.clone().execute(&Statement::Look(look)))
    }

    fn verdicts(&self) -> impl Iterator<Item = &str> {
        let rows = if let Outcome::Rows(rows) = &self.outcome { rows.as_slice() } else { &[] };
        rows.iter().filter_map(|row| match row.0.get(1) {
            Some(Value::Text(verdict)) => Some(verdict.as_str()),
            _ => None,
        })
    }

    fn each_value(&mut self, column: usize, mut change: impl FnMut(&mut Value)) {
        if let Outcome::Rows(rows) = &mut self.outcome {
            rows.iter_mut().filter_map(|row| row.0.get_mut(column)).for_each(&mut change);
        }
    }

    fn has_rows(&self) -> bool {
        matches!(&self.outcome, Outcome::Rows(rows) if !rows.is_empty())
    }

    fn has_failed(&self) -> bool {
        matches!(&self.outcome, Outcome::Failed(_))
    }

    fn recode(&mut self, from: &str, to: &str) {
        if let Outcome::Failed(ServerError { sqlstate, .. }) = &mut self.outcome
            && sqlstate.as_str() == from
        {
            *sqlstate = SqlState::new(to);
        }
    }
}
