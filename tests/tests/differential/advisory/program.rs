//! The steps that programs are made of. Sessions and keys are few, so that they meet often.

use pglock_testkit::advisory::{Command, Level, Mode, Place, Session, Want};
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;

pub(crate) const SESSIONS: Session = 5;

/// The first two are the same numbers.
const PLACES: [Place; 4] =
    [Place::Big(1), Place::Pair(0, 1), Place::Big(i64::MIN), Place::Pair(-1, i32::MAX)];

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

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let session = || 1..=SESSIONS;
    prop_oneof![
        30 => (session(), command()).prop_map(|(session, command)| Step::Execute(session, command)),
        2 => (session(), want()).prop_map(|(session, want)| Step::Briefly(session, want)),
        3 => (session(), want()).prop_map(|(session, want)| Step::Checked(session, want)),
        2 => session().prop_map(Step::Cancel),
        1 => session().prop_map(Step::Terminate),
    ]
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
fn place() -> impl Strategy<Value = Place> {
    prop_oneof![Just(PLACES[0]), select(&PLACES[..])]
}

fn mode() -> impl Strategy<Value = Mode> {
    select(&[Mode::Exclusive, Mode::Shared][..])
}
