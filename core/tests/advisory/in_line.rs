//! Waiting in the server's own queue: on a session of its own, slice after slice.

use pglock_core::{Call, Config, Event, Failure, LockId, Outcome, Output, SessionKind, Wait};

use crate::rig::{
    ANN, BOB, Door, EXCLUSIVE, Rig, SHARED, busy, error, failed, lost, millis, released, request,
    robbed, secs, take, timed_out, try_, unconfirmed, unlock,
};

const SLICE_PASSED: &str = "55P03";

/// Asks in line for an exclusive lock.
fn ask(rig: &mut Rig, key: i64, wait: Wait) -> LockId {
    let mut request = request(None, key, EXCLUSIVE, wait);
    request.in_line = true;
    rig.request(request).unwrap()
}

/// Acquires a lock in line.
fn hold(rig: &mut Rig, key: i64) -> LockId {
    let lock = ask(rig, key, Wait::ForEver);
    rig.enter();
    rig.grant(take(key, EXCLUSIVE));
    rig.acquired(&[lock]);
    lock
}

fn lines(lines: usize) -> Rig {
    let mut config = Config::default();
    config.lines = lines;
    Rig::with(config)
}

#[test]
fn a_session_of_its_own_is_opened_takes_the_lock_and_is_closed_when_the_lock_is_free() {
    let mut rig = Rig::new();
    let lock = ask(&mut rig, 1, Wait::ForEver);
    let output = rig.client.poll_output(rig.now);
    let Output::Connect(session, SessionKind::InLine) = output else { panic!("{output:?}") };
    rig.client.handle_connected(session, rig.now);
    assert_eq!(rig.enter().session(), session);
    assert_eq!(rig.grant(take(1, EXCLUSIVE)).session(), session);
    rig.acquired(&[lock]);
    assert_eq!(rig.held(), [(1.into(), lock)]);
    assert_eq!(rig.closed, []);
    rig.give_back(lock, 1, EXCLUSIVE);
    assert_eq!(rig.closed, [session]);
    assert_eq!(rig.held(), []);
    assert_eq!(rig.drain().at, None);
}

/// However many are waited for in line, one after the other.
#[test]
fn a_session_in_line_that_is_closed_leaves_nothing_behind() {
    let mut rig = Rig::new();
    for key in 1..4 {
        let lock = hold(&mut rig, key);
        assert!(format!("{:?}", rig.client).contains("kind: InLine"));
        rig.give_back(lock, key, EXCLUSIVE);
        assert!(!format!("{:?}", rig.client).contains("kind: InLine"));
    }
}

