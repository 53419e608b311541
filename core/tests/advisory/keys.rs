//! Places and names: which locks are the same, which names must not meet, and how many there may be.

use pglock_core::{
    AdvisoryKey, AdvisoryPlace, AdvisoryRequest, AskError, Call, Config, Event, KeyMapping, Param,
    Wait,
};

use crate::rig::{ANN, BOB, EXCLUSIVE, Rig, SHARED, busy, failed, released, request, try_, unlock};

fn named(name: &str) -> AdvisoryRequest {
    AdvisoryRequest::new(AdvisoryKey::named(name, 1))
}

#[test]
fn an_acquire_waits_for_the_lock_alone_on_behalf_of_nobody_unless_it_says_so() {
    let request = AdvisoryRequest::new("a");
    assert_eq!((request.mode, request.wait, request.owner), (EXCLUSIVE, Wait::ForEver, None));
    assert_eq!(request.key, KeyMapping::Fnv1a.key("a"));
}

#[test]
fn modes_are_called_what_the_servers_manual_calls_them() {
    assert_eq!([EXCLUSIVE, SHARED].map(|mode| mode.to_string()), ["exclusive", "shared"]);
}

#[test]
fn two_names_in_one_place_are_refused_while_one_is_in_use() {
    let mut rig = Rig::new().open();
    let lock = rig.request(named("a")).unwrap();
    let clash = AskError::NameClash {
        asked: AdvisoryKey::named("b", 1),
        other: AdvisoryKey::named("a", 1),
    };
    assert_eq!(rig.request(named("b")), Err(clash.clone()));
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&[lock]);
    assert_eq!(rig.request(named("b")), Err(clash.clone()));
    rig.release(lock);
    assert_eq!(rig.request(named("b")), Err(clash));
    rig.grant(unlock(1, EXCLUSIVE));
    rig.events();
    assert!(rig.request(named("b")).is_ok());
}

#[test]
fn a_refused_ask_leaves_nothing_behind() {
    let mut rig = Rig::new();
    let lock = rig.request(named("a")).unwrap();
    rig.request(named("b")).unwrap_err();
    let next = rig.ask(2, Wait::ForEver);
    assert_eq!(next.as_u64(), lock.as_u64() + 1);
    for lock in [lock, next] {
        rig.cancel(lock);
        assert_eq!(rig.event(), Event::Cancelled { lock });
    }
    assert!(rig.request(named("b")).is_ok());
}

#[test]
fn a_number_without_a_name_may_mean_whatever_stands_there() {
    let mut rig = Rig::new();
    let first = rig.first(1);
    let second = rig.request(named("a")).unwrap();
    assert!(
        matches!(rig.request(named("b")), Err(AskError::NameClash { .. })),
        "one has a name now"
    );
    rig.release(first);
    rig.grant(unlock(1, EXCLUSIVE));
    rig.grant(try_(1, EXCLUSIVE));
    assert_eq!(rig.held(), [(1.into(), second)]);
    rig.ask(1, Wait::Try);
    assert!(matches!(rig.request(named("b")), Err(AskError::NameClash { .. })));
}

#[test]
fn a_pair_and_a_bigint_are_apart_and_so_are_a_pair_and_its_reverse() {
    let places: [AdvisoryPlace; 4] =
        [1.into(), (0, 1).into(), (1, 0).into(), ((1_i64 << 32) + 1).into()];
    let mut rig = Rig::new().open();
    let locks =
        places.map(|place| rig.request(request(None, place, EXCLUSIVE, Wait::Try)).unwrap());
    for _ in places {
        let command = rig.command();
        rig.say(&command, true);
    }
    let mut held = rig.held();
    held.sort_by_key(|(_, lock)| *lock);
    assert_eq!(held, places.into_iter().zip(locks).collect::<Vec<_>>());
}

