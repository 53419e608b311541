//! The end of a session, and a session that is another's: what it held is gone.

use pglock_core::{
    AskError, Call, Command, Event, LockId, LossCause, Outcome, Question, Row, Value, Wait,
};

use crate::rig::{
    ANN, EXCLUSIVE, Rig, SHARED, bools, busy, failed, lost, released, robbed, secs, try_,
    unconfirmed, unlock,
};

/// A session with two locks held, one of them twice, one that is being given back, and one that is waited for.
struct Loaded {
    rig: Rig,
    held: [LockId; 3],
    leaving: LockId,
    waiter: LockId,
    unlocking: Command,
}

fn loaded() -> Loaded {
    let mut rig = Rig::new();
    let first = rig.first_as(ANN, 1, EXCLUSIVE);
    let again = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    rig.acquired(&[again]);
    let held = [first, again, rig.hold_as(ANN, 2, SHARED)];
    let leaving = rig.hold(3);
    let waiter = rig.ask(3, Wait::ForEver);
    rig.release(leaving);
    let unlocking = rig.expect(unlock(3, EXCLUSIVE));
    Loaded { rig, held, leaving, waiter, unlocking }
}

#[test]
fn with_its_session_every_lock_is_lost_and_what_was_given_back_is_unconfirmed() {
    for end in ["closed", "lost", "overdue"] {
        let Loaded { mut rig, held, leaving, waiter, unlocking } = loaded();
        let old = unlocking.session();
        match end {
            "closed" => rig.client.handle_disconnected(old, None, rig.now),
            "lost" => rig.answer(&unlocking, Outcome::Lost),
            _ => rig.now = rig.now.checked_add(secs(5)).unwrap(),
        }
        let told: Vec<Event> = held.into_iter().map(lost).chain([unconfirmed(leaving)]).collect();
        assert_eq!(rig.events(), told);
        assert_eq!(rig.held(), []);
        assert!(held.iter().all(|lock| rig.client.valid_until(*lock).is_none()));
        let closed = if end == "closed" { vec![] } else { vec![old] };
        assert_eq!(rig.closed, closed, "{end}");
        let enter = rig.enter();
        assert_ne!(enter.session(), old);
        rig.say(&unlocking, false);
        rig.say(&unlocking, true);
        let command = rig.until(try_(3, EXCLUSIVE));
        assert_eq!(command.session(), enter.session());
        rig.say(&command, true);
        rig.acquired(&[waiter]);
    }
}

#[test]
fn an_answer_of_an_old_session_grants_nothing() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::ForEver);
    let old = rig.expect(try_(1, EXCLUSIVE));
    rig.client.handle_disconnected(old.session(), None, rig.now);
    rig.say(&old, true);
    rig.enter();
    rig.say(&old, true);
    assert_eq!((rig.events(), rig.held()), (vec![], vec![]));
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&[lock]);
    assert_eq!(rig.client.counters().ignored_outcomes, 2);
}

#[test]
fn a_try_whose_session_ends_is_asked_for_on_the_next() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::Try);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.answer(&command, Outcome::Lost);
    rig.enter();
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(lock));
}

#[test]
fn a_session_that_breaks_while_nothing_is_held_is_opened_again_only_when_it_is_wanted() {
    let mut rig = Rig::new().open();
    rig.client.handle_disconnected(rig.opened[0].0, None, rig.now);
    rig.silent();
    rig.pass(secs(60));
    assert_eq!(rig.opened.len(), 1);
    rig.first(1);
    assert_eq!(rig.opened.len(), 2);
}

#[test]
fn locks_lost_with_their_session_are_not_asked_for_again() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.client.handle_disconnected(rig.opened[0].0, None, rig.now);
    assert_eq!(rig.event(), lost(lock));
    assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)));
    assert_eq!((rig.drain().at, rig.opened.len()), (None, 1));
}

/// While a lock is held the server never says of an unlock that it was not.
#[test]
fn an_unlock_of_what_is_held_that_finds_nothing_shows_that_all_is_gone() {
    let Loaded { mut rig, held, leaving, waiter, unlocking } = loaded();
    rig.say(&unlocking, false);
    let told: Vec<Event> = held.into_iter().chain([leaving]).map(robbed).collect();
    assert_eq!(rig.events(), told);
    assert_eq!(rig.closed, [unlocking.session()]);
    rig.enter();
    rig.grant(try_(3, EXCLUSIVE));
    rig.acquired(&[waiter]);
}

/// NULL, no row, or what no call answers.
#[test]
fn a_call_that_does_not_find_its_mark_shows_that_all_is_gone() {
    for rows in [
        vec![Row(vec![Value::Null])],
        vec![],
        vec![Row(vec![])],
        vec![bools(&[true, true])],
        vec![Row(vec![Value::Int8(-3)])],
    ] {
        for call in ["try", "unlock", "look"] {
            let mut rig = Rig::new();
            let lock = rig.first(1);
            let (leaving, command) = match call {
                "try" => {
                    rig.ask(2, Wait::Try);
                    (None, rig.expect(try_(2, EXCLUSIVE)))
                }
                "unlock" => {
                    let leaving = rig.hold(2);
                    rig.release(leaving);
                    (Some(leaving), rig.expect(unlock(2, EXCLUSIVE)))
                }
                _ => (None, rig.until(Call::Look)),
            };
            rig.rows(&command, rows.clone());
            let told: Vec<Event> =
                [Some(lock), leaving].into_iter().flatten().map(robbed).collect();
            assert_eq!(rig.events(), told, "{call}");
            assert_eq!(rig.closed, [command.session()]);
        }
    }
}

#[test]
fn an_unlock_that_settles_a_doubt_and_finds_no_mark_shows_it_as_well() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.ask(2, Wait::Try);
    let command = rig.expect(try_(2, EXCLUSIVE));
    rig.answer(&command, failed("53200"));
    let command = rig.expect(unlock(2, EXCLUSIVE));
    rig.null(&command);
    assert_eq!(rig.event(), Event::Lost { lock, cause: LossCause::Robbed });
}

#[test]
fn the_end_of_another_session_is_nothing_to_advisory_locks() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.client.ask(Question::CheckTable, rig.now).unwrap();
    let question = rig.command();
    rig.answer(&question, Outcome::Lost);
    rig.drain();
    rig.commands.clear();
    assert_eq!(rig.events(), []);
    assert_eq!(rig.held(), [(1.into(), lock)]);
}

#[test]
fn one_lock_after_another_is_given_back_on_one_session() {
    let mut rig = Rig::new();
    let locks = [rig.first(1), rig.hold(2), rig.hold(3)];
    locks.iter().for_each(|lock| rig.release(*lock));
    for (key, lock) in (1..).zip(locks) {
        let command = rig.expect(unlock(key, EXCLUSIVE));
        assert_eq!(rig.commands, [], "a session does one thing at a time");
        rig.say(&command, true);
        assert_eq!(rig.events(), [released(lock)]);
    }
}
