//! Random programs over the adapters' API, async and blocking, answer what a small model of a lock says they
//! must.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{FutureExt, future};
use pglock_driver::{
    BootClock, Command, ConnectError, Error, Lock, Locks, Loss, Options, Outcome, SessionKind,
    blocking,
};
use pglock_testkit::rehearsal::{Client, Rehearsal, Stage};
use pglock_testkit::{Server, Tape};
use proptest::prelude::*;

const NAMES: [&str; 2] = ["mail", "cron"];
const OWNERS: [&str; 3] = ["ann", "bob", "cyd"];

/// One step of a program. Those about a lock that its name's holder must take are nothing if nobody holds it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire { owner: usize, name: usize, how: How, content: Content },
    Release { name: usize },
    DropGuard { name: usize },
    SetData { name: usize, data: Option<u8> },
    Renew { name: usize },
    Extend { name: usize },
    Read { owner: usize, name: usize },
    Evict { owner: usize, name: usize },
}

#[derive(Clone, Copy, Debug)]
enum How {
    Try,
    Probe,
    /// Long enough if the lock is free.
    Within,
}

#[derive(Clone, Copy, Debug, Default)]
struct Content {
    data: Option<u8>,
    replace: bool,
    keep: bool,
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Granted {
        data: Option<u8>,
    },
    Busy,
    TimedOut,
    Done,
    /// Its owner, whether it is held, its data.
    Row(Option<(usize, bool, Option<u8>)>),
    Evicted,
}

/// A lock as its callers know it.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// The last one, and whether it holds the lock.
    owner: Option<usize>,
    held: bool,
    keep: bool,
    data: Option<u8>,
}

impl Row {
    /// What a step must answer; nothing if it cannot be made.
    fn step(&mut self, step: Step) -> Option<Answer> {
        match step {
            Step::Acquire { owner, how, content, .. } => Some(self.acquire(owner, how, content)),
            Step::Read { .. } => {
                Some(Answer::Row(self.owner.map(|owner| (owner, self.held, self.data))))
            }
            _ if !self.held => None,
            Step::Release { .. } | Step::DropGuard { .. } => {
                self.held = false;
                self.data = self.data.filter(|_| self.keep);
                Some(Answer::Done)
            }
            Step::SetData { data, .. } => {
                self.data = data;
                Some(Answer::Done)
            }
            Step::Renew { .. } | Step::Extend { .. } => Some(Answer::Done),
            Step::Evict { .. } => {
                self.held = false;
                Some(Answer::Evicted)
            }
        }
    }

    fn acquire(&mut self, owner: usize, how: How, content: Content) -> Answer {
        if self.held {
            return match how {
                How::Try | How::Probe => Answer::Busy,
                How::Within => Answer::TimedOut,
            };
        }
        if content.replace || self.data.is_none() {
            self.data = content.data;
        }
        *self = Self { owner: Some(owner), held: true, keep: content.keep, data: self.data };
        Answer::Granted { data: self.data }
    }
}

fn model(program: &[Step]) -> Vec<Option<Answer>> {
    let mut rows = [Row::default(); NAMES.len()];
    program.iter().map(|step| rows[step.name()].step(*step)).collect()
}

impl Step {
    const fn name(self) -> usize {
        match self {
            Self::Acquire { name, .. }
            | Self::Release { name }
            | Self::DropGuard { name }
            | Self::SetData { name, .. }
            | Self::Renew { name }
            | Self::Extend { name }
            | Self::Read { name, .. }
            | Self::Evict { name, .. } => name,
        }
    }
}