#[test]
fn a_slice_that_passes_is_followed_by_the_next_at_once_and_needs_no_settling() {
    let mut rig = Rig::new();
    let lock = ask(&mut rig, 1, Wait::ForEver);
    rig.enter();
    for _ in 0..20 {
        let command = rig.expect(take(1, EXCLUSIVE));
        rig.pass(millis(500));
        rig.silent();
        rig.answer(&command, failed(SLICE_PASSED));
    }
    rig.grant(take(1, EXCLUSIVE));
    rig.acquired(&[lock]);
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn a_slice_leaves_time_for_its_answer() {
    for (slice, silence, expected) in
        [(millis(500), secs(15), millis(500)), (secs(5), secs(3), secs(1))]
    {
        let mut config = Config::default();
        (config.slice, config.silence) = (slice, silence);
        let mut rig = Rig::with(config);
        let lock = ask(&mut rig, 1, Wait::ForEver);
        rig.enter();
        let command = rig.expect(Call::Take(1.into(), EXCLUSIVE, expected));
        rig.pass(expected + (silence / 3).min(secs(5)) - millis(1));
        assert_eq!(rig.closed, []);
        rig.say(&command, true);
        assert_eq!(rig.events()[0], Event::AdvisoryAcquired { lock, token: None });
        assert!(rig.valid_for(lock).is_some());
    }
}

#[test]
fn a_slice_without_an_answer_is_given_up_with_its_session() {
    let mut rig = Rig::new();
    let lock = ask(&mut rig, 1, Wait::ForEver);
    rig.enter();
    let command = rig.expect(take(1, EXCLUSIVE));
    rig.pass(millis(5_500));
    assert_eq!(rig.closed, [command.session()]);
    let enter = rig.enter();
    assert_ne!(enter.session(), command.session());
    rig.say(&command, true);
    rig.grant(take(1, EXCLUSIVE));
    rig.acquired(&[lock]);
}

#[test]
fn any_other_error_is_settled() {
    for code in ["53200", "57014", "40P01", "42501"] {
        for held in [true, false] {
            let mut rig = Rig::new();
            let lock = ask(&mut rig, 1, Wait::ForEver);
            rig.enter();
            let command = rig.expect(take(1, EXCLUSIVE));
            rig.answer(&command, failed(code));
            let command = rig.expect(unlock(1, EXCLUSIVE));
            rig.silent();
            rig.say(&command, held);
            match code {
                "53200" => {
                    let failure = Failure::LockTableFull(error(code));
                    assert_eq!(rig.event(), Event::Failed { lock, failure });
                }
                "42501" => {
                    let failure = Failure::Server(error(code));
                    assert_eq!(rig.event(), Event::Failed { lock, failure });
                }
                _ => {
                    rig.until(take(1, EXCLUSIVE));
                }
            }
        }
    }
}

#[test]
fn an_answer_of_another_session_takes_nothing() {
    let mut rig = Rig::new();
    let lock = ask(&mut rig, 1, Wait::ForEver);
    rig.enter();
    let command = rig.expect(take(1, EXCLUSIVE));
    rig.null(&command);
    assert_eq!(rig.events(), []);
    assert_eq!(rig.closed, [command.session()]);
    rig.enter();
    rig.grant(take(1, EXCLUSIVE));
    rig.acquired(&[lock]);
}

#[test]
fn a_wait_ends_when_its_time_has_passed_and_what_comes_later_is_given_back() {
    for granted in [true, false] {
        let mut rig = Rig::new();
        let lock = ask(&mut rig, 1, Wait::AtMost(millis(100)));
        rig.enter();
        let command = rig.expect(take(1, EXCLUSIVE));
        rig.pass(millis(100));
        assert_eq!(rig.event(), timed_out(lock));
        assert_eq!(rig.closed, [], "the server may have granted it");
        if granted {
            rig.say(&command, true);
            rig.grant(unlock(1, EXCLUSIVE));
        } else {
            rig.answer(&command, failed(SLICE_PASSED));
        }
        rig.silent();
        assert_eq!(rig.closed, [command.session()]);
    }
}

#[test]
fn a_waiter_that_is_cancelled_takes_no_further_slice() {
    let mut rig = Rig::new();
    let lock = ask(&mut rig, 1, Wait::ForEver);
    rig.enter();
    let command = rig.expect(take(1, EXCLUSIVE));
    rig.cancel(lock);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    rig.answer(&command, failed(SLICE_PASSED));
    rig.silent();
    assert_eq!(rig.closed, [command.session()]);
}

#[test]
fn a_session_that_nobody_needs_any_more_is_closed_while_it_is_opened_or_marked() {
    for door in [Door::Silent, Door::Open] {
        let mut rig = Rig::new();
        rig.door = door;
        let lock = ask(&mut rig, 1, Wait::ForEver);
        rig.drain();
        rig.commands.clear();
        rig.cancel(lock);
        assert_eq!(rig.event(), Event::Cancelled { lock });
        assert_eq!(rig.closed, [rig.opened[0].0]);
        assert_eq!(rig.drain().at, None);
        rig.door = Door::Open;
        hold(&mut rig, 1);
    }
}

#[test]
fn each_place_waits_on_a_session_of_its_own_and_holds_up_nobody() {
    let mut rig = Rig::new();
    let first = ask(&mut rig, 1, Wait::ForEver);
    let second = ask(&mut rig, 2, Wait::ForEver);
    rig.drain();
    let enters = std::mem::take(&mut rig.commands);
    assert_eq!(enters.len(), 2);
    for enter in &enters {
        rig.rows(enter, vec![crate::rig::bools(&[true, true, true])]);
    }
    rig.drain();
    let takes = std::mem::take(&mut rig.commands);
    rig.first(3);
    rig.say(&takes[1], true);
    rig.acquired(&[second]);
    rig.say(&takes[0], true);
    rig.acquired(&[first]);
    assert_eq!(rig.held().len(), 3);
    let sessions = [takes[0].session(), takes[1].session()];
    assert_ne!(sessions[0], sessions[1]);
    rig.client.handle_disconnected(sessions[0], None, rig.now);
    assert_eq!(rig.event(), lost(first));
    assert_eq!(rig.held().len(), 2);
}

#[test]
fn two_of_one_client_have_it_in_the_order_of_their_coming() {
    let mut rig = Rig::new();
    let first = hold(&mut rig, 1);
    let second = ask(&mut rig, 1, Wait::ForEver);
    let third = rig.ask(1, Wait::ForEver);
    rig.silent();
    rig.release(first);
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.events(), [released(first)]);
    rig.grant(take(1, EXCLUSIVE));
    rig.acquired(&[second]);
    rig.release(second);
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.events(), [released(second)]);
    rig.grant(take(1, EXCLUSIVE));
    rig.acquired(&[third]);
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn a_place_is_served_where_it_is_held_or_awaited_already() {
    for wait in [Wait::ForEver, Wait::Try] {
        let mut rig = Rig::new();
        let first = rig.first_as(ANN, 1, EXCLUSIVE);
        let mut again = request(ANN, 1, EXCLUSIVE, wait);
        again.in_line = true;
        let second = rig.request(again).unwrap();
        rig.acquired(&[second]);
        let other = ask(&mut rig, 1, Wait::ForEver);
        rig.release(second);
        assert_eq!(rig.event(), released(second));
        rig.release(first);
        rig.grant(unlock(1, EXCLUSIVE));
        assert_eq!(rig.events(), [released(first)]);
        rig.grant(try_(1, EXCLUSIVE));
        rig.acquired(&[other]);
        assert_eq!(rig.opened.len(), 1);
    }
}