#[test]
fn the_arguments_of_a_call_are_its_place() {
    let mut rig = Rig::new().open();
    for (place, arguments) in [
        (AdvisoryPlace::Bigint(-7), vec![-7]),
        (AdvisoryPlace::Pair(i32::MIN, 5), vec![i64::from(i32::MIN), 5]),
    ] {
        rig.request(request(None, place, EXCLUSIVE, Wait::Try)).unwrap();
        let command = rig.expect(Call::Try(place, EXCLUSIVE));
        let params = command.query().params;
        let numbers: Vec<_> = arguments.into_iter().map(|n| Param::Int8(Some(n))).collect();
        assert_eq!(params[2..], numbers);
        rig.say(&command, false);
        rig.events();
    }
}

#[test]
fn only_calls_about_a_place_tell_one() {
    let place = AdvisoryPlace::Pair(1, 2);
    assert_eq!((Call::Enter.place(), Call::Look.place()), (None, None));
    assert_eq!(Call::Try(place, EXCLUSIVE).place(), Some(place));
    assert_eq!(Call::Unlock(place, EXCLUSIVE).place(), Some(place));
}

/// The budget is of places; many locks may stand in one.
#[test]
fn no_more_places_are_used_than_are_set() {
    let mut config = Config::default();
    config.advisory_places = 2;
    let mut rig = Rig::with(config);
    let first = rig.first_as(ANN, 1, EXCLUSIVE);
    rig.hold_as(ANN, 2, EXCLUSIVE);
    let refused = AskError::TooManyPlaces { budget: 2 };
    let third = || request(ANN, 3, EXCLUSIVE, Wait::ForEver);
    assert_eq!(rig.request(third()), Err(refused.clone()));
    for wait in [Wait::ForEver, Wait::Try] {
        assert!(rig.request(request(ANN, 1, EXCLUSIVE, wait)).is_ok());
    }
    rig.events();
    rig.release(first);
    assert_eq!(rig.event(), released(first));
    assert_eq!(rig.request(third()), Err(refused));
}

#[test]
fn a_place_is_free_again_when_its_release_is_confirmed() {
    let mut config = Config::default();
    config.advisory_places = 1;
    let mut rig = Rig::with(config);
    let lock = rig.first(1);
    let refused = Err(AskError::TooManyPlaces { budget: 1 });
    rig.release(lock);
    assert_eq!(rig.request(request(None, 2, EXCLUSIVE, Wait::Try)), refused);
    let command = rig.expect(unlock(1, EXCLUSIVE));
    rig.answer(&command, failed("XX000"));
    assert_eq!(rig.request(request(None, 2, EXCLUSIVE, Wait::Try)), refused);
    let command = rig.until(unlock(1, EXCLUSIVE));
    rig.say(&command, false);
    rig.events();
    let tried = rig.ask(2, Wait::Try);
    let command = rig.expect(try_(2, EXCLUSIVE));
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(tried));
    let waiter = rig.ask_as(BOB, 3, EXCLUSIVE, Wait::ForEver);
    rig.cancel(waiter);
    assert_eq!(rig.event(), Event::Cancelled { lock: waiter });
    assert!(rig.request(request(None, 4, EXCLUSIVE, Wait::Try)).is_ok());
}

#[test]
fn a_place_that_nobody_asks_for_any_more_is_forgotten() {
    let mut rig = Rig::new().open();
    let known = |rig: &Rig| format!("{:?}", rig.client).contains("424242");
    for wait in [Wait::Try, Wait::ForEver] {
        let lock = rig.ask(424_242, wait);
        assert!(known(&rig));
        let command = rig.expect(try_(424_242, EXCLUSIVE));
        rig.say(&command, false);
        if wait == Wait::ForEver {
            rig.cancel(lock);
        }
        assert_eq!(rig.events().len(), 1);
        assert!(!known(&rig));
    }
    let lock = rig.hold(424_242);
    rig.give_back(lock, 424_242, EXCLUSIVE);
    assert!(!known(&rig));
}
