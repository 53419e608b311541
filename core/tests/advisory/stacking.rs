//! Owners of one client: their own locks stack, and they exclude each other in the order of their coming.

use pglock_core::{AskError, Event, Wait};

use crate::rig::{
    ANN, BOB, EXCLUSIVE, Rig, SHARED, busy, millis, released, request, timed_out, try_, unlock,
};

#[test]
fn modes_exclude_each_other_unless_both_are_shared() {
    assert!(EXCLUSIVE.conflicts(EXCLUSIVE) && EXCLUSIVE.conflicts(SHARED));
    assert!(SHARED.conflicts(EXCLUSIVE) && !SHARED.conflicts(SHARED));
}

/// In whatever order the locks are released, only the last asks the server for anything.
#[test]
fn an_owners_locks_stack_without_a_command_and_the_last_is_unlocked_once() {
    for mode in [EXCLUSIVE, SHARED] {
        for first in 0..3 {
            let mut rig = Rig::new();
            let mut locks = vec![rig.first_as(ANN, 1, mode)];
            for wait in [Wait::ForEver, Wait::Try] {
                let lock = rig.ask_as(ANN, 1, mode, wait);
                rig.acquired(&[lock]);
                rig.silent();
                locks.push(lock);
            }
            locks.rotate_left(first);
            assert_eq!(rig.held().len(), 3);
            for lock in &locks[..2] {
                rig.release(*lock);
                assert_eq!(rig.event(), released(*lock));
                assert_eq!(rig.client.valid_until(*lock), None);
                rig.silent();
            }
            rig.give_back(locks[2], 1, mode);
            rig.silent();
        }
    }
}

#[test]
fn a_lock_is_released_once() {
    let mut rig = Rig::new();
    let locks = [rig.first_as(ANN, 1, EXCLUSIVE), rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try)];
    rig.events();
    for lock in locks {
        rig.release(lock);
        assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)));
        assert_eq!(rig.client.cancel(lock, rig.now), Err(AskError::NotHeld(lock)));
    }
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.events(), locks.map(released));
    for lock in locks {
        assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)));
    }
}

#[test]
fn locks_of_nobody_in_particular_exclude_each_other() {
    let mut rig = Rig::new();
    let first = rig.first(1);
    let second = rig.ask(1, Wait::ForEver);
    rig.silent();
    rig.release(first);
    rig.grant(unlock(1, EXCLUSIVE));
    rig.grant(try_(1, EXCLUSIVE));
    assert_eq!(
        rig.events(),
        [released(first), Event::AdvisoryAcquired { lock: second, token: None }]
    );
}

#[test]
fn owners_have_an_exclusive_lock_in_the_order_of_their_coming() {
    let mut rig = Rig::new();
    let mut holder = rig.first_as(ANN, 1, EXCLUSIVE);
    let waiters =
        [BOB, None, None, BOB].map(|owner| rig.ask_as(owner, 1, EXCLUSIVE, Wait::ForEver));
    rig.silent();
    for waiter in waiters {
        rig.give_back(holder, 1, EXCLUSIVE);
        rig.grant(try_(1, EXCLUSIVE));
        rig.acquired(&[waiter]);
        holder = waiter;
    }
}

#[test]
fn locks_of_an_owner_that_stand_side_by_side_in_the_queue_are_granted_together() {
    let mut rig = Rig::new().open();
    let locks = [0; 3].map(|_| rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try));
    let other = rig.ask_as(BOB, 1, EXCLUSIVE, Wait::ForEver);
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&locks);
    rig.cancel(other);
    assert_eq!(rig.event(), Event::Cancelled { lock: other });
}

#[test]
fn owners_share_a_lock_with_one_hold_on_the_server() {
    let mut rig = Rig::new();
    let first = rig.first_as(ANN, 1, SHARED);
    let second = rig.ask_as(BOB, 1, SHARED, Wait::Try);
    rig.acquired(&[second]);
    rig.release(first);
    assert_eq!(rig.event(), released(first));
    rig.silent();
    rig.give_back(second, 1, SHARED);
}

#[test]
fn those_who_share_are_asked_for_together_and_granted_together() {
    let mut rig = Rig::new().open();
    let locks = [ANN, BOB, None].map(|owner| rig.ask_as(owner, 1, SHARED, Wait::Try));
    let command = rig.expect(try_(1, SHARED));
    rig.say(&command, false);
    assert_eq!(rig.events(), locks.map(busy));
    let locks = [ANN, BOB, None].map(|owner| rig.ask_as(owner, 1, SHARED, Wait::Try));
    rig.grant(try_(1, SHARED));
    rig.acquired(&locks);
}