#[test]
fn an_owner_stacks_on_what_it_has_in_line() {
    let mut rig = Rig::new();
    let mut outer = request(ANN, 1, EXCLUSIVE, Wait::ForEver);
    outer.in_line = true;
    let first = rig.request(outer).unwrap();
    rig.enter();
    rig.grant(take(1, EXCLUSIVE));
    rig.acquired(&[first]);
    let second = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    rig.acquired(&[second]);
    let tried = rig.ask_as(BOB, 1, EXCLUSIVE, Wait::Try);
    assert_eq!(rig.event(), busy(tried));
    let shared = rig.ask_as(ANN, 1, SHARED, Wait::ForEver);
    rig.grant(take(1, SHARED));
    rig.acquired(&[shared]);
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn a_try_waits_nowhere() {
    for wait in [Wait::Try, Wait::Probe] {
        let mut rig = Rig::new();
        let lock = ask(&mut rig, 1, wait);
        rig.enter();
        let command = rig.expect(try_(1, EXCLUSIVE));
        rig.say(&command, false);
        assert_eq!(rig.event(), busy(lock));
        assert_eq!(rig.closed, []);
    }
}

#[test]
fn a_try_beside_those_who_share_their_wait_is_asked_for_when_the_slice_has_passed() {
    let mut rig = Rig::new();
    let mut waits = request(None, 1, SHARED, Wait::ForEver);
    waits.in_line = true;
    rig.request(waits).unwrap();
    rig.enter();
    let command = rig.expect(take(1, SHARED));
    let tried = rig.ask_as(None, 1, SHARED, Wait::Try);
    rig.silent();
    rig.answer(&command, failed(SLICE_PASSED));
    let command = rig.expect(try_(1, SHARED));
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(tried));
    rig.expect(take(1, SHARED));
}

#[test]
fn one_more_than_there_are_lines_polls() {
    for (number, kind) in [(0, SessionKind::Advisory), (1, SessionKind::InLine)] {
        let mut rig = lines(number);
        ask(&mut rig, 1, Wait::ForEver);
        let output = rig.client.poll_output(rig.now);
        assert!(matches!(output, Output::Connect(_, opened) if opened == kind), "{output:?}");
    }
    let mut rig = lines(1);
    let first = hold(&mut rig, 1);
    let second = ask(&mut rig, 2, Wait::ForEver);
    rig.enter();
    rig.grant(try_(2, EXCLUSIVE));
    rig.acquired(&[second]);
    rig.give_back(first, 1, EXCLUSIVE);
    hold(&mut rig, 3);
}

