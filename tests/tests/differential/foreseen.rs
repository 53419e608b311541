//! What the model says of an action, also of one that begins while another transaction is still open.

use std::collections::BTreeSet;

use pglock_core::{LockName, Outcome, Owner, Read, Renew, Renewal, Statement};
use pglock_testkit::Server as Model;

use crate::mutants::Mutant;
use crate::program::Action;

/// What an action answers when nothing stands in its way; a mutant spoils it.
pub(crate) fn act(model: &mut Model, action: &Action, mutant: Option<&Mutant>) -> Outcome {
    let before = model.clone();
    let outcome = done(model, action);
    mutant.map_or(outcome.clone(), |mutant| mutant.spoil(action, &before, &before, model, outcome))
}

fn done(model: &mut Model, action: &Action) -> Outcome {
    match action {
        Action::Statement(statement) => return model.execute(statement),
        Action::GoWrite(name) => drop(model.foreign_write(name, &Owner::new("go").unwrap())),
        Action::GoRelease(name, rvn) => model.foreign_release(name, *rvn),
        Action::Restore(name, token) => {
            model.edit(name, |row| row.token = Some(token.as_i64()));
        }
        Action::Delete(name) => model.delete(name),
    }
    Outcome::Rows(Vec::new())
}

/// Two actions of which the second begins when the first is done, but not committed.
pub(crate) struct Overlap {
    /// What the first answers.
    pub(crate) first: Outcome,
    /// Whether the second has to wait for the first one's end.
    pub(crate) waits: bool,
    /// What the second answers.
    pub(crate) second: Outcome,
}

impl Overlap {
    /// Makes both on the model.
    pub(crate) fn on(
        model: &mut Model,
        first: &Action,
        second: &Action,
        mutant: Option<&Mutant>,
    ) -> Self {
        let before = model.clone();
        let first = act(model, first, mutant);
        let changed: BTreeSet<LockName> =
            model.take_changes().into_iter().map(|change| change.name).collect();
        let waits = waits(&before, &changed, second);
        let second = if waits {
            finish(model, &before, second, mutant)
        } else {
            pass_by(model, &before, &changed, second, mutant)
        };
        Self { first, waits, second }
    }
}

/// Whether an action has to wait for a row that the transaction before it has changed, or made.
fn waits(before: &Model, changed: &BTreeSet<LockName>, second: &Action) -> bool {
    let stood = |name: &LockName| before.row(name);
    match second {
        Action::Statement(statement) => {
            let mut locked = before.clone();
            changed.iter().for_each(|name| locked.lock_row(name));
            let makes = |name: &LockName| stood(name).is_none() && changed.contains(name);
            locked.waits_for(statement).is_some()
                || matches!(statement, Statement::Acquire(acquire) if makes(&acquire.name))
        }
        Action::GoWrite(name) => changed.contains(name),
        Action::GoRelease(name, rvn) => {
            changed.contains(name) && stood(name).is_some_and(|row| row.rvn == Some(*rvn))
        }
        Action::Restore(name, _) | Action::Delete(name) => {
            changed.contains(name) && stood(name).is_some()
        }
    }
}

/// What an action answers that has waited, and began when all was as before.
fn finish(model: &mut Model, begun: &Model, second: &Action, mutant: Option<&Mutant>) -> Outcome {
    let Action::Statement(statement) = second else { return act(model, second, mutant) };
    let before = model.clone();
    let outcome = model.finish(statement, begun.begin(statement));
    mutant.map_or(outcome.clone(), |mutant| mutant.spoil(second, begun, &before, model, outcome))
}

/// What an action answers that does not wait for the first one's rows: it sees them as they were and leaves
/// them alone.
fn pass_by(
    model: &mut Model,
    before: &Model,
    changed: &BTreeSet<LockName>,
    second: &Action,
    mutant: Option<&Mutant>,
) -> Outcome {
    let apart = apart(second, changed);
    let outcome = apart.as_ref().map(|action| act(model, action, mutant));
    if apart.as_ref() == Some(second) {
        return outcome.expect("an outcome");
    }
    let mut old = before.clone();
    changed.iter().for_each(|name| old.lock_row(name));
    match second {
        Action::Statement(statement) => old.execute(statement),
        _ => Outcome::Rows(Vec::new()),
    }
}

/// As much of an action as is not about the rows in `changed`.
fn apart(action: &Action, changed: &BTreeSet<LockName>) -> Option<Action> {
    let name = match action {
        Action::Statement(Statement::Renew(Renew { locks })) => {
            let others = |renewal: &&Renewal| !changed.contains(&renewal.name);
            let locks = locks.iter().filter(others).cloned().collect();
            return Some(Action::Statement(Statement::Renew(Renew { locks })));
        }
        Action::Statement(Statement::Acquire(acquire)) => &acquire.name,
        Action::Statement(Statement::Release(release)) => &release.name,
        Action::Statement(Statement::Amend(amend)) => &amend.name,
        Action::Statement(Statement::Evict(evict)) => &evict.name,
        Action::Statement(Statement::Look(look)) => &look.name,
        Action::Statement(Statement::LineUp(line_up)) => &line_up.name,
        Action::Statement(Statement::Read(Read::One(name))) => name,
        Action::Statement(_) => return Some(action.clone()),
        Action::GoWrite(name)
        | Action::GoRelease(name, _)
        | Action::Restore(name, _)
        | Action::Delete(name) => name,
    };
    (!changed.contains(name)).then(|| action.clone())
}
