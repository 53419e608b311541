//! Whatever a driver brings, in whatever order: the client never panics, comes to rest with a wake-up
//! in the future, ends every lock exactly once, and never believes beyond a deadline.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use pglock_core::{
    Amendment, AskError, Command, Event, Instant, LockId, Outcome, Question, Request, Row,
    ServerError, SessionId, Severity, SqlState, Statement, Value, Wait,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::rig::{Door, Rig, error, foreign, granted, name_of, refused, verdict};

#[derive(Clone, Debug)]
enum Step {
    Ask(u8, Wait),
    Release(usize),
    Cancel(usize),
    Heartbeat(usize),
    Amend(usize, Option<u64>),
    Question(u8),
    Answer(usize, Answer),
    AnswerAgain(usize),
    /// Of any connection that was ever asked for.
    Connected(usize),
    Disconnected(usize, Option<&'static str>),
    Stray(Stray),
    Pass(u64),
    /// The clock reads so many nanoseconds less than it ever can.
    NearTheEnd(u64),
    TurnBack(u64),
    Reachable(bool),
}

/// Input about what this client has never heard of.
#[derive(Clone, Debug)]
enum Stray {
    Lock,
    Session,
    Outcome(Answer),
}

/// Another client, who has come so far that its ids are none of the first's.
struct Stranger {
    lock: LockId,
    session: SessionId,
    command: Command,
}

impl Stranger {
    fn met() -> &'static Self {
        static STRANGER: OnceLock<Stranger> = OnceLock::new();
        STRANGER.get_or_init(|| {
            let mut rig = Rig::new();
            for _ in 0..1_000 {
                let lock = rig.ask("a", Wait::ForEver);
                rig.client.cancel(lock, rig.now).unwrap();
            }
            rig.ask("a", Wait::ForEver);
            for _ in 0..1_000 {
                let command = rig.until_command();
                rig.answer(&command, Outcome::Lost);
            }
            let command = rig.until_command();
            Self { lock: rig.last(), session: command.session(), command }
        })
    }
}

#[derive(Clone, Debug)]
enum Answer {
    Fitting,
    Refusing(i64, i64),
    Rows(Vec<Row>),
    Error(&'static str, Severity),
    Lost,
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int8),
        any::<bool>().prop_map(Value::Bool),
        "[a-c]|renewed|lost".prop_map(Value::Text),
        vec(any::<u8>(), 0..3).prop_map(Value::Bytea),
    ]
}

fn answer() -> impl Strategy<Value = Answer> {
    let codes = ["40001", "55P03", "57P01", "25006", "42P01", "08006", "26000", "53300"];
    let severities = [Severity::Error, Severity::Error, Severity::Fatal];
    prop_oneof![
        6 => Just(Answer::Fitting),
        3 => (0..4_i64, -5..30_000_i64).prop_map(|(rvn, lease)| Answer::Refusing(rvn, lease)),
        1 => vec(vec(value(), 0..7).prop_map(Row), 0..3).prop_map(Answer::Rows),
        2 => (prop::sample::select(codes.to_vec()), prop::sample::select(severities.to_vec()))
            .prop_map(|(code, severity)| Answer::Error(code, severity)),
        2 => Just(Answer::Lost),
    ]
}

