//! One lock that somebody else may hold: tries, waits, and what ends them.

use std::time::Duration;

use pglock_core::{Amendment, AskError, Config, Event, Outcome, Wait};

use crate::rig::{EXCLUSIVE, Rig, SHARED, busy, millis, released, secs, timed_out, try_, unlock};

#[test]
fn a_try_that_is_granted_holds_the_lock() {
    for wait in [Wait::Try, Wait::Probe, Wait::ForEver, Wait::AtMost(secs(1))] {
        let mut rig = Rig::new().open();
        let lock = rig.ask(1, wait);
        rig.grant(try_(1, EXCLUSIVE));
        rig.acquired(&[lock]);
        assert_eq!(rig.held(), [(1.into(), lock)]);
        rig.silent();
        rig.give_back(lock, 1, EXCLUSIVE);
        assert_eq!(rig.held(), []);
        assert_eq!(rig.client.valid_until(lock), None);
        rig.silent();
    }
}

#[test]
fn a_try_or_a_probe_is_busy_if_somebody_else_has_the_lock() {
    for wait in [Wait::Try, Wait::Probe] {
        let mut rig = Rig::new().open();
        let lock = rig.ask(1, wait);
        let command = rig.expect(try_(1, EXCLUSIVE));
        rig.say(&command, false);
        assert_eq!(rig.event(), busy(lock));
        rig.no_command();
        assert_eq!(rig.drain().at, None);
    }
}

#[test]
fn a_waiter_asks_again_and_again_with_the_spread_of_the_poll() {
    let mut config = Config::default();
    (config.poll, config.hints) = (millis(800), false);
    let mut rig = Rig::with(config).open();
    let lock = rig.ask(1, Wait::ForEver);
    let mut gaps = Vec::new();
    let mut command = rig.expect(try_(1, EXCLUSIVE));
    for _ in 0..50 {
        rig.say(&command, false);
        let start = rig.now;
        command = rig.until(try_(1, EXCLUSIVE));
        gaps.push(rig.now.since(start));
    }
    assert_eq!(rig.events(), []);
    assert!(gaps.iter().all(|gap| *gap >= millis(400) && *gap <= millis(800)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < millis(500)) && gaps.iter().any(|gap| *gap > millis(700)));
    rig.say(&command, true);
    rig.acquired(&[lock]);
}

#[test]
fn a_poll_is_never_slower_than_half_the_patience() {
    let mut config = Config::default();
    (config.poll, config.hints) = (secs(1_000), false);
    let mut rig = Rig::with(config).open();
    rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    let start = rig.now;
    rig.until(try_(1, EXCLUSIVE));
    assert!(rig.now.since(start) <= secs(5));
}

#[test]
fn a_wait_ends_when_its_time_has_passed() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::AtMost(millis(10)));
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    rig.pass(millis(10) - Duration::from_nanos(1));
    rig.silent();
    rig.pass(Duration::from_nanos(1));
    assert_eq!(rig.event(), timed_out(lock));
    assert_eq!(rig.drain().at, None);
    assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)));
    assert_eq!(rig.client.cancel(lock, rig.now), Err(AskError::NotHeld(lock)));
}

#[test]
fn a_wait_of_no_length_is_over_before_any_answer() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::AtMost(Duration::ZERO));
    assert_eq!(rig.event(), timed_out(lock));
    rig.no_command();
}

#[test]
fn the_next_who_waits_is_asked_for_when_the_first_gives_up() {
    let mut rig = Rig::new().open();
    let first = rig.ask(1, Wait::AtMost(millis(10)));
    let second = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    rig.pass(millis(10));
    assert_eq!(rig.event(), timed_out(first));
    let command = rig.until(try_(1, EXCLUSIVE));
    rig.say(&command, true);
    rig.acquired(&[second]);
}

#[test]
fn a_waiter_that_is_cancelled_asks_no_more() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    rig.cancel(lock);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    assert_eq!(rig.drain().at, None);
    assert_eq!(rig.client.cancel(lock, rig.now), Err(AskError::NotHeld(lock)));
}

#[test]
fn a_cancel_of_what_is_held_gives_it_back() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.cancel(lock);
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.event(), released(lock));
}

