//! The model of the advisory locks and a real server that make the same steps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pglock_testkit::advisory::{
    Answer, Command, Deadlock, Interruption, Postgres, Reply, Session, Table,
};
use pglock_tests::Server;

use super::mutants::Mutant;
use super::program::{SESSIONS, Step};
use super::server::{Heard, Picture, Sessions, sql, under};

/// How long the server may take to look for a deadlock.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a function answers that answers nothing.
const VOID: &str = "";

pub(crate) struct Pair {
    empty: Table,
    model: Table,
    mutant: Option<Mutant>,
    sessions: Sessions,
    seen: BTreeMap<String, u64>,
}

impl Pair {
    pub(crate) async fn new() -> Self {
        let sessions = Sessions::open(Server::shared().database()).await;
        let postgres = if sessions.passes().await { Postgres::Since17 } else { Postgres::Before17 };
        let empty = Table::new(postgres);
        Self { model: empty.clone(), empty, mutant: None, sessions, seen: BTreeMap::new() }
    }

    /// With a model that makes a mistake.
    pub(crate) fn spoilt_by(self, mutant: Mutant) -> Self {
        Self { mutant: Some(mutant), ..self }
    }

    /// With the model of another version of PostgreSQL than the server is.
    pub(crate) fn of_another_version(self) -> Self {
        let passing = Table::new(Postgres::Since17);
        let other = if self.empty == passing { Postgres::Before17 } else { Postgres::Since17 };
        Self { empty: Table::new(other), ..self }
    }

    /// No locks and no transactions on either side.
    pub(crate) async fn reset(&mut self) {
        self.sessions.reset().await;
        self.model = self.empty.clone();
    }

    pub(crate) const fn model(&self) -> &Table {
        &self.model
    }

    /// How often each answer was heard.
    pub(crate) const fn seen(&self) -> &BTreeMap<String, u64> {
        &self.seen
    }

    /// Whether a session can do it, and it is no waste of time.
    pub(crate) fn makes_sense(&self, step: Step) -> bool {
        let waits = |session| self.model.awaited(session).is_some();
        match step {
            Step::Cancel(session) => waits(session),
            Step::Terminate(_) => true,
            Step::Execute(session, _) | Step::Briefly(session, _) => !waits(session),
            // The check comes when the session has begun to wait. Only where it finds something can be seen
            // that it is over.
            Step::Checked(session, want) => {
                let mut waiting = self.model.clone();
                waiting.execute(session, Command::Take(want)).answer == Answer::Queued
                    && waiting.deadlock(session) != Deadlock::None
            }
        }
    }

    /// Makes a step on both; an error tells how they differ.
    pub(crate) async fn make(&mut self, step: Step) -> Result<(), String> {
        let expected = (self.foresee(step), self.picture());
        self.perform(step).await;
        let deadline = Instant::now() + PATIENCE;
        let mut heard = BTreeMap::new();
        loop {
            let picture = self.sessions.settle().await;
            heard.append(&mut self.sessions.take_answers());
            let there = same("what is heard", &expected.0, &heard)
                .and_then(|()| same("who holds and who waits", &expected.1, &picture));
            let checking =
                matches!(step, Step::Checked(session, _) if !heard.contains_key(&session));
            if there.is_ok() || !checking || Instant::now() > deadline {
                return there;
            }
        }
    }

    /// What those hear that hear something.
    fn foresee(&mut self, step: Step) -> BTreeMap<Session, Heard> {
        let before = self.model.clone();
        let (session, mut reply) = step.on(&mut self.model);
        let checked = if matches!(step, Step::Checked(..)) { ", checked" } else { "" };
        *self.seen.entry(format!("{:?}{checked}", reply.answer)).or_default() += 1;
        if let Some(mutant) = self.mutant {
            mutant.spoil(step, &before, &mut self.model, &mut reply);
        }
        let Reply { answer, woken } = reply;
        let heard_nothing = matches!(step, Step::Terminate(_)) && before.awaited(session).is_none();
        let own = heard(step, answer).filter(|_| !heard_nothing).map(|heard| (session, heard));
        let granted = |session| (session, Ok(Some(VOID.into())));
        woken.into_iter().map(granted).chain(own).collect()
    }

    async fn perform(&mut self, step: Step) {
        let sessions = &mut self.sessions;
        match step {
            Step::Execute(session, command) => sessions.begin(session, sql(command)).await,
            Step::Briefly(session, want) => {
                sessions.run(session, under("lock_timeout", Command::Take(want))).await;
            }
            Step::Checked(session, want) => {
                sessions.begin(session, under("deadlock_timeout", Command::Take(want))).await;
            }
            Step::Cancel(session) => sessions.cancel(session).await,
            Step::Terminate(session) => sessions.terminate(session).await,
        }
    }

    fn picture(&self) -> Picture {
        let waits = |session: &Session| self.model.awaited(*session).is_some();
        let blockers = |session| (session, self.model.blockers(session));
        let blockers = (1..=SESSIONS).filter(waits).map(blockers).collect();
        Picture { entries: self.model.entries(), blockers }
    }
}

impl Step {
    /// Makes it on the model. Whose step it is, and what comes of it.
    fn on(self, model: &mut Table) -> (Session, Reply) {
        match self {
            Self::Execute(session, command) => (session, model.execute(session, command)),
            Self::Briefly(session, want) => {
                let reply = model.execute(session, Command::Take(want));
                let passes = reply.answer == Answer::Queued;
                let late = |model: &mut Table| model.interrupt(session, Interruption::LockTimeout);
                (session, if passes { late(model) } else { reply })
            }
            Self::Checked(session, want) => {
                model.execute(session, Command::Take(want));
                (session, model.check_deadlock(session))
            }
            Self::Cancel(session) => (session, model.interrupt(session, Interruption::Cancel)),
            Self::Terminate(session) => (session, model.end(session)),
        }
    }
}

/// The answer as a client hears it; none is not yet.
fn heard(step: Step, answer: Answer) -> Option<Heard> {
    let tries = matches!(step, Step::Execute(_, Command::Try(_)));
    let calls = matches!(step, Step::Execute(_, Command::UnlockAll));
    let value = |text: &str| Some(Ok(Some(text.into())));
    match answer {
        Answer::Granted if tries => value("t"),
        Answer::Unlocked => value("t"),
        Answer::Busy | Answer::NotHeld => value("f"),
        Answer::Granted => value(VOID),
        Answer::Done if calls => value(VOID),
        Answer::Done => Some(Ok(None)),
        Answer::Queued | Answer::Unread => None,
        Answer::Failed(failure) => Some(Err(failure.sqlstate().into())),
        _ => panic!("an answer that this test does not know: {answer:?}"),
    }
}

fn same<T: std::fmt::Debug + PartialEq>(what: &str, model: &T, server: &T) -> Result<(), String> {
    if model == server {
        Ok(())
    } else {
        Err(format!("{what}\non the model:  {model:?}\non the server: {server:?}"))
    }
}
