//! A client that shuts down, and a clock near its end.

use pglock_core::{AskError, Call, Event, Failure, Instant, Outcome, Wait};

use crate::rig::{
    ANN, BOB, Door, EXCLUSIVE, Rig, SHARED, bools, failed, lost, released, request, secs,
    timed_out, try_, unconfirmed, unlock,
};

#[test]
fn a_shut_down_gives_back_what_is_held_cancels_who_waits_and_closes_the_session() {
    let mut rig = Rig::new();
    let first = rig.first_as(ANN, 1, EXCLUSIVE);
    let again = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    rig.acquired(&[again]);
    let waiters = [1, 2].map(|key| rig.ask_as(BOB, key, EXCLUSIVE, Wait::ForEver));
    let command = rig.expect(try_(2, EXCLUSIVE));
    rig.client.shut_down(rig.now);
    assert_eq!(rig.held(), []);
    let cancelled = waiters.map(|lock| Event::Cancelled { lock });
    assert_eq!(rig.events(), [cancelled[0].clone(), released(again), cancelled[1].clone()]);
    assert_eq!(rig.request(request(None, 3, SHARED, Wait::Try)), Err(AskError::ShuttingDown));
    rig.say(&command, true);
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.event(), released(first));
    assert!(!rig.client.is_shut_down());
    rig.grant(unlock(2, EXCLUSIVE));
    rig.silent();
    assert!(rig.client.is_shut_down());
    assert_eq!(rig.closed, [command.session()]);
    assert_eq!(rig.drain().at, None);
}

#[test]
fn a_shut_down_of_an_idle_client_closes_its_session() {
    let mut rig = Rig::new().open();
    rig.client.shut_down(rig.now);
    rig.silent();
    assert_eq!(rig.closed.len(), 1);
    assert!(rig.client.is_shut_down());
}

#[test]
fn a_shut_down_while_a_session_is_marked_waits_for_the_answer() {
    let mut rig = Rig::new();
    let lock = rig.ask(1, Wait::ForEver);
    let enter = rig.command();
    rig.client.shut_down(rig.now);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    assert!(!rig.client.is_shut_down());
    rig.rows(&enter, vec![bools(&[true, true, true])]);
    rig.silent();
    assert!(rig.client.is_shut_down());
}

#[test]
fn a_shut_down_ends_with_the_session_too() {
    for end in ["lost", "overdue"] {
        let mut rig = Rig::new();
        let lock = rig.first(1);
        rig.client.shut_down(rig.now);
        let command = rig.expect(unlock(1, EXCLUSIVE));
        rig.door = Door::Shut(None);
        match end {
            "lost" => rig.answer(&command, Outcome::Lost),
            _ => rig.now = rig.now.checked_add(secs(5)).unwrap(),
        }
        assert_eq!(rig.event(), unconfirmed(lock));
        assert!(rig.client.is_shut_down());
        assert_eq!(rig.opened.len(), 1);
    }
}

#[test]
fn a_shut_down_settles_what_is_in_doubt() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.client.shut_down(rig.now);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    rig.answer(&command, failed("53200"));
    let command = rig.expect(unlock(1, EXCLUSIVE));
    rig.answer(&command, failed("57014"));
    let command = rig.expect(unlock(1, EXCLUSIVE));
    rig.answer(&command, failed("57014"));
    rig.no_command();
    assert!(!rig.client.is_shut_down(), "the unlock will be repeated");
    let command = rig.until(unlock(1, EXCLUSIVE));
    rig.say(&command, false);
    rig.silent();
    assert!(rig.client.is_shut_down());
}

#[test]
fn near_the_clocks_end_locks_are_refused() {
    let mut rig = Rig::new();
    rig.now = Instant::from_nanos(u64::MAX - 5);
    let refused = Err(AskError::ClockExhausted);
    assert_eq!(rig.request(request(None, 1, SHARED, Wait::Try)), refused);
}

#[test]
fn at_the_clocks_end_nobody_is_left_waiting() {
    for wait in [Wait::ForEver, Wait::AtMost(std::time::Duration::MAX), Wait::AtMost(secs(1))] {
        let mut rig = Rig::new().open();
        let lock = rig.ask(1, wait);
        rig.expect(try_(1, EXCLUSIVE));
        let first = rig.ask(2, Wait::ForEver);
        rig.now = Instant::MAX;
        let failed = |lock| Event::Failed { lock, failure: Failure::ClockExhausted };
        let one = if wait == Wait::AtMost(secs(1)) { timed_out(lock) } else { failed(lock) };
        assert_eq!(rig.events(), [one, failed(first)]);
        assert_eq!(rig.drain().at, None);
    }
}

/// A lock that was held to the very end could not be lost any more.
#[test]
fn at_the_clocks_end_nothing_is_held() {
    let end = Instant::from_nanos(u64::MAX - 1);
    let mut rig = Rig::new();
    rig.now = Instant::from_nanos(u64::MAX - 20_000_000_000);
    let lock = rig.first(1);
    let look = rig.until(Call::Look);
    rig.now = rig.now.checked_add(secs(3)).unwrap();
    rig.say(&look, true);
    rig.events();
    let look = rig.until(Call::Look);
    rig.say(&look, true);
    assert_eq!(rig.client.valid_until(lock), Some(end));
    rig.events();
    rig.now = end;
    let told = rig.events();
    assert_eq!(told.last(), Some(&lost(lock)), "{told:?}");
    assert_eq!(rig.held(), []);
    rig.client.shut_down(rig.now);
    rig.drain();
    assert!(rig.client.is_shut_down());
}

/// The session is given up, and the server frees what it held.
#[test]
fn at_the_clocks_end_nobody_waits_for_the_answer_to_a_release() {
    let mut rig = Rig::new();
    rig.now = Instant::from_nanos(u64::MAX - 20_000_000_000);
    let lock = rig.first(1);
    rig.client.release(lock, rig.now).unwrap();
    rig.expect(unlock(1, EXCLUSIVE));
    rig.now = Instant::MAX;
    assert_eq!(rig.events(), [Event::Released { lock, confirmed: false }]);
    assert_eq!(rig.closed.len(), 1);
}