#[test]
fn whoever_waits_alone_goes_before_those_who_came_later_to_share() {
    let mut rig = Rig::new();
    let sharing = rig.first_as(ANN, 1, SHARED);
    let alone = rig.ask_as(BOB, 1, EXCLUSIVE, Wait::ForEver);
    let later = rig.ask_as(None, 1, SHARED, Wait::ForEver);
    let tried = rig.ask_as(None, 1, SHARED, Wait::Try);
    assert_eq!(rig.event(), busy(tried));
    rig.give_back(sharing, 1, SHARED);
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&[alone]);
    rig.give_back(alone, 1, EXCLUSIVE);
    rig.grant(try_(1, SHARED));
    rig.acquired(&[later]);
}

#[test]
fn those_who_share_go_on_when_the_one_between_them_gives_up() {
    for time_out in [true, false] {
        let mut rig = Rig::new();
        rig.first_as(ANN, 1, SHARED);
        let alone = rig.ask_as(BOB, 1, EXCLUSIVE, Wait::AtMost(millis(10)));
        let later = rig.ask_as(None, 1, SHARED, Wait::ForEver);
        rig.silent();
        let gone = if time_out {
            rig.pass(millis(10));
            timed_out(alone)
        } else {
            rig.cancel(alone);
            Event::Cancelled { lock: alone }
        };
        assert_eq!(rig.events(), [gone, Event::AdvisoryAcquired { lock: later, token: None }]);
        rig.silent();
    }
}

#[test]
fn a_try_that_would_have_to_wait_for_an_own_lock_is_busy_at_once() {
    for (held, tried) in [(EXCLUSIVE, EXCLUSIVE), (EXCLUSIVE, SHARED), (SHARED, EXCLUSIVE)] {
        let mut rig = Rig::new();
        rig.first_as(ANN, 1, held);
        for wait in [Wait::Try, Wait::Probe] {
            let lock = rig.ask_as(BOB, 1, tried, wait);
            assert_eq!(rig.event(), busy(lock));
            rig.silent();
        }
    }
}

#[test]
fn a_holder_asks_again_past_those_who_wait() {
    let mut rig = Rig::new();
    let first = rig.first_as(ANN, 1, EXCLUSIVE);
    let waiter = rig.ask_as(BOB, 1, EXCLUSIVE, Wait::ForEver);
    let again = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    rig.acquired(&[again]);
    rig.release(first);
    assert_eq!(rig.event(), released(first));
    rig.give_back(again, 1, EXCLUSIVE);
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&[waiter]);
}

#[test]
fn one_who_shares_asks_again_past_one_who_waits_alone() {
    let mut rig = Rig::new();
    rig.first_as(ANN, 1, SHARED);
    rig.ask_as(BOB, 1, EXCLUSIVE, Wait::ForEver);
    let again = rig.ask_as(ANN, 1, SHARED, Wait::Try);
    rig.acquired(&[again]);
}

/// Both modes at once, given back in either order.
#[test]
fn an_owner_has_both_modes_and_gives_them_back_in_either_order() {
    for first in [EXCLUSIVE, SHARED] {
        let mut rig = Rig::new();
        let exclusive = rig.first_as(ANN, 1, EXCLUSIVE);
        let sharer = rig.ask_as(BOB, 1, SHARED, Wait::ForEver);
        let shared = rig.hold_as(ANN, 1, SHARED);
        if first == EXCLUSIVE {
            rig.release(exclusive);
            rig.acquired(&[sharer]);
            rig.grant(unlock(1, EXCLUSIVE));
            assert_eq!(rig.event(), released(exclusive));
            rig.release(shared);
            assert_eq!(rig.event(), released(shared));
            rig.give_back(sharer, 1, SHARED);
        } else {
            rig.give_back(shared, 1, SHARED);
            rig.give_back(exclusive, 1, EXCLUSIVE);
            rig.grant(try_(1, SHARED));
            rig.acquired(&[sharer]);
        }
    }
}

#[test]
fn two_modes_given_back_at_once_are_unlocked_one_after_the_other() {
    let mut rig = Rig::new();
    let exclusive = rig.first_as(ANN, 1, EXCLUSIVE);
    let shared = rig.hold_as(ANN, 1, SHARED);
    rig.release(shared);
    rig.release(exclusive);
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.event(), released(exclusive));
    rig.grant(unlock(1, SHARED));
    assert_eq!(rig.event(), released(shared));
    rig.silent();
}

