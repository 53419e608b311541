//! Mistakes of the model of advisory locks, made on purpose; see the mutants of the lock table.

use pglock_core::AdvisoryPlace;
use pglock_testkit::advisory::{
    AdvisoryMode, Answer, Command, Count, Failure, Hold, Level, Lock, Reply, Session, Table,
    Waiter, Want,
};
use tokio::runtime::Runtime;

use super::pair::Pair;
use super::program::Step;
use super::run;
use crate::sequences::{Run, runtime};

/// How many steps a mutant may live.
const STEPS: u64 = 20_000;

#[test]
fn every_mutant_of_the_model_of_advisory_locks_is_seen() {
    let runtime = runtime();
    println!("| mutant of the model of advisory locks | steps |\n| --- | ---: |");
    for (what, spoil) in MUTANTS {
        let pair = runtime.block_on(Pair::new()).spoilt_by(Mutant(*spoil));
        is_seen(&runtime, what, pair);
    }
    let pair = runtime.block_on(Pair::new()).of_another_version();
    is_seen(&runtime, "a try comes to what it does on another version", pair);
}

fn is_seen(runtime: &Runtime, what: &str, pair: Pair) {
    let (Run { made, difference }, _) = run(runtime, pair, STEPS, 1, 0);
    assert!(difference.is_some(), "not seen in {made} steps: {what}");
    println!("| {what} | {made} |");
}