/// Plays programs on the one API or the other: they differ only in how one waits.
macro_rules! player {
    ($name:ident, $locks:ty, $lock:ty, [$($async:tt)?], [$($await:tt)*]) => {
        struct $name {
            locks: Vec<$locks>,
            held: [Option<$lock>; NAMES.len()],
            /// The last token of each name.
            tokens: [i64; NAMES.len()],
            /// How long to wait for what is held by another.
            in_vain: Duration,
        }

        impl $name {
            fn new(locks: Vec<$locks>, in_vain: Duration) -> Self {
                Self { locks, held: [const { None }; NAMES.len()], tokens: [0; NAMES.len()], in_vain }
            }

            $($async)? fn step(&mut self, step: Step) -> Option<Answer> {
                let name = step.name();
                if let Step::Acquire { owner, how, content, .. } = step {
                    return Some(self.acquire(owner, name, how, content) $($await)*);
                }
                if let Step::Read { owner, .. } = step {
                    let entry = self.locks[owner].get(NAMES[name]) $($await)*;
                    return Some(Answer::Row(entry.unwrap().map(|entry| {
                        let owner = OWNERS.iter().position(|own| entry.owner.as_deref() == Some(own));
                        (owner.unwrap(), entry.is_held(), byte(entry.data.as_deref()))
                    })));
                }
                let lock = self.held[name].take()?;
                match step {
                    Step::Release { .. } => assert!(lock.release() $($await)* .unwrap().confirmed),
                    Step::DropGuard { .. } => {
                        let hold = lock.hold();
                        drop(lock);
                        assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
                        while self.locks[0].get(NAMES[name]) $($await)* .unwrap().unwrap().is_held() {}
                    }
                    Step::Evict { owner, .. } => {
                        let (token, locks) = (lock.token(), &self.locks[owner]);
                        let entry = locks.evict(NAMES[name], token) $($await)* .unwrap();
                        assert!(!entry.unwrap().is_held());
                        assert_eq!(lock.heartbeat() $($await)*, Err(Error::Lost(Loss::TakenOver)));
                        assert_eq!(lock.release() $($await)*, Err(Error::Lost(Loss::TakenOver)));
                        return Some(Answer::Evicted);
                    }
                    Step::SetData { data, .. } => {
                        match data {
                            Some(data) => lock.set_data([data]) $($await)*,
                            None => lock.clear_data() $($await)*,
                        }
                        .unwrap();
                        assert_eq!(byte(lock.data().as_deref()), data);
                        self.held[name] = Some(lock);
                    }
                    Step::Renew { .. } => {
                        lock.heartbeat() $($await)* .unwrap();
                        self.held[name] = Some(lock);
                    }
                    Step::Extend { .. } => {
                        lock.extend(Duration::from_secs(60)) $($await)* .unwrap();
                        self.held[name] = Some(lock);
                    }
                    Step::Acquire { .. } | Step::Read { .. } => {}
                }
                Some(Answer::Done)
            }

            $($async)? fn acquire(
                &mut self,
                owner: usize,
                name: usize,
                how: How,
                content: Content,
            ) -> Answer {
                let mut request = self.locks[owner].request(NAMES[name]);
                if let Some(data) = content.data {
                    request = request.data([data]);
                }
                if content.replace {
                    request = request.replace_data();
                }
                if content.keep {
                    request = request.keep_data();
                }
                let is_free = self.held[name].is_none();
                let patience = if is_free { Duration::from_secs(600) } else { self.in_vain };
                let acquired = match how {
                    How::Try => request.try_acquire() $($await)*,
                    How::Probe => request.probe() $($await)*,
                    How::Within => request.acquire_within(patience) $($await)* .map(Some),
                };
                match acquired {
                    Ok(Some(lock)) => {
                        let token = lock.token().as_i64();
                        assert!(token > self.tokens[name], "{token} after {:?}", self.tokens);
                        self.tokens[name] = token;
                        assert!(lock.is_held());
                        let data = byte(lock.data().as_deref());
                        self.held[name] = Some(lock);
                        Answer::Granted { data }
                    }
                    Ok(None) => Answer::Busy,
                    Err(Error::TimedOut(_)) => Answer::TimedOut,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
}

player!(Player, Locks, Lock, [async], [.await]);
player!(BlockingPlayer, blocking::Locks, blocking::Lock, [], []);

fn byte(data: Option<&[u8]>) -> Option<u8> {
    data.map(|data| data[0])
}

/// What the async API answers, on a network that takes its time.
fn on_virtual_time(program: &[Step], seed: u64) -> Vec<Option<Answer>> {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let script = |stage: &mut Stage| {
        let (program, answers) = (Arc::<[Step]>::from(program), Arc::clone(&answers));
        stage.client(move |client: Client| {
            let (program, answers) = (Arc::clone(&program), Arc::clone(&answers));
            async move {
                let options = OWNERS.map(|owner| Options::default().owner(owner));
                let locks = options.map(|options| client.connect(options));
                let locks = future::try_join_all(locks).await?;
                let mut player = Player::new(locks, Duration::from_secs(30));
                answers.lock().unwrap().clear();
                for step in program.iter() {
                    let answer = player.step(*step).await;
                    answers.lock().unwrap().push(answer);
                }
                Ok::<_, Error>(())
            }
        });
    };
    let rehearsed = Rehearsal::default().without_faults().run(Tape::from_seed(seed), script);
    rehearsed.unwrap_or_else(|mishap| panic!("{mishap}"));
    answers.lock().unwrap().clone()
}

/// What the blocking API answers, on threads and in real time.
fn on_threads(program: &[Step]) -> Vec<Option<Answer>> {
    let server = Arc::new(Mutex::new(Server::without_table()));
    let open = |owner: &str| {
        let options = Options::default().owner(owner);
        blocking::Locks::open(options, Direct(Arc::clone(&server)), BootClock).unwrap()
    };
    let locks = OWNERS.map(open).into();
    let mut player = BlockingPlayer::new(locks, Duration::from_millis(5));
    program.iter().map(|step| player.step(*step)).collect()
}

/// A server without a network.
struct Direct(Arc<Mutex<Server>>);

impl blocking::Connect for Direct {
    type Session = Self;

    fn connect(&self, _: SessionKind) -> Result<Self, ConnectError> {
        Ok(Self(Arc::clone(&self.0)))
    }
}

impl blocking::Session for Direct {
    fn execute(&mut self, command: &Command) -> Outcome {
        self.0.lock().unwrap().execute(command.statement())
    }

    fn is_closed(&self) -> bool {
        false
    }
}

fn steps(how: impl Strategy<Value = How> + Clone) -> impl Strategy<Value = Vec<Step>> {
    let owner = 0..OWNERS.len();
    let name = 0..NAMES.len();
    let content = (any::<Option<u8>>(), any::<bool>(), any::<bool>())
        .prop_map(|(data, replace, keep)| Content { data, replace, keep });
    let acquire = (owner.clone(), name.clone(), how, content)
        .prop_map(|(owner, name, how, content)| Step::Acquire { owner, name, how, content });
    let amend =
        (name.clone(), any::<Option<u8>>()).prop_map(|(name, data)| Step::SetData { name, data });
    let step = prop_oneof![
        6 => acquire,
        3 => name.clone().prop_map(|name| Step::Release { name }),
        1 => name.clone().prop_map(|name| Step::DropGuard { name }),
        2 => amend,
        1 => name.clone().prop_map(|name| Step::Renew { name }),
        1 => name.clone().prop_map(|name| Step::Extend { name }),
        2 => (owner.clone(), name.clone()).prop_map(|(owner, name)| Step::Read { owner, name }),
        1 => (owner, name).prop_map(|(owner, name)| Step::Evict { owner, name }),
    ];
    proptest::collection::vec(step, 0..40)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn the_async_api_answers_as_the_model(
        program in steps(prop_oneof![Just(How::Try), Just(How::Probe), Just(How::Within)]),
        seed in any::<u64>(),
    ) {
        prop_assert_eq!(on_virtual_time(&program, seed), model(&program));
    }
}

proptest! {
    #![proptest_config(config(32))]

    /// Without probes, which wait for a sign of life in real time.
    #[test]
    fn the_blocking_api_answers_as_the_model(
        program in steps(prop_oneof![Just(How::Try), Just(How::Within)]),
    ) {
        prop_assert_eq!(on_threads(&program), model(&program));
    }
}

/// How a lock changes hands.
#[derive(Clone, Copy, Debug)]
enum HandOver {
    Released,
    Dropped,
    /// The holder's loop stops without a word.
    Abandoned,
}

proptest! {
    #![proptest_config(config(256))]

    /// Whoever waits gets the lock if its patience outlasts the holder by far, and else is told so; the token
    /// grows, and what the holder left in the row is what its leaving leaves there.
    #[test]
    fn whoever_waits_long_enough_is_granted_the_lock(
        hand_over in prop_oneof![
            Just(HandOver::Released), Just(HandOver::Dropped), Just(HandOver::Abandoned)
        ],
        held_for in 0..60_u64,
        patience in 1..120_u64,
        seed in any::<u64>(),
    ) {
        let seconds = |number| Duration::from_secs(number);
        // A lease, and for each end of the wait a poll and the network.
        let (least, most) = match hand_over {
            HandOver::Released | HandOver::Dropped => (held_for, held_for + 10),
            HandOver::Abandoned => (held_for + 13, held_for + 34),
        };
        prop_assume!(patience > most || patience < least);
        let script = move |stage: &mut Stage| {
            stage.client(move |client: Client| async move {
                let others = client.connect(Options::default()).await?;
                let options = client.prepared(Options::default());
                let (locks, drive) = Locks::start(options, client.clone(), client.clone())?;
                let (drive, stops) = future::abortable(drive);
                client.spawn(drive.map(drop));
                let lock = locks.request("mail").data("first").keep_data().acquire().await?;
                let token = lock.token();
                let waiting = others.acquire_within("mail", seconds(patience));
                let leaving = async {
                    client.sleep(seconds(held_for)).await;
                    match hand_over {
                        HandOver::Released => assert!(lock.release().await.unwrap().confirmed),
                        HandOver::Dropped => drop(lock),
                        HandOver::Abandoned => {
                            stops.abort();
                            std::mem::forget(lock);
                        }
                    }
                };
                match future::join(waiting, leaving).await {
                    (Ok(lock), ()) => {
                        assert!(patience > most, "it was granted too early");
                        assert!(lock.token() > token);
                        assert_eq!(lock.data().as_deref(), Some(&b"first"[..]));
                    }
                    (Err(Error::TimedOut(_)), ()) => assert!(patience < least, "it timed out"),
                    (Err(error), ()) => panic!("{error}"),
                }
                Ok::<_, Error>(())
            });
        };
        let rehearsed = Rehearsal::default().without_faults().run(Tape::from_seed(seed), script);
        prop_assert!(rehearsed.is_ok(), "{}", rehearsed.unwrap_err());
    }
}
