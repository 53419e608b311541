//! The steps that programs are made of. Sessions and keys are few, so that they meet often.

use pglock_core::AdvisoryPlace;
use pglock_testkit::advisory::{AdvisoryMode, Command, Level, Session, Want};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

pub(crate) const SESSIONS: Session = 4;

/// The first two are the same numbers.
const PLACES: [AdvisoryPlace; 4] = [
    AdvisoryPlace::Bigint(1),
    AdvisoryPlace::Pair(0, 1),
    AdvisoryPlace::Bigint(i64::MIN),
    AdvisoryPlace::Pair(-1, i32::MAX),
];

/// Something that happens on both servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A session sends a command.
    Execute(Session, Command),
    /// A session takes a lock, and its `lock_timeout` passes if it has to wait.
    Briefly(Session, Want),
    /// A session takes a lock, and its `deadlock_timeout` passes while it waits.
    Checked(Session, Want),
    /// Somebody cancels what a waiting session waits for.
    Cancel(Session),
    /// Somebody ends a session; another takes its number.
    Terminate(Session),
}

/// A step, or several that belong together.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![30 => step().prop_map(|step| vec![step]), 1 => entanglement()]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (session(), command()).prop_map(|(session, command)| Step::Execute(session, command)),
        2 => (session(), want()).prop_map(|(session, want)| Step::Briefly(session, want)),
        3 => (session(), want()).prop_map(|(session, want)| Step::Checked(session, want)),
        2 => session().prop_map(Step::Cancel),
        1 => session().prop_map(Step::Terminate),
    ]
}

/// Three sessions that hold nothing else come close to waiting for each other, which is too rare by chance.
fn entanglement() -> impl Strategy<Value = Vec<Step>> {
    let sessions = Just((1..=SESSIONS).collect::<Vec<_>>()).prop_shuffle();
    let places = Just(PLACES.to_vec()).prop_shuffle();
    (sessions, places, [mode(), mode(), mode()], any::<bool>()).prop_map(entangle)
}

fn entangle(
    (sessions, places, modes, turned): (Vec<Session>, Vec<AdvisoryPlace>, [AdvisoryMode; 3], bool),
) -> Vec<Step> {
    let [first, second, third, ..] = sessions[..] else { return Vec::new() };
    let want = |place: usize, mode| Want { place: places[place], mode, level: Level::Session };
    let take = |(session, want)| Step::Execute(session, Command::Take(want));
    let free = |session| {
        let execute = |command| Step::Execute(session, command);
        [Step::Cancel(session), execute(Command::Rollback), execute(Command::UnlockAll)]
    };
    let hold = [
        take((first, want(0, modes[0]))),
        take((third, want(1, AdvisoryMode::Exclusive))),
        take((second, want(0, modes[1]))),
    ];
    let mut waits = [(third, want(0, modes[2])), (first, want(1, AdvisoryMode::Exclusive))];
    if turned {
        waits.reverse();
    }
    let [before, (session, want)] = waits;
    let freed = [first, second, third].into_iter().flat_map(free);
    freed.chain(hold).chain([take(before), Step::Checked(session, want)]).collect()
}

fn session() -> impl Strategy<Value = Session> {
    1..=SESSIONS
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        6 => want().prop_map(Command::Try),
        8 => want().prop_map(Command::Take),
        8 => (place(), mode()).prop_map(|(place, mode)| Command::Unlock(place, mode)),
        1 => Just(Command::UnlockAll),
        4 => Just(Command::Begin),
        2 => Just(Command::Commit),
        2 => Just(Command::Rollback),
        1 => Just(Command::DiscardAll),
    ]
}

fn want() -> impl Strategy<Value = Want> {
    let level = select(&[Level::Session, Level::Transaction][..]);
    (place(), mode(), level).prop_map(|(place, mode, level)| Want { place, mode, level })
}

/// The first one more often, so that many wait for it.
fn place() -> impl Strategy<Value = AdvisoryPlace> {
    prop_oneof![2 => Just(PLACES[0]), 1 => select(&PLACES[..])]
}

fn mode() -> impl Strategy<Value = AdvisoryMode> {
    select(&[AdvisoryMode::Exclusive, AdvisoryMode::Shared][..])
}
