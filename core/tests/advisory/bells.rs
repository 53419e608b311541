//! Notifications of unlocks: a waiter listens, leaves the bell of its place ringing, and tries at once when it is told.

use pglock_core::{AdvisoryPlace, Call, Command, Config, Event, LockId, Outcome, Statement, Wait};

use crate::rig::{
    ANN, BOB, EXCLUSIVE, Rig, SHARED, busy, error, failed, lost, millis, request, robbed, take,
    timed_out, try_, unlock,
};

const PLACE: AdvisoryPlace = AdvisoryPlace::Bigint(1);
const RING: Call = Call::Ring(PLACE, EXCLUSIVE);
const RING_ON: Call = Call::RingOn(PLACE, EXCLUSIVE);
const QUIET: Call = Call::Quiet(PLACE);

fn rig() -> Rig {
    Rig::with(Config::default())
}

/// A waiter whose bell rings.
fn rung(rig: &mut Rig) -> LockId {
    let ring = rig.waits_and_listens(1);
    rig.say_rings(&ring);
    rig.silent();
    rig.last.unwrap()
}

/// Lets a holder of another place listen, so that the next waiter rings at once.
fn listening() -> Rig {
    let mut rig = rig();
    let ring = rig.waits_and_listens(9);
    rig.say(&ring, true);
    rig.events();
    rig
}

#[test]
fn a_waiter_that_is_told_tries_at_once_and_the_grant_quiets_its_bell() {
    let mut rig = rig();
    let lock = rung(&mut rig);
    rig.hears("advisory 1");
    rig.grant(RING_ON);
    rig.acquired(&[lock]);
    rig.silent();
    rig.give_back(lock, 1, EXCLUSIVE);
    rig.silent();
}

#[test]
fn a_try_that_rings_may_be_granted() {
    let mut rig = rig();
    let ring = rig.waits_and_listens(1);
    rig.say(&ring, true);
    let lock = rig.last.unwrap();
    rig.acquired(&[lock]);
    rig.silent();
}

/// Somebody who unlocks is at the bell just then; it would last if the bell's place were somebody's lock.
#[test]
fn whoever_cannot_ring_tries_again_at_once_and_then_ever_later() {
    let mut rig = rig();
    let mut ring = rig.waits_and_listens(1);
    let mut pauses = Vec::new();
    for _ in 0..20 {
        rig.say(&ring, false);
        let before = rig.now;
        ring = rig.until(RING);
        pauses.push(rig.now.since(before));
    }
    assert_eq!(pauses[0], millis(0));
    assert!(pauses[1] >= millis(25) && pauses[1] <= millis(50), "{pauses:?}");
    assert!(pauses[10..].iter().all(|pause| *pause >= millis(250) && *pause <= millis(500)));
    rig.say_rings(&ring);
    let before = rig.now;
    rig.until(RING_ON);
    assert!(rig.now.since(before) >= millis(250));
}

#[test]
fn a_waiter_looks_on_whatever_it_is_told() {
    let mut rig = rig();
    rung(&mut rig);
    for _ in 0..3 {
        let before = rig.now;
        let on = rig.until(RING_ON);
        assert!(rig.now > before && rig.now.since(before) <= millis(500));
        rig.say_rings(&on);
    }
}

/// The refusal may be older than the unlock, also the first that a waiter hears.
#[test]
fn a_notification_that_overtakes_a_refusal_makes_it_void() {
    for first in [true, false] {
        let mut rig = listening();
        rig.ask(1, Wait::ForEver);
        let mut ring = rig.expect(RING);
        if !first {
            rig.say_rings(&ring);
            ring = rig.until(RING_ON);
        }
        rig.hears("advisory 1");
        rig.say_rings(&ring);
        let on = rig.expect(RING_ON);
        rig.say_rings(&on);
        rig.silent();
    }
}

#[test]
fn whatever_is_not_for_a_waiter_changes_nothing() {
    let mut rig = rig();
    rung(&mut rig);
    for payload in
        ["advisory 2", "advisory 1 2", "advisory", "advisory ", "advisory one", "1", "7 a", ""]
    {
        rig.hears(payload);
        rig.silent();
    }
    let gone = rig.ears();
    rig.client.handle_disconnected(gone, None, rig.now);
    rig.client.handle_notification(gone, "advisory 1", rig.now);
    assert_eq!(listens(&mut rig).statement(), &Statement::Listen);
}

#[test]
fn a_pair_is_told_by_its_numbers() {
    let place = AdvisoryPlace::Pair(-7, 42);
    let mut rig = listening();
    let lock = rig.request(request(None, place, EXCLUSIVE, Wait::ForEver)).unwrap();
    let ring = rig.expect(Call::Ring(place, EXCLUSIVE));
    rig.say_rings(&ring);
    rig.hears("advisory -7 42");
    rig.grant(Call::RingOn(place, EXCLUSIVE));
    rig.acquired(&[lock]);
}