/// A mistake that is made after a step.
#[derive(Clone, Copy)]
pub(crate) struct Mutant(fn(&mut Done<'_>));

impl Mutant {
    /// Changes what the step leaves and what it answers.
    pub(crate) fn spoil(self, step: Step, before: &Table, model: &mut Table, reply: &mut Reply) {
        (self.0)(&mut Done { step, before, model, reply });
    }
}

/// A step, and what came of it.
struct Done<'a> {
    step: Step,
    before: &'a Table,
    model: &'a mut Table,
    reply: &'a mut Reply,
}

type Spoil = fn(&mut Done<'_>);

const MUTANTS: &[(&str, Spoil)] = &[
    ("a try does not heed those that wait", |done| {
        if let Some((session, want)) = done.tried(Answer::Busy)
            && !is_held(done.before, session, want)
        {
            done.grant(session, want);
        }
    }),
    ("a take does not heed those that wait", |done| {
        if let Some((session, want)) = done.queued()
            && !is_held(done.before, session, want)
        {
            done.model.edit(want.place, |lock| {
                lock.queue.retain(|waiter| waiter.session != session);
            });
            done.grant(session, want);
        }
    }),
    ("a holder's try in the same mode waits for its turn", |done| {
        if let Some((_, want)) = done.tried(Answer::Granted)
            && lock(done.before, want.place)
                .queue
                .iter()
                .any(|waiter| waiter.mode.conflicts(want.mode))
        {
            done.undo(Answer::Busy);
        }
    }),
    ("a holder waits behind those that wait for it", |done| {
        if let Some((session, want)) = done.queued() {
            done.model.edit(want.place, |lock| {
                lock.queue.sort_by_key(|waiter| waiter.session == session)
            });
        }
    }),
    ("all who ask are served before those that wait", |done| {
        if let Some((session, want)) = done.queued() {
            done.model.edit(want.place, |lock| {
                lock.queue.sort_by_key(|waiter| waiter.session != session)
            });
        }
    }),
    ("two holders that both want a key alone wait for each other", |done| {
        if let (Step::Execute(session, Command::Take(want)), Answer::Failed(Failure::Deadlock)) =
            (done.step, done.reply.answer)
        {
            done.undo(Answer::Queued);
            done.model.edit(want.place, |lock| lock.queue.push(waiter(session, want)));
        }
    }),
    ("the last in the queue is woken first", |done| {
        if let [first] = done.reply.woken[..]
            && let Some(want) = done.before.awaited(first)
            && let Some(last) = lock(done.model, want.place).queue.pop()
        {
            done.send_back(first);
            done.model.edit(want.place, |lock| {
                lock.queue.pop();
                grant(lock, last);
            });
            done.reply.woken.push(last.session);
        }
    }),
    ("only the first that may share is woken", |done| {
        let late: Vec<_> = done.reply.woken.iter().copied().skip(1).collect();
        late.into_iter().for_each(|session| done.send_back(session));
    }),
    ("those behind one that gives up stay where they are", |done| {
        if let Step::Cancel(_) = done.step {
            done.reply.woken.clone().into_iter().for_each(|session| done.send_back(session));
        }
    }),
    ("an unlock of what is not held answers true", |done| {
        if done.reply.answer == Answer::NotHeld {
            done.reply.answer = Answer::Unlocked;
        }
    }),
    ("a transaction's lock can be unlocked", |done| {
        if let Some((session, place, mode)) = done.unlocked(Answer::NotHeld)
            && hold(done.before, place, session).count(mode).transaction
        {
            done.reply.answer = Answer::Unlocked;
            done.change(place, session, |hold| count(hold, mode).transaction = false);
        }
    }),
    ("unlocking all ends a transaction's locks", |done| {
        if let Step::Execute(session, Command::UnlockAll) = done.step
            && done.reply.answer == Answer::Done
        {
            done.change_all(session, |count| count.transaction = false);
        }
    }),
    ("how often a key was taken is not counted", |done| {
        if let Some((session, place, mode)) = done.unlocked(Answer::Unlocked) {
            done.change(place, session, |hold| count(hold, mode).session = 0);
        }
    }),
    ("an unlock does not look at the mode", |done| {
        if let Some((session, place, mode)) = done.unlocked(Answer::NotHeld) {
            *done.reply = done.model.execute(session, Command::Unlock(place, other(mode)));
        }
    }),
    ("an unlock unlocks both modes", |done| {
        if let Some((session, place, mode)) = done.unlocked(Answer::Unlocked) {
            let also = done.model.execute(session, Command::Unlock(place, other(mode)));
            done.reply.woken.extend(also.woken);
        }
    }),
    ("a shared lock keeps others out", |done| {
        if let Some((session, want)) = done.tried(Answer::Granted)
            && want.mode == AdvisoryMode::Shared
            && others(done.before, session, want.place) > 0
        {
            done.undo(Answer::Busy);
        }
    }),
    ("a key that others share can be had alone", |done| {
        if let Some((session, want)) = done.tried(Answer::Busy)
            && want.mode == AdvisoryMode::Exclusive
            && !is_held(done.before, session, Want { mode: AdvisoryMode::Shared, ..want })
        {
            done.grant(session, want);
        }
    }),
    ("a try waits", |done| {
        if let Some((session, want)) = done.tried(Answer::Busy) {
            done.reply.answer = Answer::Queued;
            done.model.edit(want.place, |lock| lock.queue.push(waiter(session, want)));
        }
    }),
    ("a session's locks end with a rollback", |done| {
        if let Step::Execute(session, Command::Rollback) = done.step {
            let freed = done.model.execute(session, Command::UnlockAll);
            done.reply.woken.extend(freed.woken);
        }
    }),
    ("a transaction's locks survive the commit", |done| {
        if let Step::Execute(session, Command::Commit) = done.step {
            done.revive(session);
        }
    }),
    ("a transaction's locks survive its failing", |done| {
        if matches!(done.reply.answer, Answer::Failed(_)) && !done.is_terminated() {
            done.revive(done.step.session());
        }
    }),
    ("a session's locks end with a failed transaction", |done| {
        if matches!(done.reply.answer, Answer::Failed(_)) {
            let session = done.step.session();
            done.change_all(session, |count| count.session = 0);
        }
    }),
    ("a failed transaction goes on", |done| {
        if let Step::Execute(session, command) = done.step
            && done.reply.answer == Answer::Failed(Failure::InFailedTransaction)
        {
            done.model.execute(session, Command::Rollback);
            done.model.execute(session, Command::Begin);
            *done.reply = done.model.execute(session, command);
        }
    }),
    ("a transaction's lock outlives a statement without one", |done| {
        if let Step::Execute(session, Command::Try(want)) = done.step
            && (want.level, done.reply.answer) == (Level::Transaction, Answer::Granted)
        {
            done.model.edit(want.place, |lock| grant(lock, waiter(session, want)));
        }
    }),
    ("discarding all leaves what a session holds", |done| {
        if done.step.is(Command::DiscardAll) && done.reply.answer == Answer::Done {
            done.undo(Answer::Done);
        }
    }),
    ("discarding all can be done in a transaction", |done| {
        if done.reply.answer == Answer::Failed(Failure::ActiveTransaction) {
            done.undo(Answer::Done);
        }
    }),
    ("one that is ended stays in the queue", |done| {
        if let Step::Terminate(session) = done.step {
            done.stay(session);
        }
    }),
    ("one that is cancelled stays in the queue", |done| {
        if let Step::Cancel(session) = done.step {
            done.stay(session);
        }
    }),
    ("what one holds that is ended stays", |done| {
        if let Step::Terminate(session) = done.step {
            for (place, before) in done.before.locks() {
                let held = before.holds.get(&session).map(|hold| (session, *hold));
                done.model.edit(place, |lock| lock.holds.extend(held));
            }
        }
    }),
    ("a wait that was too long has the lock all the same", |done| {
        if let Step::Briefly(session, want) = done.step
            && done.reply.answer == Answer::Failed(Failure::LockTimeout)
        {
            done.model.edit(want.place, |lock| grant(lock, waiter(session, want)));
        }
    }),
    ("a cancelled wait is called too long", |done| {
        done.recode(Failure::Cancelled, Failure::LockTimeout);
    }),
    ("a wait that was too long is called cancelled", |done| {
        done.recode(Failure::LockTimeout, Failure::Cancelled);
    }),
    ("an ended session is called cancelled", |done| {
        done.recode(Failure::Terminated, Failure::Cancelled);
    }),
    ("the victim of a deadlock goes on waiting", |done| {
        if done.reply.answer == Answer::Failed(Failure::Deadlock) {
            done.wait_on();
        }
    }),
    ("queues are never put into another order", |done| {
        if done.reply.answer != Answer::Failed(Failure::Deadlock) {
            done.wait_on();
        }
    }),
    ("one number and two numbers are one key", |done| {
        if let Some((session, want)) = done.tried(Answer::Granted)
            && others(done.before, session, twin(want.place)) > 0
        {
            done.undo(Answer::Busy);
        }
    }),
];

impl Done<'_> {
    /// A try for the session itself that has this answer.
    fn tried(&self, answer: Answer) -> Option<(Session, Want)> {
        match self.step {
            Step::Execute(session, Command::Try(want))
                if want.level == Level::Session && self.reply.answer == answer =>
            {
                Some((session, want))
            }
            _ => None,
        }
    }

    /// A take for the session itself that waits.
    fn queued(&self) -> Option<(Session, Want)> {
        match self.step {
            Step::Execute(session, Command::Take(want))
                if want.level == Level::Session && self.reply.answer == Answer::Queued =>
            {
                Some((session, want))
            }
            _ => None,
        }
    }

    /// An unlock that has this answer.
    fn unlocked(&self, answer: Answer) -> Option<(Session, AdvisoryPlace, AdvisoryMode)> {
        match self.step {
            Step::Execute(session, Command::Unlock(place, mode)) if self.reply.answer == answer => {
                Some((session, place, mode))
            }
            _ => None,
        }
    }

    const fn is_terminated(&self) -> bool {
        matches!(self.step, Step::Terminate(_))
    }

    fn grant(&mut self, session: Session, want: Want) {
        self.reply.answer = Answer::Granted;
        self.model.edit(want.place, |lock| grant(lock, waiter(session, want)));
    }

    /// Nothing happens, whatever is answered.
    fn undo(&mut self, answer: Answer) {
        *self.model = self.before.clone();
        *self.reply = Reply { answer, woken: Vec::new() };
    }

    /// The server's check for deadlocks finds nothing.
    fn wait_on(&mut self) {
        if let Step::Checked(session, want) = self.step {
            *self.model = self.before.clone();
            *self.reply = self.model.execute(session, Command::Take(want));
        }
    }

    /// One that was woken to keep the lock waits again, as the last.
    fn send_back(&mut self, session: Session) {
        let want = self.before.awaited(session).filter(|want| want.level == Level::Session);
        let Some(want) = want else { return };
        self.reply.woken.retain(|woken| *woken != session);
        self.change(want.place, session, |hold| count(hold, want.mode).session -= 1);
        self.model.edit(want.place, |lock| lock.queue.push(waiter(session, want)));
    }

    /// One that waited before the step waits after it.
    fn stay(&mut self, session: Session) {
        if let Some(want) = self.before.awaited(session) {
            self.model.edit(want.place, |lock| lock.queue.push(waiter(session, want)));
        }
    }

    fn change(&mut self, place: AdvisoryPlace, session: Session, change: impl FnOnce(&mut Hold)) {
        self.model.edit(place, |lock| {
            lock.holds.get_mut(&session).map(change);
        });
    }

    fn change_all(&mut self, session: Session, change: fn(&mut Count)) {
        for (place, _) in self.before.locks() {
            for mode in MODES {
                self.change(place, session, |hold| change(count(hold, mode)));
            }
        }
    }

    /// What was held for the transaction before the step is held after it.
    fn revive(&mut self, session: Session) {
        for (place, before) in self.before.locks() {
            let Some(held) = before.holds.get(&session) else { continue };
            self.model.edit(place, |lock| {
                let hold = lock.holds.entry(session).or_default();
                for mode in MODES {
                    count(hold, mode).transaction |= held.count(mode).transaction;
                }
            });
        }
    }

    fn recode(&mut self, from: Failure, to: Failure) {
        if self.reply.answer == Answer::Failed(from) {
            self.reply.answer = Answer::Failed(to);
        }
    }
}

const MODES: [AdvisoryMode; 2] = [AdvisoryMode::Exclusive, AdvisoryMode::Shared];

const fn other(mode: AdvisoryMode) -> AdvisoryMode {
    match mode {
        AdvisoryMode::Exclusive => AdvisoryMode::Shared,
        AdvisoryMode::Shared => AdvisoryMode::Exclusive,
    }
}

/// The key of the other kind with the same numbers.
fn twin(place: AdvisoryPlace) -> AdvisoryPlace {
    match place {
        AdvisoryPlace::Bigint(key) => {
            let half = |half: i64| u32::try_from(half & 0xFFFF_FFFF).unwrap().cast_signed();
            AdvisoryPlace::Pair(half(key >> 32), half(key))
        }
        AdvisoryPlace::Pair(first, second) => {
            AdvisoryPlace::Bigint((i64::from(first) << 32) | i64::from(second.cast_unsigned()))
        }
    }
}

fn lock(table: &Table, place: AdvisoryPlace) -> Lock {
    let found = table.locks().find(|(known, _)| *known == place);
    found.map(|(_, lock)| lock.clone()).unwrap_or_default()
}

fn hold(table: &Table, place: AdvisoryPlace, session: Session) -> Hold {
    lock(table, place).holds.get(&session).copied().unwrap_or_default()
}

const fn count(hold: &mut Hold, mode: AdvisoryMode) -> &mut Count {
    match mode {
        AdvisoryMode::Exclusive => &mut hold.exclusive,
        AdvisoryMode::Shared => &mut hold.shared,
    }
}

const fn waiter(session: Session, Want { mode, level, .. }: Want) -> Waiter {
    Waiter { session, mode, level }
}

fn grant(lock: &mut Lock, Waiter { session, mode, level }: Waiter) {
    let count = count(lock.holds.entry(session).or_default(), mode);
    match level {
        Level::Session => count.session += 1,
        Level::Transaction => count.transaction = true,
    }
}

/// How many others hold a key.
fn others(table: &Table, session: Session, place: AdvisoryPlace) -> usize {
    lock(table, place).holds.keys().filter(|holder| **holder != session).count()
}

/// Whether another holds what a session wants.
fn is_held(table: &Table, session: Session, want: Want) -> bool {
    let against = |hold: &Hold| hold.modes().any(|mode| mode.conflicts(want.mode));
    lock(table, want.place).holds.iter().any(|(holder, hold)| *holder != session && against(hold))
}

impl Step {
    const fn session(self) -> Session {
        match self {
            Self::Execute(session, _)
            | Self::Briefly(session, _)
            | Self::Checked(session, _)
            | Self::Cancel(session)
            | Self::Terminate(session) => session,
        }
    }

    fn is(self, wanted: Command) -> bool {
        matches!(self, Self::Execute(_, command) if command == wanted)
    }
}
