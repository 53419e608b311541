//! The core's statements about advisory locks, on the model of a server with marked sessions and on a real one, in
//! lock step.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use pglock_core::{
    Advisory, AdvisoryMode, AdvisoryPlace, Call, Outcome, Sql, Statement, Table as LockTable,
};
use pglock_testkit::lockspace::Server as Model;
use pglock_tests::{Database, Listener, Server, Session as Connection, eventually, setting};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::TestCaseError;
use tokio::runtime::Runtime;

use crate::sequences::{Run, difference, runner, runtime};

const SESSIONS: usize = 3;
const STEPS_OF_A_PROGRAM: u64 = 60;

/// The first two are the same numbers.
const PLACES: [AdvisoryPlace; 3] =
    [AdvisoryPlace::Bigint(1), AdvisoryPlace::Pair(0, 1), AdvisoryPlace::Pair(-1, i32::MIN)];

/// Marks that no program's locks stand at.
const MARKS: [i64; 2] = [i64::MAX, i64::MAX - 1];

/// How long a statement waits, always in vain.
const SLICE: Duration = Duration::from_millis(2);

/// How many steps a mutant may live.
const STEPS_OF_A_MUTANT: u64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Say(usize, Advisory),
    /// `DISCARD ALL`.
    Discard(usize),
    /// `pg_advisory_unlock_all`.
    UnlockAll(usize),
    /// The session ends; another takes its place.
    End(usize),
}

#[test]
fn marked_sessions_do_what_the_server_does() {
    let (steps, seed) = (setting("PGLOCK_TEST_STEPS", 3_000), setting("PGLOCK_TEST_SEED", 1));
    let Run { made, difference } = compare(steps, seed, 500, Some);
    println!("{made} steps under seed {seed}");
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
}

#[test]
fn every_mutant_of_marked_sessions_is_seen() {
    println!("| mutant of marked sessions | steps |\n| --- | ---: |");
    for (what, hears) in MUTANTS {
        let Run { made, difference } = compare(STEPS_OF_A_MUTANT, 1, 0, *hears);
        assert!(difference.is_some(), "not seen in {made} steps: {what}");
        println!("| {what} | {made} |");
    }
}

/// What the model hears instead of a step.
type Mishears = fn(Step) -> Option<Step>;

const MUTANTS: &[(&str, Mishears)] = &[
    ("the mark does not count", |step| Some(step.with(|advisory| advisory.mark = MARKS[0]))),
    ("a session is not marked", |step| (step.call() != Some(Call::Enter)).then_some(step)),
    ("`DISCARD ALL` leaves everything", |step| (!matches!(step, Step::Discard(_))).then_some(step)),
    ("`DISCARD ALL` leaves the mark", |step| match step {
        Step::Discard(session) => Some(Step::UnlockAll(session)),
        other => Some(other),
    }),
    ("whoever unlocks all loses the mark", |step| match step {
        Step::UnlockAll(session) => Some(Step::Discard(session)),
        other => Some(other),
    }),
    ("a session's end leaves everything", |step| (!matches!(step, Step::End(_))).then_some(step)),
    ("all locks are exclusive", |step| {
        Some(step.with_call(|call| match call {
            Call::Try(place, _) => Call::Try(place, AdvisoryMode::Exclusive),
            Call::Ring(place, _) => Call::Ring(place, AdvisoryMode::Exclusive),
            Call::RingOn(place, _) => Call::RingOn(place, AdvisoryMode::Exclusive),
            Call::Take(place, _, slice) => Call::Take(place, AdvisoryMode::Exclusive, slice),
            other => other,
        }))
    }),
    ("all unlocks are exclusive", |step| {
        Some(step.with_call(|call| match call {
            Call::Unlock(place, _) => Call::Unlock(place, AdvisoryMode::Exclusive),
            other => other,
        }))
    }),
    ("whoever waits in vain has the lock", |step| {
        Some(step.with_call(|call| match call {
            Call::Take(..) => Call::Look,
            other => other,
        }))
    }),
    ("what was waited for is not held", |step| {
        // The place of no program.
        let nowhere = AdvisoryPlace::Bigint(-1);
        Some(step.with_call(|call| match call {
            Call::Take(_, mode, slice) => Call::Take(nowhere, mode, slice),
            other => other,
        }))
    }),
    ("a pair is a bigint", |step| {
        let place = |place| if place == PLACES[1] { PLACES[0] } else { place };
        Some(step.with_call(|call| match call {
            Call::Try(pair, mode) => Call::Try(place(pair), mode),
            Call::Ring(pair, mode) => Call::Ring(place(pair), mode),
            Call::RingOn(pair, mode) => Call::RingOn(place(pair), mode),
            Call::Take(pair, mode, slice) => Call::Take(place(pair), mode, slice),
            Call::Unlock(pair, mode) => Call::Unlock(place(pair), mode),
            Call::Quiet(pair) => Call::Quiet(place(pair)),
            other => other,
        }))
    }),
    ("nobody rings", |step| {
        Some(step.with_call(|call| match call {
            Call::Ring(place, mode) => Call::Try(place, mode),
            other => other,
        }))
    }),
    ("a bell that rings is rung anew", |step| {
        Some(step.with_call(|call| match call {
            Call::RingOn(place, mode) => Call::Ring(place, mode),
            other => other,
        }))
    }),
    ("a bell cannot be quieted", |step| {
        Some(step.with_call(|call| match call {
            Call::Quiet(_) => Call::Look,
            other => other,
        }))
    }),
    ("no token is drawn", |step| Some(step.with(|advisory| advisory.tokens = false))),
    ("a token is drawn by everybody", |step| Some(step.with(|advisory| advisory.tokens = true))),
];