#[test]
fn whoever_only_tries_never_rings() {
    let mut rig = listening();
    let lock = rig.ask(1, Wait::Try);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(lock));
    rig.silent();
}

/// Who waits already has its bell, and a try beside it quiets that when it is granted.
#[test]
fn a_try_beside_one_who_waits_knows_of_the_bell() {
    let mut rig = listening();
    let waiter = rig.ask_as(None, 1, SHARED, Wait::ForEver);
    let ring = rig.expect(Call::Ring(PLACE, SHARED));
    rig.say_rings(&ring);
    let trier = rig.ask_as(None, 1, SHARED, Wait::Try);
    rig.grant(Call::RingOn(PLACE, SHARED));
    rig.acquired(&[waiter, trier]);
    rig.silent();
}

#[test]
fn a_bell_is_quieted_when_nobody_waits_any_more() {
    let mut rig = rig();
    let lock = rung(&mut rig);
    rig.cancel(lock);
    let quiet = rig.expect(QUIET);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    rig.say(&quiet, true);
    rig.silent();
    assert_eq!(rig.drain().at, None);
}

#[test]
fn a_bell_rings_on_for_the_next_who_waits() {
    let mut rig = listening();
    let first = rig.ask(1, Wait::AtMost(millis(10)));
    let second = rig.ask(1, Wait::ForEver);
    let ring = rig.expect(RING);
    rig.say_rings(&ring);
    rig.pass(millis(10));
    assert_eq!(rig.event(), timed_out(first));
    rig.hears("advisory 1");
    rig.grant(RING_ON);
    rig.acquired(&[second]);
}

#[test]
fn one_who_comes_while_the_bell_is_quieted_rings_it_anew() {
    let mut rig = rig();
    let lock = rung(&mut rig);
    rig.cancel(lock);
    let quiet = rig.expect(QUIET);
    rig.events();
    rig.ask(1, Wait::ForEver);
    rig.silent();
    rig.say(&quiet, true);
    rig.expect(RING);
}

#[test]
fn those_behind_a_lock_of_their_own_client_need_no_bell() {
    let mut rig = listening();
    let first = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    rig.grant(RING);
    rig.acquired(&[first]);
    rig.ask_as(BOB, 1, EXCLUSIVE, Wait::ForEver);
    rig.silent();
    rig.release(first);
    rig.grant(unlock(1, EXCLUSIVE));
    rig.events();
    rig.expect(RING);
}

#[test]
fn whoever_waits_in_line_needs_no_bell() {
    let mut rig = listening();
    let mut request = request(None, 1, EXCLUSIVE, Wait::ForEver);
    request.in_line = true;
    rig.request(request).unwrap();
    rig.enter();
    let command = rig.expect(take(1, EXCLUSIVE));
    rig.answer(&command, failed("55P03"));
    rig.expect(take(1, EXCLUSIVE));
}

/// The error is told when both the lock and the bell are as they were.
#[test]
fn after_an_error_lock_and_bell_are_cleared_up() {
    for [held, rang] in [[false, false], [false, true], [true, false], [true, true]] {
        let mut rig = listening();
        let lock = rig.ask(1, Wait::ForEver);
        let ring = rig.expect(RING);
        rig.answer(&ring, failed("42501"));
        let unlock = rig.expect(unlock(1, EXCLUSIVE));
        rig.say(&unlock, held);
        let quiet = rig.expect(QUIET);
        assert_eq!(rig.events(), []);
        rig.say(&quiet, rang);
        let told = rig.event();
        assert!(matches!(told, Event::Failed { lock: failed, .. } if failed == lock), "{told:?}");
        rig.silent();
    }
}

#[test]
fn an_error_of_quieting_is_followed_by_another_try() {
    let mut rig = rig();
    let lock = rung(&mut rig);
    rig.cancel(lock);
    for _ in 0..3 {
        let quiet = rig.until(QUIET);
        rig.answer(&quiet, failed("57014"));
    }
    let quiet = rig.until(QUIET);
    rig.say(&quiet, false);
    rig.events();
    rig.silent();
    assert_eq!(rig.drain().at, None);
}

#[test]
fn a_bell_that_cannot_be_quieted_ends_its_session() {
    let mut rig = rig();
    let lock = rung(&mut rig);
    rig.cancel(lock);
    let quiet = rig.expect(QUIET);
    rig.answer(&quiet, failed("42501"));
    rig.events();
    assert_eq!(rig.closed, [quiet.session()]);
    assert_eq!(rig.drain().at, None);
}