#[test]
fn a_grant_that_comes_after_a_cancel_or_a_time_out_is_given_back_in_silence() {
    for time_out in [true, false] {
        let mut rig = Rig::new().open();
        let lock = rig.ask(1, Wait::AtMost(secs(1)));
        let command = rig.expect(try_(1, EXCLUSIVE));
        if time_out {
            rig.pass(secs(1));
            assert_eq!(rig.event(), timed_out(lock));
        } else {
            rig.cancel(lock);
            assert_eq!(rig.event(), Event::Cancelled { lock });
        }
        rig.say(&command, true);
        rig.grant(unlock(1, EXCLUSIVE));
        rig.silent();
        assert_eq!(rig.held(), []);
    }
}

#[test]
fn a_refusal_that_comes_after_a_cancel_leaves_nothing_to_do() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.cancel(lock);
    rig.events();
    rig.say(&command, false);
    rig.silent();
    assert_eq!(rig.drain().at, None);
}

#[test]
fn a_grant_for_one_who_has_gone_serves_the_next() {
    let mut rig = Rig::new().open();
    let gone = rig.ask(1, Wait::ForEver);
    let next = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.cancel(gone);
    assert_eq!(rig.event(), Event::Cancelled { lock: gone });
    rig.say(&command, true);
    rig.acquired(&[next]);
}

#[test]
fn a_grant_in_a_mode_that_nobody_wants_any_more_is_given_back_before_the_next_try() {
    for (mode, other) in [(EXCLUSIVE, SHARED), (SHARED, EXCLUSIVE)] {
        let mut rig = Rig::new().open();
        let gone = rig.ask_as(None, 1, mode, Wait::ForEver);
        let next = rig.ask_as(None, 1, other, Wait::ForEver);
        let command = rig.expect(try_(1, mode));
        rig.cancel(gone);
        rig.events();
        rig.say(&command, true);
        rig.grant(unlock(1, mode));
        assert_eq!(rig.events(), []);
        rig.grant(try_(1, other));
        rig.acquired(&[next]);
    }
}

#[test]
fn a_try_that_joins_another_on_its_way_is_asked_for_itself() {
    let mut rig = Rig::new().open();
    let first = rig.ask_as(None, 1, SHARED, Wait::Try);
    let command = rig.expect(try_(1, SHARED));
    let second = rig.ask_as(None, 1, SHARED, Wait::Try);
    rig.silent();
    rig.say(&command, false);
    let before = rig.now;
    assert_eq!(rig.event(), busy(first), "the lock may have been freed since");
    let command = rig.expect(try_(1, SHARED));
    assert_eq!(rig.now, before);
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(second));
    rig.no_command();
}

#[test]
fn a_try_beside_one_who_waits_is_asked_for_at_once_and_leaves_the_poll_alone() {
    let mut rig = Rig::new().open();
    rig.ask_as(None, 1, SHARED, Wait::ForEver);
    let command = rig.expect(try_(1, SHARED));
    rig.say(&command, false);
    rig.no_command();
    let tried = rig.ask_as(None, 1, SHARED, Wait::Try);
    let command = rig.expect(try_(1, SHARED));
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(tried));
    rig.no_command();
    let start = rig.now;
    rig.until(try_(1, SHARED));
    assert!(rig.now.since(start) >= millis(250));
}

#[test]
fn a_try_that_is_busy_for_an_own_waiter_hurries_nobody() {
    let mut rig = Rig::new().open();
    rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    let poll = rig.drain().at;
    let tried = rig.ask(1, Wait::Try);
    assert_eq!(rig.event(), busy(tried));
    rig.no_command();
    assert_eq!(rig.drain().at, poll);
}

#[test]
fn a_grant_serves_those_who_joined_after_the_try_was_sent() {
    let mut rig = Rig::new().open();
    let first = rig.ask_as(None, 1, SHARED, Wait::ForEver);
    let command = rig.expect(try_(1, SHARED));
    let second = rig.ask_as(None, 1, SHARED, Wait::Try);
    rig.say(&command, true);
    rig.acquired(&[first, second]);
}

#[test]
fn nothing_known_is_nothing_to_give_back() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::ForEver);
    assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)), "it waits yet");
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.answer(&command, Outcome::Lost);
    assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)));
    rig.cancel(lock);
    assert_eq!(rig.event(), Event::Cancelled { lock });
}

#[test]
fn a_heartbeat_or_an_amendment_is_for_leases_only() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    let amendment = Amendment { lease: Some(secs(7)), data: None };
    assert_eq!(rig.client.heartbeat(lock, rig.now), Err(AskError::NotHeld(lock)));
    assert_eq!(rig.client.amend(lock, amendment, rig.now), Err(AskError::NotHeld(lock)));
    rig.silent();
    assert_eq!(rig.held().len(), 1);
}