fn stray() -> impl Strategy<Value = Stray> {
    prop_oneof![Just(Stray::Lock), Just(Stray::Session), answer().prop_map(Stray::Outcome),]
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        Just(Wait::ForEver),
        Just(Wait::Try),
        Just(Wait::Probe),
        (0..30_000_u64).prop_map(|ms| Wait::AtMost(Duration::from_millis(ms))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let any_lock = || 0..6_usize;
    prop_oneof![
        4 => (0..3_u8, wait()).prop_map(|(name, wait)| Step::Ask(name, wait)),
        2 => any_lock().prop_map(Step::Release),
        1 => any_lock().prop_map(Step::Cancel),
        1 => any_lock().prop_map(Step::Heartbeat),
        1 => (any_lock(), prop::option::of(1..700_000_u64)).prop_map(|(n, ms)| Step::Amend(n, ms)),
        1 => (0..4_u8).prop_map(Step::Question),
        12 => (0..4_usize, answer()).prop_map(|(n, answer)| Step::Answer(n, answer)),
        1 => (0..8_usize).prop_map(Step::AnswerAgain),
        1 => (0..6_usize).prop_map(Step::Connected),
        2 => (0..6_usize, prop::sample::select(vec![None, Some("28P01"), Some("57P03")]))
            .prop_map(|(n, code)| Step::Disconnected(n, code)),
        2 => stray().prop_map(Step::Stray),
        6 => (0..8_000_u64).prop_map(Step::Pass),
        1 => (0..9_000_u64).prop_map(Step::TurnBack),
        1 => any::<bool>().prop_map(Step::Reachable),
    ]
}

/// Steps, and from one of them on, in every second history, a clock that comes to its end.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let left = prop_oneof![0..4_u64, 0..40_000_000_000_u64].prop_map(Step::NearTheEnd);
    (vec(step(), 0..80), prop::option::of((any::<prop::sample::Index>(), left))).prop_map(
        |(mut steps, end)| {
            if let Some((place, left)) = end {
                steps.insert(place.index(steps.len() + 1), left);
            }
            steps
        },
    )
}

/// The client, and what a test of its promises must remember.
struct World {
    rig: Rig,
    asked: Vec<LockId>,
    ended: BTreeMap<LockId, Event>,
    answered: Vec<Command>,
}

impl World {
    fn new() -> Self {
        Self { rig: Rig::new(), asked: vec![], ended: BTreeMap::new(), answered: vec![] }
    }

    fn take(&mut self, step: Step) {
        let now = self.rig.now;
        let lock = |n: usize| self.asked.iter().rev().nth(n).copied();
        match step {
            Step::Ask(name, wait) => {
                let mut request = Request::new(name_of(["a", "b", "c"][usize::from(name)]));
                request.wait = wait;
                self.asked.extend(self.rig.client.acquire(request, now));
            }
            Step::Release(n) => {
                let _ = lock(n).map(|lock| self.rig.client.release(lock, now));
            }
            Step::Cancel(n) => {
                let _ = lock(n).map(|lock| self.rig.client.cancel(lock, now));
            }
            Step::Heartbeat(n) => {
                let _ = lock(n).map(|lock| self.rig.client.heartbeat(lock, now));
            }
            Step::Amend(n, lease) => {
                let lease = lease.map(Duration::from_millis);
                let amendment = Amendment { lease, data: Some(None) };
                let _ = lock(n).map(|lock| self.rig.client.amend(lock, amendment, now));
            }
            Step::Question(n) => {
                let _ = self.rig.client.ask(question(n), now);
            }
            Step::Answer(n, answer) => self.answer(n, answer),
            Step::AnswerAgain(n) => {
                if let Some(command) = self.answered.iter().rev().nth(n).cloned() {
                    let outcome = outcome(&command, Answer::Fitting);
                    self.rig.client.handle_outcome(command.id(), outcome, now);
                }
            }
            Step::Connected(n) => {
                let _ = self.session(n).map(|session| {
                    self.rig.client.handle_connected(session, now);
                });
            }
            Step::Disconnected(n, code) => {
                let _ = self.session(n).map(|session| {
                    self.rig.client.handle_disconnected(session, code.map(error), now);
                });
            }
            Step::Stray(stray) => self.stray(stray),
            Step::Pass(ms) => self.rig.now = now.saturating_add(Duration::from_millis(ms)),
            Step::NearTheEnd(left) => self.rig.now = now.max(Instant::from_nanos(u64::MAX - left)),
            Step::TurnBack(ms) => {
                let earlier = now.as_nanos().saturating_sub(ms * 1_000_000);
                self.rig.client.handle_timeout(Instant::from_nanos(earlier));
            }
            Step::Reachable(true) => self.rig.door = Door::Open,
            Step::Reachable(false) => self.rig.door = Door::Shut(None),
        }
    }

    fn session(&self, n: usize) -> Option<SessionId> {
        self.rig.opened.iter().rev().nth(n).map(|(session, _)| *session)
    }

