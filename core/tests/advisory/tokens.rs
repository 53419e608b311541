//! Fencing tokens: drawn with a grant, if they are wanted, and shared by those who share what it holds.

use pglock_core::{Config, Event, LockId, Outcome, Row, Token, Value, Wait};

use crate::rig::{
    ANN, BOB, EXCLUSIVE, Rig, SHARED, advisory, call_of, failed, released, try_, unlock,
};

fn rig() -> Rig {
    let mut config = Config::default();
    (config.advisory_tokens, config.hints) = (true, false);
    Rig::with(config)
}

/// The next command is granted, and this token was drawn for it.
fn grant_with(rig: &mut Rig, token: i64) {
    let command = rig.command();
    assert!(advisory(&command).tokens && call_of(&command).takes().is_some());
    rig.rows(&command, vec![Row(vec![Value::Int8(token)])]);
}

fn acquired(lock: LockId, token: i64) -> Event {
    Event::AdvisoryAcquired { lock, token: Some(Token::new(token)) }
}

#[test]
fn a_grant_tells_the_token_that_was_drawn_for_it() {
    let mut rig = rig();
    let lock = rig.ask(1, Wait::ForEver);
    rig.enter();
    grant_with(&mut rig, 7);
    assert_eq!(rig.event(), acquired(lock, 7));
}

#[test]
fn those_who_share_a_hold_share_its_token() {
    for (mode, owners) in [(EXCLUSIVE, [ANN, ANN]), (SHARED, [ANN, BOB])] {
        let mut rig = rig();
        let [first, second] = owners.map(|owner| rig.ask_as(owner, 1, mode, Wait::ForEver));
        rig.enter();
        grant_with(&mut rig, 7);
        let third = rig.ask_as(owners[1], 1, mode, Wait::Try);
        assert_eq!(rig.events(), [first, second, third].map(|lock| acquired(lock, 7)));
        rig.no_command();
    }
}

#[test]
fn each_mode_has_a_token_of_its_own() {
    let mut rig = rig();
    let alone = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    rig.enter();
    grant_with(&mut rig, 7);
    let shared = rig.ask_as(ANN, 1, SHARED, Wait::ForEver);
    grant_with(&mut rig, 8);
    let again = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    assert_eq!(rig.events(), [acquired(alone, 7), acquired(shared, 8), acquired(again, 7)]);
}

#[test]
fn the_next_owner_gets_a_later_one() {
    let mut rig = rig();
    let first = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    let second = rig.ask_as(BOB, 1, EXCLUSIVE, Wait::ForEver);
    rig.enter();
    grant_with(&mut rig, 7);
    rig.events();
    rig.release(first);
    rig.grant(unlock(1, EXCLUSIVE));
    grant_with(&mut rig, 8);
    assert_eq!(rig.events(), [released(first), acquired(second, 8)]);
}

/// It comes after the lock was taken, which is therefore given back.
#[test]
fn a_sequence_that_is_missing_is_an_error_that_leaves_nothing_behind() {
    let mut rig = rig();
    let lock = rig.ask(1, Wait::ForEver);
    rig.enter();
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.answer(&command, failed("42P01"));
    let unlock = rig.expect(unlock(1, EXCLUSIVE));
    assert_eq!(rig.events(), []);
    rig.say(&unlock, true);
    let told = rig.event();
    assert!(matches!(told, Event::Failed { lock: failed, .. } if failed == lock), "{told:?}");
}

#[test]
fn nobody_draws_who_wants_none() {
    let mut rig = Rig::new();
    rig.ask(1, Wait::ForEver);
    rig.enter();
    let command = rig.command();
    assert!(!advisory(&command).tokens);
    rig.answer(&command, Outcome::Lost);
}