impl Step {
    const fn call(self) -> Option<Call> {
        match self {
            Self::Say(_, Advisory { call, .. }) => Some(call),
            Self::Discard(_) | Self::UnlockAll(_) | Self::End(_) => None,
        }
    }

    fn with(self, change: impl Fn(&mut Advisory)) -> Self {
        match self {
            Self::Say(session, mut advisory) => {
                change(&mut advisory);
                Self::Say(session, advisory)
            }
            other => other,
        }
    }

    fn with_call(self, change: impl Fn(Call) -> Call) -> Self {
        self.with(|advisory| advisory.call = change(advisory.call))
    }
}

fn step() -> impl Strategy<Value = Step> {
    let session = || 0..SESSIONS;
    let advisory = (select(&MARKS[..]), any::<bool>(), call())
        .prop_map(|(mark, tokens, call)| Advisory { mark, tokens, call });
    prop_oneof![
        30 => (session(), advisory).prop_map(|(session, advisory)| Step::Say(session, advisory)),
        1 => session().prop_map(Step::Discard),
        1 => session().prop_map(Step::UnlockAll),
        1 => session().prop_map(Step::End),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let place = || select(&PLACES[..]);
    let mode = || select(&[AdvisoryMode::Exclusive, AdvisoryMode::Shared][..]);
    prop_oneof![
        2 => Just(Call::Enter),
        1 => Just(Call::Look),
        8 => (place(), mode()).prop_map(|(place, mode)| Call::Try(place, mode)),
        4 => (place(), mode()).prop_map(|(place, mode)| Call::Take(place, mode, SLICE)),
        4 => (place(), mode()).prop_map(|(place, mode)| Call::Ring(place, mode)),
        2 => (place(), mode()).prop_map(|(place, mode)| Call::RingOn(place, mode)),
        6 => (place(), mode()).prop_map(|(place, mode)| Call::Unlock(place, mode)),
        2 => place().prop_map(Call::Quiet),
    ]
}

/// Makes programs of about so many steps together on both.
fn compare(steps: u64, seed: u64, shrinks: u32, hears: Mishears) -> Run {
    let runtime: Runtime = runtime();
    let real = RefCell::new(runtime.block_on(Real::open()));
    let made = Cell::new(0);
    let (mut runner, lengths) = runner(steps, STEPS_OF_A_PROGRAM, seed, shrinks);
    let programs = proptest::collection::vec(step(), lengths);
    let result = runner.run(&programs, |steps| {
        let (mut model, mut real) = (Model::default(), real.borrow_mut());
        runtime.block_on(async {
            real.reset().await;
            for step in steps {
                made.set(made.get() + 1);
                let expected = hears(step).map(|heard| on_model(&mut model, heard));
                let seen = real.make(step).await;
                // What the model has not heard is not compared itself, only what comes after it.
                if expected.as_ref().is_some_and(|expected| *expected != seen) {
                    let words = format!("{expected:?} on the model, {seen:?} on the server");
                    return Err(TestCaseError::fail(words));
                }
            }
            Ok(())
        })
    });
    Run { made: made.get(), difference: difference(result, "after") }
}

/// What is answered and what others are told, in words that leave out what no two servers say alike.
fn on_model(model: &mut Model, step: Step) -> Option<String> {
    let session = |session: usize| u32::try_from(session).unwrap();
    match step {
        Step::Say(who, advisory) => {
            let outcome = model.execute(session(who), &Statement::Advisory(advisory));
            let told = std::iter::from_fn(|| model.pop_told());
            let told: Vec<_> = told.map(AdvisoryPlace::notification).collect();
            return Some(words(&outcome, &told));
        }
        Step::Discard(who) => model.discard(session(who)),
        Step::UnlockAll(who) => model.unlock_all(session(who)),
        Step::End(who) => model.end(session(who)),
    }
    None
}

fn words(outcome: &Outcome, told: &[String]) -> String {
    match outcome {
        Outcome::Failed(error) => format!("{}, {told:?}", error.sqlstate),
        outcome => format!("{outcome:?}, {told:?}"),
    }
}

struct Real {
    database: Database,
    watcher: Connection,
    listener: Listener,
    connections: Vec<Connection>,
    sql: Sql,
}

impl Real {
    async fn open() -> Self {
        let database = Server::shared().database();
        let watcher = database.connect().await;
        let mut connections = Vec::new();
        for _ in 0..SESSIONS {
            connections.push(database.connect().await);
        }
        let sql = Sql::new(&LockTable::default());
        watcher.run(&sql.query(&Statement::CreateTable)).await;
        let listener = database.listen("pglock_advisory").await;
        Self { database, watcher, listener, connections, sql }
    }

    async fn reset(&mut self) {
        self.watcher.execute("ALTER SEQUENCE locks_token RESTART").await;
        for connection in &self.connections {
            connection.execute("DISCARD ALL").await;
        }
    }

    async fn make(&mut self, step: Step) -> Option<String> {
        match step {
            Step::Say(who, advisory) => {
                let statement = Statement::Advisory(advisory);
                let outcome = self.connections[who].run(&self.sql.query(&statement)).await;
                return Some(words(&outcome, &self.listener.heard().await));
            }
            Step::Discard(who) => self.connections[who].execute("DISCARD ALL").await,
            Step::UnlockAll(who) => {
                self.connections[who].execute("SELECT pg_advisory_unlock_all()").await;
            }
            Step::End(who) => self.end(who).await,
        }
        None
    }

    async fn end(&mut self, who: usize) {
        let pid = self.connections[who].pid();
        self.connections[who] = self.database.connect().await;
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        let is_gone = async || self.watcher.ask(&gone).await.as_deref() == Some("0");
        eventually("the session is gone", is_gone).await;
    }
}
