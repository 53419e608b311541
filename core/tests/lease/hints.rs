//! Hints of releases: a waiter listens, marks the row, and asks at once when it is told.

use pglock_core::{
    Command, Config, Mark, Outcome, Read, Row, Rvn, SessionId, Statement, Value, Wait,
};

use crate::rig::{
    Door, Rig, acquire, error, failed, foreign, free, granted, held_row, millis, name_of, refused,
    secs,
};

fn rig() -> Rig {
    Rig::with(Config::default())
}

fn mark(command: &Command) -> &Mark {
    match command.statement() {
        Statement::Mark(mark) => mark,
        other => panic!("{other:?}"),
    }
}

fn looks(command: &Command) -> bool {
    matches!(command.statement(), Statement::Read(Read::One(_)))
}

fn marked() -> Vec<Row> {
    vec![Row(vec![Value::Int8(9)])]
}

/// Somebody else holds the lock under this number; the client waits and listens. Answers the session, and the
/// mark that it sends.
fn listening(rig: &mut Rig, rvn: Rvn) -> (SessionId, Command) {
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.rows(&first, vec![refused(rvn, 20_000)]);
    rig.waiting();
    let listen = rig.command();
    assert_eq!(listen.statement(), &Statement::Listen);
    rig.rows(&listen, vec![]);
    let mark = rig.command();
    (listen.session(), mark)
}

/// The row is marked; nothing is to be done. Answers the session, and what its notifications say.
fn told(rig: &mut Rig, rvn: Rvn) -> (SessionId, String) {
    let (session, command) = listening(rig, rvn);
    let payload = format!("{} a", mark(&command).waiter);
    rig.rows(&command, marked());
    rig.no_command();
    (session, payload)
}

#[test]
fn a_waiter_listens_marks_the_row_and_asks_when_it_is_told() {
    let mut rig = rig();
    let (session, command) = listening(&mut rig, foreign(1));
    assert_ne!(session, command.session());
    let Mark { name, seen, waiter, lock_timeout } = mark(&command).clone();
    assert_eq!((name, seen, lock_timeout), (name_of("a"), foreign(1), secs(2)));
    rig.rows(&command, marked());
    rig.no_command();
    rig.client.handle_notification(session, &format!("{waiter} a"), rig.now);
    let asked = rig.command();
    assert_eq!(acquire(&asked).seen, None);
    rig.rows(&asked, vec![granted(&asked, 10)]);
    let lock = rig.last();
    rig.acquired(lock, 10);
}

#[test]
fn without_hints_nobody_listens() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.rows(&first, vec![refused(foreign(1), 20_000)]);
    rig.no_command();
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn nobody_listens_who_does_not_wait() {
    let mut rig = rig();
    rig.hold("b");
    rig.ask("a", Wait::Probe);
    let first = rig.command();
    rig.rows(&first, vec![refused(foreign(1), 20_000)]);
    rig.no_command();
}

#[test]
fn a_waiter_looks_on_whatever_it_is_told() {
    let mut rig = rig();
    told(&mut rig, foreign(1));
    let before = rig.now;
    let look = rig.until_command();
    assert!(looks(&look) && rig.now.since(before) <= millis(500));
}

/// The mark compares the number: a release between the look and the mark is not missed.
#[test]
fn a_mark_that_comes_too_late_is_followed_by_a_look() {
    let mut rig = rig();
    let (_, command) = listening(&mut rig, foreign(1));
    rig.rows(&command, vec![]);
    let look = rig.command();
    assert!(looks(&look));
    let mut row = held_row(foreign(1), 20_000);
    row.0[1] = Value::Null;
    rig.rows(&look, vec![row]);
    assert_eq!(acquire(&rig.command()).seen, None);
}

#[test]
fn a_heartbeat_between_is_marked_again_and_a_marked_row_is_not() {
    let mut rig = rig();
    let (_, command) = listening(&mut rig, foreign(1));
    rig.rows(&command, vec![]);
    let look = rig.command();
    rig.rows(&look, vec![held_row(foreign(2), 20_000)]);
    let again = rig.command();
    assert_eq!(mark(&again).seen, foreign(2));
    rig.rows(&again, vec![]);
    let look = rig.command();
    rig.rows(&look, vec![held_row(foreign(2), 20_000)]);
    rig.no_command();
}

#[test]
fn a_mark_outlasts_heartbeats_and_not_the_grant() {
    let mut rig = rig();
    told(&mut rig, foreign(1));
    let look = rig.until_command();
    rig.rows(&look, vec![held_row(foreign(2), 20_000)]);
    rig.no_command();
    let look = rig.until_command();
    let mut row = held_row(foreign(3), 20_000);
    row.0[5] = Value::Int8(10);
    rig.rows(&look, vec![row]);
    rig.waiting();
    assert_eq!(mark(&rig.command()).seen, foreign(3));
}