#[test]
fn places_in_line_count_as_places() {
    let mut config = Config::default();
    config.advisory_places = 2;
    let mut rig = Rig::with(config);
    hold(&mut rig, 1);
    rig.first(2);
    rig.request(request(None, 3, EXCLUSIVE, Wait::ForEver)).unwrap_err();
    ask(&mut rig, 1, Wait::ForEver);
}

#[test]
fn what_is_held_in_line_is_looked_after_and_falls_with_its_session() {
    let mut rig = Rig::new();
    let (first, second) = (hold(&mut rig, 1), hold(&mut rig, 2));
    let start = rig.now;
    rig.drain();
    rig.pass(secs(5));
    let looks = std::mem::take(&mut rig.commands);
    assert_eq!(looks.len(), 2);
    assert_eq!(rig.now.since(start), secs(5));
    rig.null(&looks[0]);
    assert_eq!(rig.events(), [robbed(first)]);
    rig.say(&looks[1], true);
    assert!(matches!(rig.event(), Event::Renewed { lock, .. } if lock == second));
    rig.until(Call::Look);
    rig.pass(secs(5));
    assert_eq!(rig.events(), [lost(second)], "a look without an answer is overdue");
}

#[test]
fn sessions_that_fall_silent_together_are_lost_together() {
    let mut config = Config::default();
    config.silence = secs(3);
    let mut rig = Rig::with(config);
    let locks = [hold(&mut rig, 1), hold(&mut rig, 2)];
    rig.pass(secs(10));
    let told = rig.events();
    assert!(locks.iter().all(|lock| told.contains(&lost(*lock))), "{told:?}");
    assert_eq!(rig.held(), []);
}

#[test]
fn a_release_whose_session_ends_counts_as_unconfirmed() {
    let mut rig = Rig::new();
    let lock = hold(&mut rig, 1);
    rig.release(lock);
    let command = rig.expect(unlock(1, EXCLUSIVE));
    rig.answer(&command, Outcome::Lost);
    assert_eq!(rig.event(), unconfirmed(lock));
    assert_eq!(rig.drain().at, None);
}

#[test]
fn a_session_that_cannot_be_opened_is_asked_for_again() {
    let mut rig = Rig::new();
    rig.door = Door::Shut(None);
    let lock = ask(&mut rig, 1, Wait::ForEver);
    for _ in 0..5 {
        let wake = rig.drain();
        rig.now = wake.at.unwrap();
    }
    assert!(rig.opened.len() > 3);
    rig.door = Door::Open;
    rig.enter();
    rig.grant(take(1, EXCLUSIVE));
    rig.acquired(&[lock]);
}

#[test]
fn one_who_rests_is_not_forgotten_while_another_has_to_wait() {
    let mut rig = Rig::new();
    ask(&mut rig, 1, Wait::ForEver);
    rig.enter();
    let rests_until = rig.fails_until_it_rests(1).unwrap();
    rig.ask(2, Wait::ForEver);
    rig.ask(3, Wait::ForEver);
    rig.expect(Call::Enter);
    assert!(rig.drain().at.unwrap() <= rests_until);
}

#[test]
fn a_shut_down_gives_back_what_is_held_and_closes_what_waits() {
    let mut rig = Rig::new();
    let held = hold(&mut rig, 1);
    let waits = ask(&mut rig, 2, Wait::ForEver);
    rig.enter();
    let command = rig.expect(take(2, EXCLUSIVE));
    rig.client.shut_down(rig.now);
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.events(), [Event::Cancelled { lock: waits }, released(held)]);
    assert!(!rig.client.is_shut_down());
    rig.answer(&command, failed(SLICE_PASSED));
    rig.silent();
    assert!(rig.client.is_shut_down());
    assert_eq!(rig.closed.len(), 2);
}