#[test]
fn an_owner_waits_in_both_modes_in_the_order_of_asking() {
    let mut rig = Rig::new().open();
    let exclusive = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    let shared = rig.ask_as(ANN, 1, SHARED, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    let command = rig.until(try_(1, EXCLUSIVE));
    rig.say(&command, true);
    rig.acquired(&[exclusive]);
    rig.grant(try_(1, SHARED));
    rig.acquired(&[shared]);
}

#[test]
fn whoever_shares_may_not_wait_to_have_the_lock_alone() {
    let mut rig = Rig::new();
    let shared = rig.first_as(ANN, 1, SHARED);
    for wait in [Wait::ForEver, Wait::AtMost(millis(1))] {
        let upgrade = request(ANN, 1, EXCLUSIVE, wait);
        assert_eq!(rig.request(upgrade), Err(AskError::Upgrade(1.into())));
    }
    rig.silent();
    assert!(rig.request(request(BOB, 1, EXCLUSIVE, Wait::ForEver)).is_ok());
    assert!(rig.request(request(ANN, 2, EXCLUSIVE, Wait::ForEver)).is_ok());
    rig.give_back(shared, 1, SHARED);
    assert!(rig.request(request(ANN, 1, EXCLUSIVE, Wait::ForEver)).is_ok());
}

#[test]
fn whoever_waits_to_share_may_not_wait_to_have_the_lock_alone() {
    let mut rig = Rig::new().open();
    rig.ask_as(ANN, 1, SHARED, Wait::ForEver);
    let upgrade = request(ANN, 1, EXCLUSIVE, Wait::ForEver);
    assert_eq!(rig.request(upgrade), Err(AskError::Upgrade(1.into())));
}

#[test]
fn nobody_in_particular_shares_and_waits_for_another() {
    let mut rig = Rig::new();
    rig.first_as(None, 1, SHARED);
    assert!(rig.request(request(None, 1, EXCLUSIVE, Wait::ForEver)).is_ok());
}

#[test]
fn whoever_has_the_lock_alone_already_may_have_it_again_though_it_shares_it_too() {
    let mut rig = Rig::new();
    rig.first_as(ANN, 1, EXCLUSIVE);
    rig.hold_as(ANN, 1, SHARED);
    let again = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    rig.acquired(&[again]);
}

#[test]
fn whoever_shares_may_try_to_have_the_lock_alone() {
    let mut rig = Rig::new();
    let shared = rig.first_as(ANN, 1, SHARED);
    let tried = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(tried));
    let upgraded = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&[upgraded]);
    rig.give_back(shared, 1, SHARED);
    rig.give_back(upgraded, 1, EXCLUSIVE);
}

#[test]
fn nobody_may_try_it_while_another_shares_the_lock() {
    let mut rig = Rig::new();
    rig.first_as(ANN, 1, SHARED);
    let shared = rig.ask_as(BOB, 1, SHARED, Wait::ForEver);
    rig.acquired(&[shared]);
    let tried = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    assert_eq!(rig.event(), busy(tried));
    rig.silent();
}

/// Else it would be asked for what stands before it, again and again.
#[test]
fn a_try_in_another_mode_than_its_owner_waits_for_would_have_to_wait() {
    for (waits, tries) in [(EXCLUSIVE, SHARED), (SHARED, EXCLUSIVE)] {
        let mut rig = Rig::new().open();
        rig.ask_as(ANN, 1, waits, Wait::ForEver);
        let command = rig.expect(try_(1, waits));
        let tried = rig.ask_as(ANN, 1, tries, Wait::Try);
        assert_eq!(rig.event(), busy(tried));
        rig.say(&command, false);
        rig.silent();
        rig.until(try_(1, waits));
    }
}

#[test]
fn a_lock_asked_for_while_it_is_given_back_is_taken_anew() {
    let mut rig = Rig::new();
    let first = rig.first_as(ANN, 1, EXCLUSIVE);
    rig.release(first);
    let again = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    let command = rig.expect(unlock(1, EXCLUSIVE));
    let third = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    rig.silent();
    rig.say(&command, true);
    rig.grant(try_(1, EXCLUSIVE));
    let told = [again, third].map(|lock| Event::AdvisoryAcquired { lock, token: None });
    assert_eq!(rig.events(), [vec![released(first)], told.to_vec()].concat());
    rig.release(again);
    assert_eq!(rig.event(), released(again));
    rig.give_back(third, 1, EXCLUSIVE);
}

#[test]
fn one_who_comes_to_share_while_the_last_gives_back_is_asked_for_anew() {
    let mut rig = Rig::new();
    let first = rig.first_as(ANN, 1, SHARED);
    rig.release(first);
    let second = rig.ask_as(BOB, 1, SHARED, Wait::Try);
    rig.grant(unlock(1, SHARED));
    let command = rig.expect(try_(1, SHARED));
    rig.say(&command, false);
    assert_eq!(rig.events(), [released(first), busy(second)]);
}

#[test]
fn a_crowd_that_shares_is_granted_in_one_go() {
    let mut rig = Rig::new().open();
    let locks: Vec<_> = (0..500).map(|_| rig.ask_as(None, 1, SHARED, Wait::ForEver)).collect();
    rig.grant(try_(1, SHARED));
    assert_eq!(rig.held().len(), locks.len());
    rig.acquired(&locks);
}
