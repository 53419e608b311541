//! The steps that programs are made of. Names and numbers are few, so that they meet often.

use std::sync::Arc;
use std::time::Duration;

use pglock_core::{
    Acquire, Amend, Content, Evict, LineUp, LockName, Look, Owner, Read, Release, Renew, Renewal,
    Rvn, Statement, Token,
};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

pub(crate) const NAMES: [&str; 3] = ["a", "b ", "ä"];

/// Something that happens on both servers.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// One transaction alone.
    Alone(Action),
    /// The second begins when the first is done but not committed, and ends when it is.
    Behind(Action, Action),
    /// A stranger locks the row of a name.
    Lock(LockName),
    /// The stranger lets go.
    Unlock(LockName),
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// One of ours.
    Statement(Statement),
    /// A Go client writes its next number, whatever stands in the row.
    GoWrite(LockName),
    /// A Go client frees a row that shows its number.
    GoRelease(LockName, Rvn),
    /// An older copy of the table is restored, with a token that the sequence may not have reached.
    Restore(LockName, Token),
    /// Somebody deletes a row.
    Delete(LockName),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => on_a_row().prop_map(Step::Alone),
        2 => on_the_table().prop_map(Step::Alone),
        6 => (on_a_row(), on_a_row()).prop_map(|(first, second)| Step::Behind(first, second)),
        2 => name().prop_map(Step::Lock),
        1 => name().prop_map(Step::Unlock),
    ]
}

fn on_a_row() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => row_statement().prop_map(Action::Statement),
        2 => name().prop_map(Action::GoWrite),
        1 => (name(), 1..4_i64).prop_map(|(name, number)| Action::GoRelease(name, Rvn::new(number))),
        1 => (name(), token()).prop_map(|(name, token)| Action::Restore(name, token)),
        1 => name().prop_map(Action::Delete),
    ]
}

fn on_the_table() -> impl Strategy<Value = Action> {
    let read = select(&["", "a"][..])
        .prop_map(|prefix| Statement::Read(Read::All { prefix: prefix.into() }));
    prop_oneof![
        8 => read,
        8 => Just(Statement::CreateTable),
        4 => Just(Statement::CheckTable),
        1 => Just(Statement::DropTable),
    ]
    .prop_map(Action::Statement)
}

fn row_statement() -> impl Strategy<Value = Statement> {
    prop_oneof![
        6 => acquire(),
        3 => release(),
        3 => renew(),
        2 => amend(),
        2 => evict(),
        4 => line_up(),
        1 => look(),
        1 => name().prop_map(|name| Statement::Read(Read::One(name))),
    ]
}

fn acquire() -> impl Strategy<Value = Statement> {
    let content = (option::of(data()), any::<bool>());
    let seen = prop_oneof![3 => number(), 1 => ticket()];
    (name(), option::of(seen), numbers(), owner(), lease(), content).prop_map(
        |(name, seen, (new, mine), owner, lease, (data, replace))| {
            Statement::Acquire(Acquire {
                name,
                seen,
                mine,
                new,
                owner,
                lease,
                content: Content { data, replace },
                lock_timeout: Duration::from_millis(1),
            })
        },
    )
}

fn release() -> impl Strategy<Value = Statement> {
    (name(), numbers(), any::<bool>()).prop_map(|(name, (_, mine), keep_data)| {
        Statement::Release(Release {
            name,
            mine,
            keep_data,
            lock_timeout: Duration::from_millis(1),
        })
    })
}

fn renew() -> impl Strategy<Value = Statement> {
    let numbers = vec(numbers(), NAMES.len());
    (btree_set(name(), 1..=NAMES.len()), numbers).prop_map(|(names, numbers)| {
        let renewal = |(name, (new, mine))| Renewal { name, mine, new };
        Statement::Renew(Renew { locks: names.into_iter().zip(numbers).map(renewal).collect() })
    })
}

fn amend() -> impl Strategy<Value = Statement> {
    (name(), numbers(), option::of(lease()), option::of(option::of(data()))).prop_map(
        |(name, (new, mine), lease, data)| {
            let lock_timeout = Duration::from_millis(1);
            Statement::Amend(Amend { name, mine, new, lease, data, lock_timeout })
        },
    )
}

fn evict() -> impl Strategy<Value = Statement> {
    (name(), token()).prop_map(|(name, token)| {
        Statement::Evict(Evict { name, token, lock_timeout: Duration::from_millis(1) })
    })
}

fn line_up() -> impl Strategy<Value = Statement> {
    (name(), ticket(), btree_set(ticket(), 0..2)).prop_map(|(name, ticket, mut mine)| {
        mine.insert(ticket);
        let (mine, lock_timeout) = (mine.into_iter().collect(), Duration::from_millis(1));
        Statement::LineUp(LineUp { name, mine, ticket, lock_timeout })
    })
}

fn look() -> impl Strategy<Value = Statement> {
    (name(), btree_set(ticket(), 0..3))
        .prop_map(|(name, mine)| Statement::Look(Look { name, mine: mine.into_iter().collect() }))
}

fn name() -> impl Strategy<Value = LockName> {
    select(&NAMES[..]).prop_map(|name| LockName::new(name).unwrap())
}

fn owner() -> impl Strategy<Value = Owner> {
    select(&["", "me"][..]).prop_map(|owner| Owner::new(owner).unwrap())
}

fn lease() -> impl Strategy<Value = Duration> {
    (1..3_u64).prop_map(Duration::from_secs)
}

fn data() -> impl Strategy<Value = Arc<[u8]>> {
    vec(any::<u8>(), 0..3).prop_map(Arc::from)
}

fn token() -> impl Strategy<Value = Token> {
    (1..6_i64).prop_map(Token::new)
}

fn number() -> impl Strategy<Value = Rvn> {
    (0..3_i64).prop_map(|number| Rvn::new(Rvn::MARK + number))
}

fn ticket() -> impl Strategy<Value = Rvn> {
    (0..4_i64).prop_map(|number| Rvn::new(Rvn::TICKET + number))
}

/// A new number, and those of ours with it.
fn numbers() -> impl Strategy<Value = (Rvn, Vec<Rvn>)> {
    let older = prop_oneof![1 => number(), 1 => ticket()];
    (number(), btree_set(older, 0..3)).prop_map(|(new, mut mine)| {
        mine.insert(new);
        (new, mine.into_iter().collect())
    })
}