    /// Nothing of it may change anything but the count of what was ignored.
    fn stray(&mut self, stray: Stray) {
        let Stranger { lock, session, command } = Stranger::met();
        let (client, now) = (&mut self.rig.client, self.rig.now);
        client.handle_timeout(now);
        let before = client.clone();
        match stray {
            Stray::Lock => {
                let not_held = Err(AskError::NotHeld(*lock));
                let amendment = Amendment { lease: None, data: Some(None) };
                assert_eq!(client.release(*lock, now), not_held);
                assert_eq!(client.cancel(*lock, now), not_held);
                assert_eq!(client.heartbeat(*lock, now), not_held);
                assert_eq!(client.amend(*lock, amendment, now), not_held);
                assert_eq!(client.valid_until(*lock), None);
            }
            Stray::Session => {
                client.handle_connected(*session, now);
                client.handle_disconnected(*session, None, now);
            }
            Stray::Outcome(answer) => {
                let ignored = before.counters().ignored_outcomes;
                client.handle_outcome(command.id(), outcome(command, answer), now);
                assert_eq!(client.counters().ignored_outcomes, ignored + 1);
                return;
            }
        }
        assert_eq!(*client, before);
    }

    fn answer(&mut self, n: usize, answer: Answer) {
        if n < self.rig.commands.len() {
            let command = self.rig.commands.remove(n);
            let outcome = outcome(&command, answer);
            self.rig.client.handle_outcome(command.id(), outcome, self.rig.now);
            self.answered.push(command);
        }
    }

    /// Drains, which asserts that the wake-up lies in the future, and looks at every promise.
    fn check(&mut self) {
        self.rig.drain();
        for event in std::mem::take(&mut self.rig.events) {
            let Some(lock) = event.lock() else { continue };
            assert!(!self.ended.contains_key(&lock), "{event:?} after {:?}", self.ended[&lock]);
            if event.is_terminal() {
                self.ended.insert(lock, event);
            }
        }
        for lock in &self.asked {
            let valid_until = self.rig.client.valid_until(*lock);
            assert!(valid_until.is_none_or(|until| until > self.rig.now), "held past its deadline");
            assert!(valid_until.is_none() || !self.ended.contains_key(lock), "held after its end");
        }
    }

    /// Shuts down without a server and waits as long as it takes.
    fn end(mut self) {
        self.rig.door = Door::Shut(None);
        self.rig.client.shut_down(self.rig.now);
        for _ in 0..10_000 {
            self.check();
            let wake = self.rig.drain();
            match wake.at {
                Some(at) => self.rig.now = at,
                None => break,
            }
        }
        self.check();
        let open: Vec<_> =
            self.asked.iter().filter(|lock| !self.ended.contains_key(lock)).collect();
        assert!(open.is_empty(), "never ended: {open:?}");
        assert!(self.rig.client.is_shut_down());
    }
}

fn question(n: u8) -> Question {
    match n {
        0 => Question::Get(name_of("a")),
        1 => Question::List { prefix: String::new() },
        2 => Question::CheckTable,
        _ => Question::CreateTable,
    }
}

fn outcome(command: &Command, answer: Answer) -> Outcome {
    let rows = match (answer, command.statement()) {
        (Answer::Lost, _) => return Outcome::Lost,
        (Answer::Error(code, severity), _) => {
            let sqlstate = SqlState::new(code);
            return Outcome::Failed(ServerError { severity, sqlstate, message: String::new() });
        }
        (Answer::Rows(rows), _) => rows,
        (Answer::Refusing(rvn, lease), _) => vec![refused(foreign(rvn), lease)],
        (Answer::Fitting, Statement::Acquire(_)) => vec![granted(command, 1)],
        (Answer::Fitting, Statement::Renew(renew)) => {
            renew.locks.iter().map(|lock| verdict(lock.name.as_str(), "renewed")).collect()
        }
        (Answer::Fitting, Statement::Amend(_) | Statement::Release(_)) => {
            vec![Row(vec![Value::Int8(20_000)])]
        }
        (Answer::Fitting, _) => vec![],
    };
    Outcome::Rows(rows)
}

proptest! {
    #[test]
    fn any_driver(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check();
        }
        world.end();
    }
}