#[test]
fn a_bell_that_has_gone_shows_that_all_is_gone() {
    let mut rig = rig();
    let held = rig.first(2);
    let waiter = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    let listen = rig.command();
    rig.rows(&listen, vec![]);
    let ring = rig.expect(RING);
    rig.say_rings(&ring);
    rig.cancel(waiter);
    let quiet = rig.expect(QUIET);
    rig.events();
    rig.say(&quiet, false);
    assert_eq!(rig.event(), robbed(held));
    assert_eq!(rig.closed, [quiet.session()]);
}

#[test]
fn with_its_session_the_bell_is_gone() {
    let mut rig = rig();
    let lock = rung(&mut rig);
    let on = rig.until(RING_ON);
    rig.answer(&on, Outcome::Lost);
    rig.enter();
    let ring = rig.expect(RING);
    rig.say(&ring, true);
    rig.acquired(&[lock]);
}

#[test]
fn a_lost_session_of_a_holder_that_rings_elsewhere_is_told_once() {
    let mut rig = rig();
    let held = rig.first(2);
    rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.answer(&command, Outcome::Lost);
    assert_eq!(rig.event(), lost(held));
}

/// What was unlocked while nobody listened was told to nobody.
#[test]
fn whoever_listens_again_looks_again() {
    let mut rig = rig();
    rung(&mut rig);
    rig.client.handle_disconnected(rig.ears(), None, rig.now);
    let listen = listens(&mut rig);
    rig.rows(&listen, vec![]);
    rig.expect(RING_ON);
}

fn listens(rig: &mut Rig) -> Command {
    let command = rig.until_command();
    assert_eq!(command.statement(), &Statement::Listen);
    command
}

#[test]
fn nobody_listens_who_is_served_at_once() {
    let mut rig = rig();
    rig.first(1);
    rig.silent();
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn without_hints_nobody_listens_and_nobody_rings() {
    let mut rig = Rig::new().open();
    rig.ask(1, Wait::ForEver);
    for _ in 0..3 {
        let command = rig.until(try_(1, EXCLUSIVE));
        rig.say(&command, false);
    }
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn where_the_server_tells_nothing_nobody_rings() {
    let mut rig = rig();
    rig.ask(1, Wait::ForEver);
    rig.enter();
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    let listen = rig.command();
    rig.answer(&listen, Outcome::Failed(error("0A000")));
    rig.until(try_(1, EXCLUSIVE));
}

#[test]
fn a_shut_down_quiets_the_bell_before_the_session_ends() {
    let mut rig = rig();
    let lock = rung(&mut rig);
    rig.client.shut_down(rig.now);
    let quiet = rig.expect(QUIET);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    assert!(rig.closed.is_empty());
    rig.say(&quiet, true);
    rig.drain();
    assert!(rig.closed.contains(&quiet.session()));
}

#[test]
fn a_bell_stands_at_a_pair_of_its_own() {
    let places = [
        AdvisoryPlace::Bigint(1),
        AdvisoryPlace::Bigint(-1),
        AdvisoryPlace::Pair(0, 1),
        AdvisoryPlace::Pair(1, 0),
    ];
    let bells = places.map(AdvisoryPlace::bell);
    for (n, bell) in bells.into_iter().enumerate() {
        assert!(matches!(bell, AdvisoryPlace::Pair(..)));
        assert!(!places.contains(&bell) && !bells[..n].contains(&bell));
    }
}

/// Clients of all versions must find each other's bells: at the FNV-1a hash of what their notifications say, by Python's
/// `functools.reduce(lambda hash, byte: (hash ^ byte) * 0x100000001b3 % 2**64, b"advisory 42", 0xcbf29ce484222325)`.
#[test]
fn bells_stay_where_they_are() {
    assert_eq!(AdvisoryPlace::Bigint(42).bell(), AdvisoryPlace::Pair(101_703_870, 1_349_453_752));
    let pair = AdvisoryPlace::Pair(-7, 42);
    assert_eq!(pair.bell(), AdvisoryPlace::Pair(-368_190_099, 1_276_601_520));
}

/// What cannot be sent yet, since its session is busy, does not hide what another session is waiting for.
#[test]
fn a_try_that_has_to_wait_does_not_keep_the_client_from_waking_for_another() {
    let mut rig = rig();
    rung(&mut rig);
    rig.ask(5, Wait::ForEver);
    let under_way = rig.expect(Call::Ring(AdvisoryPlace::Bigint(5), EXCLUSIVE));
    let mut in_line = request(None, 2, EXCLUSIVE, Wait::ForEver);
    in_line.in_line = true;
    rig.request(in_line).unwrap();
    rig.enter();
    let rests_until = rig.fails_until_it_rests(2);
    rig.hears("advisory 1");
    assert_eq!(rig.drain().at, rests_until);
    rig.say(&under_way, true);
    rig.expect(RING_ON);
}
