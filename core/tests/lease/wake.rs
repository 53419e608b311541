//! What a client that has nothing to do wakes up for: one test for each reason, with its moment.

use std::time::Duration;

use pglock_core::{Heartbeat, Instant, Outcome, Question, Reason, Request, Wait, Wake};

use crate::rig::{Door, Rig, failed, foreign, granted, millis, name_of, refused, secs};

fn wake(rig: &Rig, after: Duration, reason: Reason) -> Wake {
    Wake { at: rig.now.checked_add(after), reason }
}

/// A moment of a pause between half of `whole` and the whole of it.
fn assert_spread(rig: &Rig, wake: Wake, whole: Duration, reason: Reason) {
    let pause = wake.at.unwrap().since(rig.now);
    assert!(pause >= whole / 2 && pause <= whole, "{pause:?}");
    assert_eq!(wake.reason, reason);
}

#[test]
fn idle_and_never_woken() {
    let mut rig = Rig::new();
    assert_eq!(rig.drain(), Wake { at: None, reason: Reason::Idle });
}

#[test]
fn idle_again_when_all_is_done() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::Try);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    assert_eq!(rig.drain(), Wake { at: None, reason: Reason::Idle });
}

#[test]
fn for_a_renewal() {
    let mut rig = Rig::new();
    rig.hold("a");
    assert_eq!(rig.drain(), wake(&rig, secs(5), Reason::Renewal));
}

#[test]
fn for_a_renewal_that_is_repeated() {
    let mut rig = Rig::new();
    rig.hold("a");
    let beat = rig.until_command();
    rig.answer(&beat, failed("40001"));
    let wake = rig.drain();
    assert_spread(&rig, wake, secs(5) / 8, Reason::Renewal);
}

#[test]
fn for_a_lock_that_expires() {
    let mut rig = Rig::new();
    let mut request = Request::new(name_of("a"));
    request.heartbeat = Some(Heartbeat::ByHand);
    rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    let valid = Duration::from_nanos(19_601_980_198);
    assert_eq!(rig.drain(), wake(&rig, valid, Reason::Lock));
}

#[test]
fn for_a_lock_that_falls_at_risk() {
    let mut rig = Rig::new();
    rig.hold("a");
    let beat = rig.until_command();
    rig.pass(secs(1));
    rig.door = Door::Silent;
    rig.answer(&beat, Outcome::Lost);
    rig.pass(secs(1));
    assert_eq!(rig.drain(), wake(&rig, secs(3), Reason::Lock));
}

#[test]
fn for_a_waiter_that_polls() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    let wake = rig.drain();
    assert_spread(&rig, wake, millis(500), Reason::Lock);
}

#[test]
fn for_a_holder_that_would_be_dead() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 100)]);
    assert_eq!(rig.drain(), wake(&rig, millis(100), Reason::Lock));
}

#[test]
fn for_a_waiter_that_gives_up() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::AtMost(millis(100)));
    let command = rig.command();
    assert_eq!(rig.drain(), wake(&rig, millis(100), Reason::Lock));
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    assert_eq!(rig.drain(), wake(&rig, millis(100), Reason::Lock));
}

#[test]
fn for_a_reply_that_is_overdue() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    rig.command();
    assert_eq!(rig.drain(), wake(&rig, secs(5), Reason::Session));
}

#[test]
fn for_a_connection_that_is_overdue() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    rig.ask("a", Wait::ForEver);
    assert_eq!(rig.drain(), wake(&rig, secs(10), Reason::Session));
}

#[test]
fn for_a_second_connection_that_is_overdue() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    rig.ask("a", Wait::ForEver);
    rig.drain();
    rig.client.handle_disconnected(rig.opened[0].0, None, rig.now);
    assert_eq!(rig.drain(), wake(&rig, secs(10), Reason::Session));
    assert_eq!(rig.opened.len(), 2);
}

#[test]
fn for_the_next_connection() {
    let mut rig = Rig::new();
    rig.door = Door::Shut(None);
    rig.ask("a", Wait::ForEver);
    let wake = rig.drain();
    assert_spread(&rig, wake, millis(50), Reason::Session);
}

#[test]
fn for_a_question_that_is_asked_again() {
    let mut rig = Rig::new();
    rig.client.ask(Question::CheckTable, rig.now).unwrap();
    for _ in 0..2 {
        let command = rig.command();
        rig.answer(&command, failed("40001"));
    }
    let wake = rig.drain();
    assert_spread(&rig, wake, millis(50), Reason::Question);
}

#[test]
fn for_a_question_that_is_given_up() {
    let mut config = pglock_core::Config::default();
    config.patience = secs(1);
    let mut rig = Rig::with(config);
    rig.door = Door::Silent;
    rig.client.ask(Question::CheckTable, rig.now).unwrap();
    assert_eq!(rig.drain(), wake(&rig, secs(1), Reason::Question));
}

#[test]
fn never_at_the_clocks_end() {
    let mut rig = Rig::new();
    rig.hold("a");
    rig.now = Instant::MAX;
    assert_eq!(rig.drain(), Wake { at: None, reason: Reason::Idle });
}
