//! A new session: it is marked before all else, and used only if it is fit.

use std::time::Duration;

use pglock_core::{
    Call, Event, Failure, Outcome, Output, Question, Row, SessionKind, Unfit, Value, Wait,
};

use crate::rig::{
    Door, EXCLUSIVE, Rig, advisory, bools, error, failed, fatal, lost, millis, released, secs,
    try_, unlock,
};

#[test]
fn a_session_of_its_own_kind_is_opened_when_a_lock_is_asked_for() {
    let mut rig = Rig::new();
    rig.drain();
    assert_eq!(rig.opened, []);
    rig.ask(1, Wait::ForEver);
    let output = rig.client.poll_output(rig.now);
    assert!(matches!(output, Output::Connect(_, SessionKind::Advisory)), "{output:?}");
}

#[test]
fn a_new_session_is_marked_before_all_else_and_carries_its_mark() {
    let mut rig = Rig::new();
    let locks = [1, 2].map(|key| rig.ask(key, Wait::ForEver));
    let enter = rig.expect(Call::Enter);
    rig.silent();
    rig.rows(&enter, vec![bools(&[true, true, true])]);
    for (key, lock) in [1, 2].into_iter().zip(locks) {
        let command = rig.grant(try_(key, EXCLUSIVE));
        rig.acquired(&[lock]);
        assert_eq!(command.session(), enter.session());
        assert_eq!(advisory(&command).mark, advisory(&enter).mark);
    }
    rig.no_command();
}

#[test]
fn each_session_has_a_mark_of_its_own() {
    let mut rig = Rig::new();
    rig.ask(1, Wait::ForEver);
    let first = rig.expect(Call::Enter);
    rig.answer(&first, Outcome::Lost);
    let second = rig.until(Call::Enter);
    assert_ne!(first.session(), second.session());
    assert_ne!(advisory(&first).mark, advisory(&second).mark);
}

/// Everybody is told, whatever they asked for and however long they have waited, and the session is closed.
#[test]
fn whoever_waits_is_told_that_the_session_is_unfit() {
    for (answer, unfit) in [
        ([false, true, true], Unfit::SharedSession),
        ([false, false, false], Unfit::SharedSession),
        ([true, false, true], Unfit::Standby),
        ([true, false, false], Unfit::Standby),
        ([true, true, false], Unfit::NoLocks),
    ] {
        let mut rig = Rig::new();
        let locks = [
            rig.ask(1, Wait::ForEver),
            rig.ask(1, Wait::ForEver),
            rig.ask(2, Wait::Try),
            rig.ask(3, Wait::AtMost(secs(1))),
        ];
        let enter = rig.expect(Call::Enter);
        rig.rows(&enter, vec![bools(&answer)]);
        let failure = Failure::Unfit(unfit);
        let told = locks.map(|lock| Event::Failed { lock, failure: failure.clone() });
        assert_eq!(rig.events(), told);
        assert_eq!(rig.closed, [enter.session()]);
        assert_eq!(rig.drain().at, None, "nobody wants a session now");
        rig.ask(1, Wait::ForEver);
        assert_ne!(rig.until(Call::Enter).session(), enter.session());
    }
}

#[test]
fn those_who_had_answers_before_are_told_as_well() {
    let mut rig = Rig::new();
    let lock = rig.ask(1, Wait::ForEver);
    let enter = rig.enter();
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    rig.client.handle_disconnected(enter.session(), None, rig.now);
    let enter = rig.until(Call::Enter);
    rig.rows(&enter, vec![bools(&[true, false, true])]);
    assert_eq!(rig.event(), Event::Failed { lock, failure: Failure::Unfit(Unfit::Standby) });
}

#[test]
fn an_answer_that_is_none_fails_whoever_waits() {
    let mixed = Row(vec![Value::Bool(true), Value::Null, Value::Bool(true)]);
    for rows in [
        vec![],
        vec![Row(vec![])],
        vec![bools(&[true])],
        vec![bools(&[true, true, true, true])],
        vec![mixed],
    ] {
        let mut rig = Rig::new();
        let lock = rig.ask(1, Wait::ForEver);
        let enter = rig.expect(Call::Enter);
        rig.rows(&enter, rows);
        assert_eq!(rig.event(), Event::Failed { lock, failure: Failure::Undecodable });
        assert_eq!(rig.closed, [enter.session()]);
    }
}

#[test]
fn an_error_for_good_is_told_and_the_session_closed() {
    for code in ["42883", "42501", "0A000"] {
        let mut rig = Rig::new();
        let locks = [rig.ask(1, Wait::ForEver), rig.ask(1, Wait::Try), rig.ask(2, Wait::Try)];
        let enter = rig.expect(Call::Enter);
        rig.events();
        rig.answer(&enter, failed(code));
        let failure = Failure::Server(error(code));
        let told =
            [locks[0], locks[2]].map(|lock| Event::Failed { lock, failure: failure.clone() });
        assert_eq!(rig.events(), told, "{code}");
        assert_eq!(rig.closed, [enter.session()]);
        assert_eq!(rig.drain().at, None);
    }
}

/// The gaps between the first connections that are asked for.
fn gaps(rig: &Rig) -> Vec<Duration> {
    rig.opened.windows(2).map(|pair| pair[1].1.since(pair[0].1)).collect()
}

fn assert_growing(gaps: &[Duration]) {
    assert_eq!(gaps[0], Duration::ZERO, "the first failure is often all there is");
    let whole = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map(millis);
    assert!(gaps.len() >= whole.len(), "{gaps:?}");
    for (gap, whole) in gaps[1..].iter().zip(whole) {
        assert!(*gap >= whole / 2 && *gap <= whole, "{gap:?} of {whole:?}");
    }
}