#[test]
fn a_mark_without_an_answer_does_not_keep_the_waiter_from_looking() {
    for outcome in [Outcome::Lost, failed("55P03")] {
        let mut rig = rig();
        let (_, command) = listening(&mut rig, foreign(1));
        rig.answer(&command, outcome);
        assert!(looks(&rig.until_command()));
    }
}

/// The notification of a release may overtake the answer to what was sent before it.
#[test]
fn a_hint_counts_for_what_is_on_its_way() {
    let mut rig = rig();
    let (session, command) = listening(&mut rig, foreign(1));
    let payload = format!("{} a", mark(&command).waiter);
    rig.client.handle_notification(session, &payload, rig.now);
    rig.no_command();
    rig.rows(&command, marked());
    assert_eq!(acquire(&rig.command()).seen, None);
}

#[test]
fn a_hint_too_many_costs_one_try() {
    let mut rig = rig();
    let (session, payload) = told(&mut rig, foreign(1));
    rig.client.handle_notification(session, &payload, rig.now);
    let asked = rig.command();
    rig.rows(&asked, vec![refused(foreign(1), 20_000)]);
    rig.no_command();
    assert!(looks(&rig.until_command()));
}

#[test]
fn what_is_told_to_others_changes_nothing() {
    let mut rig = rig();
    let (session, payload) = told(&mut rig, foreign(1));
    let number: i64 = payload.trim_end_matches(" a").parse().unwrap();
    for payload in [format!("{} a", number ^ 1), format!("{number} b"), "a".into(), String::new()] {
        rig.client.handle_notification(session, &payload, rig.now);
        rig.no_command();
    }
    rig.client.handle_disconnected(session, None, rig.now);
    rig.client.handle_notification(session, &payload, rig.now);
    assert!(rig.commands.is_empty());
}

#[test]
fn a_go_client_tells_nobody_and_its_row_is_not_marked() {
    let mut rig = rig();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.rows(&first, vec![refused(Rvn::new(5), 20_000)]);
    rig.waiting();
    let listen = rig.command();
    rig.rows(&listen, vec![]);
    assert!(looks(&rig.command()));
}

/// A pooler, or a standby, cannot tell: the waiter looks, and asks again some seconds later.
#[test]
fn who_is_not_told_looks_and_asks_again_later() {
    let mut rig = rig();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.rows(&first, vec![refused(foreign(1), 20_000)]);
    rig.waiting();
    let listen = rig.command();
    rig.answer(&listen, Outcome::Failed(error("0A000")));
    let before = rig.now;
    loop {
        let command = rig.until_command();
        if command.statement() == &Statement::Listen {
            break;
        }
        assert!(looks(&command));
        rig.rows(&command, vec![held_row(foreign(1), 20_000)]);
    }
    let pause = rig.now.since(before);
    assert!(pause >= millis(2_500) && pause <= secs(5), "{pause:?}");
}

/// There is no connection left to be had: nobody asks for one all the time.
#[test]
fn a_session_that_cannot_be_opened_is_asked_for_again_later() {
    let mut rig = rig();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.door = Door::Shut(Some(error("53300")));
    rig.rows(&first, vec![refused(foreign(1), 20_000)]);
    rig.waiting();
    rig.no_command();
    let opened = rig.opened.len();
    let before = rig.now;
    while rig.opened.len() == opened {
        let look = rig.until_command();
        assert!(looks(&look));
        rig.rows(&look, vec![held_row(foreign(1), 20_000)]);
    }
    let pause = rig.now.since(before);
    assert!(pause >= millis(2_500) && pause <= secs(5), "{pause:?}");
    rig.door = Door::Open;
    while rig.until_command().statement() != &Statement::Listen {}
}

/// What was released while nobody listened was told to nobody.
#[test]
fn a_session_that_is_lost_is_opened_again_and_the_row_is_asked_at_once() {
    let mut rig = rig();
    let (session, _) = told(&mut rig, foreign(1));
    rig.client.handle_disconnected(session, None, rig.now);
    let listen = rig.command();
    assert_eq!(listen.statement(), &Statement::Listen);
    assert_ne!(listen.session(), session);
    rig.rows(&listen, vec![]);
    assert!(looks(&rig.command()));
}

#[test]
fn whoever_holds_or_has_given_up_is_not_woken() {
    let mut rig = rig();
    let (session, payload) = told(&mut rig, foreign(1));
    let lock = rig.last();
    rig.client.cancel(lock, rig.now).unwrap();
    rig.events();
    rig.client.handle_notification(session, &payload, rig.now);
    rig.no_command();
    rig.ask("a", Wait::ForEver);
    let asked = rig.command();
    rig.rows(&asked, vec![free()]);
    let asked = rig.command();
    rig.rows(&asked, vec![granted(&asked, 10)]);
    rig.events();
    rig.client.handle_notification(session, &payload, rig.now);
    rig.no_command();
}