#[test]
fn an_error_that_passes_is_survived_with_growing_pauses() {
    for outcome in
        [failed("57P03"), failed("40001"), failed("XX000"), failed("53300"), Outcome::Lost]
    {
        let mut rig = Rig::new();
        let lock = rig.ask(1, Wait::ForEver);
        while rig.opened.len() < 11 {
            let enter = rig.until(Call::Enter);
            rig.answer(&enter, outcome.clone());
            rig.drain();
        }
        assert_growing(&gaps(&rig));
        rig.enter();
        rig.grant(try_(1, EXCLUSIVE));
        rig.acquired(&[lock]);
    }
}

/// Here a session can be marked, and yet no try comes through on it.
#[test]
fn a_session_that_breaks_with_each_try_is_opened_again_with_growing_pauses() {
    for outcome in [
        Outcome::Lost,
        failed("26000"),
        Outcome::Failed(fatal("57P01")),
        Outcome::Rows(vec![Row(vec![Value::Null])]),
        Outcome::Rows(vec![]),
    ] {
        let mut rig = Rig::new();
        let lock = rig.ask(1, Wait::ForEver);
        while rig.opened.len() < 11 {
            rig.enter();
            let command = rig.until(try_(1, EXCLUSIVE));
            rig.answer(&command, outcome.clone());
            rig.drain();
        }
        assert_growing(&gaps(&rig));
        rig.enter();
        let command = rig.until(try_(1, EXCLUSIVE));
        rig.say(&command, true);
        rig.acquired(&[lock]);
    }
}

#[test]
fn a_try_tells_the_last_trouble_when_its_patience_ends() {
    for trouble in [failed("57014"), Outcome::Failed(fatal("57014"))] {
        let mut rig = Rig::new();
        let lock = rig.ask(1, Wait::Try);
        rig.enter();
        let start = rig.now;
        let command = rig.expect(try_(1, EXCLUSIVE));
        rig.answer(&command, trouble.clone());
        rig.door = Door::Shut(None);
        rig.drain();
        if let Some(unlock) = rig.commands.pop() {
            rig.answer(&unlock, Outcome::Lost);
        }
        let Outcome::Failed(error) = trouble else { panic!() };
        let failure = Failure::Unreachable(Some(error));
        assert_eq!(rig.until_event(), Event::Failed { lock, failure });
        assert_eq!(rig.now.since(start), secs(10));
    }
}

#[test]
fn a_trouble_on_entering_is_kept_for_the_message() {
    let mut rig = Rig::new();
    let lock = rig.ask(1, Wait::Try);
    let enter = rig.expect(Call::Enter);
    rig.door = Door::Shut(None);
    rig.answer(&enter, failed("57P03"));
    let failure = Failure::Unreachable(Some(error("57P03")));
    assert_eq!(rig.until_event(), Event::Failed { lock, failure });
}

#[test]
fn a_connection_refused_for_good_fails_those_who_never_had_an_answer() {
    let mut rig = Rig::new();
    let answered = rig.ask(1, Wait::ForEver);
    let enter = rig.enter();
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    let lock = rig.ask(2, Wait::ForEver);
    rig.drain();
    rig.door = Door::Shut(Some(fatal("28P01")));
    rig.client.handle_disconnected(enter.session(), None, rig.now);
    let failure = Failure::Server(fatal("28P01"));
    assert_eq!(rig.event(), Event::Failed { lock, failure });
    rig.door = Door::Open;
    rig.commands.clear();
    rig.enter();
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&[answered]);
}

/// The connection for leases is refused, and that for advisory locks works.
#[test]
fn a_refusal_for_good_does_not_end_the_wait_for_an_own_lock() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    let waiter = rig.ask(1, Wait::ForEver);
    rig.door = Door::Shut(Some(fatal("28P01")));
    rig.client.ask(Question::CheckTable, rig.now).unwrap();
    assert!(matches!(rig.event(), Event::Answered { .. }));
    rig.release(lock);
    rig.grant(unlock(1, EXCLUSIVE));
    rig.grant(try_(1, EXCLUSIVE));
    assert_eq!(
        rig.events(),
        [released(lock), Event::AdvisoryAcquired { lock: waiter, token: None }]
    );
}

#[test]
fn a_connection_that_does_not_open_is_given_up_and_another_asked_for() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    rig.ask(1, Wait::ForEver);
    rig.drain();
    rig.pass(secs(10));
    assert_eq!((rig.closed.len(), rig.opened.len()), (1, 2));
}

#[test]
fn an_enter_without_a_reply_in_time_is_given_up() {
    let mut rig = Rig::new();
    rig.ask(1, Wait::ForEver);
    let enter = rig.expect(Call::Enter);
    rig.pass(secs(5) - Duration::from_nanos(1));
    assert_eq!(rig.closed, []);
    rig.pass(Duration::from_nanos(1));
    assert_eq!(rig.closed, [enter.session()]);
    let again = rig.expect(Call::Enter);
    assert_eq!(again.session(), rig.opened[1].0);
    rig.rows(&enter, vec![bools(&[false, false, false])]);
    rig.silent();
    assert_eq!(rig.client.counters().ignored_outcomes, 1);
}

#[test]
fn a_session_that_nobody_uses_any_more_is_marked_all_the_same_once_it_is_wanted() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    let lock = rig.ask(1, Wait::ForEver);
    rig.drain();
    rig.cancel(lock);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    rig.client.handle_connected(rig.opened[0].0, rig.now);
    rig.silent();
    rig.pass(secs(3_600));
    let lock = rig.first(1);
    rig.client.handle_disconnected(rig.opened[0].0, None, rig.now);
    assert_eq!(rig.event(), lost(lock));
    assert_eq!(rig.drain().at, None);
}
