//! Waiting for a lock: one test for each transition, with exact outputs.

use std::time::Duration;

use crate::rig::{
    Door, Rig, Seen, VALID, acquire, error, failed, foreign, free, granted, held_row, looks,
    millis, name_of, other, refused, release_of, secs,
};
use pglock_core::{
    AskError, Config, Event, Failure, Instant, LockName, Outcome, Reason, Request, Row, Statement,
    Value, Wait, Wake,
};

#[test]
fn an_uncontended_acquire_is_one_statement() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    assert_eq!(acquire(&command).seen, None);
    assert_eq!(acquire(&command).mine, [acquire(&command).new]);
    rig.rows(&command, vec![granted(&command, 5)]);
    rig.acquired(lock, 5);
    rig.no_command();
}

#[test]
fn names_that_wait_for_a_session_get_it_in_the_order_of_their_asking() {
    let mut config = Config::default();
    config.work_sessions = 1;
    let mut rig = Rig::with(config);
    rig.ask("a", Wait::ForEver);
    let mut under_way = rig.command();
    for name in ["c", "b"] {
        rig.pass(millis(1));
        rig.ask(name, Wait::ForEver);
    }
    for name in ["c", "b"] {
        rig.rows(&under_way, vec![granted(&under_way, 1)]);
        under_way = rig.command();
        assert_eq!(acquire(&under_way).name, name_of(name));
    }
}

#[test]
fn whoever_waits_behind_a_holder_of_its_own_client_does_not_pass_others_who_wait_for_a_session() {
    let mut config = Config::default();
    config.work_sessions = 1;
    let mut rig = Rig::with(config);
    let held = rig.hold("a");
    rig.ask("a", Wait::ForEver);
    rig.ask("z", Wait::ForEver);
    let under_way = rig.command();
    rig.pass(millis(1));
    rig.ask("c", Wait::ForEver);
    rig.pass(millis(1));
    rig.client.release(held, rig.now).unwrap();
    rig.rows(&under_way, vec![granted(&under_way, 2)]);
    let release = rig.command();
    assert_eq!(release_of(&release).name, name_of("a"));
    rig.rows(&release, vec![Row(vec![Value::Int8(1)])]);
    for name in ["c", "a"] {
        let next = rig.command();
        assert_eq!(acquire(&next).name, name_of(name));
        rig.rows(&next, vec![granted(&next, 3)]);
    }
}

/// What was seen of holders is remembered for some thousand names. The one seen longest ago is forgotten first.
#[test]
fn who_has_been_watched_longest_is_forgotten_first() {
    let mut rig = Rig::new();
    let names: Vec<_> = (0..=4_096).rev().map(|number| format!("lock {number:04}")).collect();
    for name in &names {
        rig.ask(name, Wait::Try);
        let command = rig.command();
        rig.rows(&command, vec![refused(foreign(1), 7_000)]);
        rig.busy();
        rig.pass(millis(1));
    }
    let client = format!("{:?}", rig.client);
    let remembers = |name: &String| client.contains(&format!("LockName({name:?})"));
    let forgotten: Vec<_> = names.iter().filter(|name| !remembers(name)).collect();
    assert_eq!(forgotten, [&names[0]]);
}

#[test]
fn validity_counts_from_the_sending() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.pass(secs(3));
    rig.rows(&command, vec![granted(&command, 5)]);
    assert_eq!(rig.valid_for(lock), Some(Duration::from_nanos(16_601_980_198)));
}

#[test]
fn the_first_use_of_a_name_asks_twice() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::Try);
    let first = rig.command();
    rig.rows(&first, vec![free()]);
    let second = rig.command();
    assert_ne!(acquire(&first).new, acquire(&second).new);
    rig.rows(&second, vec![granted(&second, 1)]);
    rig.acquired(lock, 1);
}

#[test]
fn a_refusal_that_shows_an_own_number_is_no_holder_and_asked_again_at_once() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::Try);
    let lost = rig.command();
    rig.answer(&lost, Outcome::Lost);
    let second = rig.command();
    rig.rows(&second, vec![refused(acquire(&lost).new, 7_000)]);
    let before = rig.now;
    let again = rig.command();
    assert_eq!((rig.now, acquire(&again).seen), (before, None));
    assert_eq!(acquire(&again).mine, [acquire(&lost).new, acquire(&again).new]);
    assert_eq!(rig.events(), [], "nobody is busy and nobody is waited for");
}

#[test]
fn a_refusal_that_shows_the_number_seen_is_asked_again_at_once_and_forgotten() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    rig.events();
    let take_over = rig.until_acquire(foreign(1), 7_000);
    assert_eq!(acquire(&take_over).seen, Some(foreign(1)));
    rig.rows(&take_over, vec![refused(foreign(1), 7_000)]);
    let before = rig.now;
    let again = rig.command();
    assert_eq!((rig.now, acquire(&again).seen), (before, None));
    assert_eq!(acquire(&again).mine, [acquire(&again).new]);
    assert_eq!(rig.events(), []);
    rig.rows(&again, vec![refused(foreign(1), 7_000)]);
    let noted_at = rig.now;
    let take_over = rig.until_acquire(foreign(1), 7_000);
    assert_eq!(acquire(&take_over).seen, Some(foreign(1)));
    assert_eq!(rig.now.since(noted_at), secs(7), "the wait starts anew");
}

#[test]
fn a_row_that_keeps_moving_is_not_asked_without_end() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let mut asked = 0;
    while !{
        rig.drain();
        rig.commands.is_empty()
    } {
        let command = rig.command();
        rig.rows(&command, vec![]);
        asked += 1;
    }
    assert_eq!(asked, 4);
    rig.until_command();
}

#[test]
fn a_try_is_busy_and_says_who_holds_the_lock() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::Try);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    assert_eq!(rig.busy(), (lock, Some(other(secs(7), Duration::ZERO))));
    rig.no_command();
}

#[test]
fn a_waiter_looks_until_the_lease_in_the_row_has_passed_and_then_takes_over() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    let seen_at = rig.now;
    assert_eq!(rig.waiting(), (lock, other(secs(7), Duration::ZERO)));
    let take_over = rig.until_acquire(foreign(1), 7_000);
    assert_eq!(acquire(&take_over).seen, Some(foreign(1)));
    assert_eq!(rig.now.since(seen_at), secs(7));
    rig.rows(&take_over, vec![granted(&take_over, 10)]);
    rig.acquired(lock, 10);
}

#[test]
fn a_heartbeat_of_the_holder_starts_the_wait_anew() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    let mut number = 1;
    for _ in 0..100 {
        number += 1;
        let command = rig.until_command();
        assert!(looks(&command));
        rig.rows(&command, vec![held_row(foreign(number), 7_000)]);
    }
}

#[test]
fn a_released_lock_is_asked_for_at_once() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    let look = rig.until_command();
    let before = rig.now;
    rig.rows(&look, vec![]);
    let again = rig.command();
    assert_eq!((rig.now, acquire(&again).seen), (before, None));
}

#[test]
fn a_repeated_try_takes_over_from_a_dead_holder() {
    let mut rig = Rig::new();
    for unchanged_for in [secs(0), secs(4)] {
        let lock = rig.ask("a", Wait::Try);
        let command = rig.command();
        assert_eq!(acquire(&command).seen, None);
        rig.rows(&command, vec![refused(foreign(1), 7_000)]);
        assert_eq!(rig.busy(), (lock, Some(other(secs(7), unchanged_for))));
        rig.pass(secs(4));
    }
    rig.ask("a", Wait::Try);
    assert_eq!(acquire(&rig.command()).seen, Some(foreign(1)));
}

#[test]
fn a_try_that_comes_while_the_row_is_looked_at_asks_at_once() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 60_000)]);
    let look = rig.until_command();
    rig.events();
    rig.pass(millis(1));
    let tried = rig.ask("a", Wait::Try);
    rig.rows(&look, vec![held_row(foreign(1), 60_000)]);
    assert_eq!(rig.events, [], "that is what stood there before it was asked");
    let again = rig.command();
    rig.rows(&again, vec![held_row(foreign(1), 60_000)]);
    assert_eq!(rig.busy().0, tried);
}

#[test]
fn a_probe_looks_often_enough_to_be_answered_in_time() {
    let mut config = Config::default();
    config.poll = secs(1_000);
    let mut rig = Rig::with(config);
    let lock = rig.ask("a", Wait::Probe);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 60_000)]);
    rig.events();
    for _ in 0..20 {
        let look = rig.until_command();
        assert_eq!(rig.events(), []);
        if let Statement::Acquire(take) = look.statement() {
            assert_eq!(take.seen, Some(foreign(1)));
            rig.rows(&look, vec![granted(&look, 1)]);
            rig.drain();
            assert!(rig.client.valid_until(lock).is_some());
            return;
        }
        rig.rows(&look, vec![held_row(foreign(1), 60_000)]);
    }
    panic!("it never takes over");
}

#[test]
fn a_probe_is_busy_at_the_first_sign_of_life() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::Probe);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    assert_eq!(rig.waiting(), (lock, other(secs(7), Duration::ZERO)));
    let look = rig.until_command();
    rig.rows(&look, vec![held_row(foreign(1), 7_000)]);
    assert_eq!(rig.events(), []);
    let look = rig.until_command();
    rig.rows(&look, vec![held_row(foreign(2), 7_000)]);
    assert_eq!(rig.busy(), (lock, Some(other(secs(7), Duration::ZERO))));
}

#[test]
fn a_go_row_is_waited_for_with_room_for_its_heartbeats() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::Try);
    let command = rig.command();
    rig.rows(&command, vec![refused(pglock_core::Rvn::new(17), 1)]);
    let go = Seen { token: None, ..other(secs(30), Duration::ZERO) };
    assert_eq!(rig.busy(), (lock, Some(go)));
}

#[test]
fn a_wait_with_a_time_out_ends_with_the_holder_last_seen() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::AtMost(Duration::from_millis(100)));
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    rig.events();
    rig.pass(Duration::from_millis(100));
    let Event::TimedOut { lock: told, holder: Some(holder) } = rig.event() else { panic!() };
    assert_eq!((told, Seen::of(holder)), (lock, other(secs(7), Duration::from_millis(100))));
    rig.no_command();
}

#[test]
fn a_lost_reply_is_settled_by_asking_again_with_both_numbers() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.answer(&first, Outcome::Lost);
    let second = rig.command();
    assert_eq!(acquire(&second).mine, [acquire(&first).new, acquire(&second).new]);
    assert_eq!(rig.events(), []);
}

#[test]
fn an_overdue_reply_gives_up_its_session_and_a_late_one_is_ignored() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.pass(secs(5));
    assert_eq!(rig.closed, [first.session()]);
    let second = rig.command();
    assert_ne!(second.session(), first.session());
    rig.rows(&first, vec![granted(&first, 1)]);
    assert_eq!(rig.events(), []);
    assert_eq!(rig.client.counters().ignored_outcomes, 1);
}

#[test]
fn a_grant_that_comes_too_late_is_given_back() {
    let mut config = pglock_core::Config::default();
    config.reply_deadline = secs(5);
    config.lease = secs(20);
    let mut rig = Rig::with(config);
    let lock = rig.ask("a", Wait::ForEver);
    let first = rig.command();
    // The process is stopped: the reply has come, but the clock has run on.
    rig.now = rig.now.checked_add(secs(20)).unwrap();
    rig.rows(&first, vec![granted(&first, 1)]);
    assert_eq!(rig.events(), []);
    assert_eq!(rig.client.valid_until(lock), None);
    let release = rig.command();
    assert_eq!(release_of(&release).mine, [acquire(&first).new]);
}

#[test]
fn a_session_whose_reply_was_lost_is_not_used_again() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.answer(&first, Outcome::Lost);
    let second = rig.until_command();
    assert_eq!(rig.closed, [first.session()]);
    assert_ne!(second.session(), first.session());
}

#[test]
fn tries_take_over_also_after_four_thousand_other_names_were_seen() {
    let mut rig = Rig::new();
    let see = |rig: &mut Rig, name: &str| {
        rig.ask(name, Wait::Try);
        let command = rig.command();
        rig.rows(&command, vec![refused(foreign(1), 7_000)]);
        rig.events();
        rig.pass(Duration::from_millis(1));
        acquire(&command).seen
    };
    for n in 0..=4_096 {
        assert_eq!(see(&mut rig, &n.to_string()), None);
    }
    rig.pass(secs(8));
    rig.ask("1", Wait::Try);
    assert_eq!(acquire(&rig.command()).seen, Some(foreign(1)));
    assert_eq!(see(&mut rig, "0"), None, "the oldest is forgotten");
}

#[test]
fn a_cancelled_acquire_gives_back_what_it_may_have_got() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.client.cancel(lock, rig.now).unwrap();
    assert_eq!(rig.event(), Event::Cancelled { lock });
    rig.no_command();
    rig.rows(&command, vec![granted(&command, 1)]);
    let release = rig.command();
    assert_eq!(release_of(&release).mine, [acquire(&command).new]);
    assert!(release_of(&release).keep_data);
    rig.rows(&release, vec![pglock_core::Row(vec![pglock_core::Value::Int8(1)])]);
    assert_eq!(rig.events(), []);
    rig.no_command();
    assert_eq!(rig.client.cancel(lock, rig.now), Err(AskError::NotHeld(lock)));
}

#[test]
fn a_cancelled_acquire_that_was_refused_leaves_nothing_to_do() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.client.cancel(lock, rig.now).unwrap();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    rig.no_command();
}

#[test]
fn two_acquires_of_one_name_queue_in_the_client() {
    let mut rig = Rig::new();
    let first = rig.hold("a");
    let second = rig.ask("a", Wait::ForEver);
    rig.no_command();
    let busy = rig.ask("a", Wait::Try);
    let own = Seen { owner: Some(String::new()), token: Some(1), ..other(secs(20), secs(0)) };
    assert_eq!(rig.busy(), (busy, Some(own)));
    rig.client.release(first, rig.now).unwrap();
    let release = rig.command();
    rig.rows(&release, vec![pglock_core::Row(vec![pglock_core::Value::Int8(1)])]);
    assert_eq!(rig.event(), Event::Released { lock: first, confirmed: true });
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 2)]);
    rig.acquired(second, 2);
}

#[test]
fn a_try_beside_a_waiter_is_answered_without_waiting_for_the_next_poll() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    rig.events();
    let lock = rig.ask("a", Wait::Try);
    let look = rig.command();
    rig.rows(&look, vec![held_row(foreign(1), 7_000)]);
    assert_eq!(rig.busy(), (lock, Some(other(secs(7), Duration::ZERO))));
}

#[test]
fn errors_that_pass_are_never_seen_by_the_caller() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::Try);
    for code in ["40001", "40P01", "57014", "53200", "57P01", "08006", "XX000"] {
        let command = rig.until_command();
        rig.answer(&command, failed(code));
        assert_eq!(rig.events(), [], "{code}");
    }
    let command = rig.until_command();
    rig.rows(&command, vec![granted(&command, 2)]);
    rig.acquired(lock, 2);
}

#[test]
fn a_missing_table_fails_the_acquire_with_its_code() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.answer(&command, failed("42P01"));
    assert_eq!(rig.event(), Event::Failed { lock, failure: Failure::Server(error("42P01")) });
    rig.no_command();
}

#[test]
fn a_locked_row_is_not_busy() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::Try);
    let command = rig.command();
    rig.answer(&command, failed("55P03"));
    assert_eq!(rig.event(), Event::Failed { lock, failure: Failure::RowLocked });
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.answer(&command, failed("55P03"));
    rig.until_command();
    assert_eq!(rig.events(), []);
}

#[test]
fn a_try_without_a_server_ends_with_the_clients_patience() {
    let mut rig = Rig::new();
    rig.door = Door::Shut(None);
    let lock = rig.ask("a", Wait::Try);
    let start = rig.now;
    let event = loop {
        let wake = rig.drain();
        if let Some(event) = rig.events.pop() {
            break event;
        }
        rig.now = wake.at.unwrap();
    };
    assert_eq!(event, Event::Failed { lock, failure: Failure::Unreachable(None) });
    assert_eq!(rig.now.since(start), secs(10));
}

#[test]
fn near_the_clocks_end_locks_are_refused() {
    let mut rig = Rig::new();
    rig.now = Instant::from_nanos(u64::MAX - 5);
    let request = Request::new(LockName::new("a").unwrap());
    assert_eq!(rig.client.acquire(request, rig.now), Err(AskError::ClockExhausted));
}

#[test]
fn an_unreadable_answer_fails_the_acquire_and_gives_back() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![pglock_core::Row(vec![])]);
    assert_eq!(rig.event(), Event::Failed { lock, failure: Failure::Undecodable });
    let release = rig.until_command();
    assert_eq!(release_of(&release).mine, [acquire(&command).new]);
}

#[test]
fn one_ask_opens_one_connection() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let opening = rig.client.poll_output(rig.now);
    let pglock_core::Output::Connect(session, _) = opening else { panic!("{opening:?}") };
    let overdue = Wake { at: rig.now.checked_add(secs(10)), reason: Reason::Session };
    assert_eq!(rig.client.poll_output(rig.now), pglock_core::Output::Wait(overdue));
    rig.client.handle_connected(session, rig.now);
    assert_eq!(rig.command().session(), session);
}

#[test]
fn a_grant_counts_until_its_deadline_and_not_at_it() {
    for (after, believed) in [(VALID - Duration::from_nanos(1), true), (VALID, false)] {
        let mut rig = Rig::new();
        let lock = rig.ask("a", Wait::ForEver);
        let command = rig.command();
        rig.now = rig.now.checked_add(after).unwrap();
        rig.rows(&command, vec![granted(&command, 1)]);
        assert_eq!(rig.client.valid_until(lock).is_some(), believed, "{after:?}");
    }
}

#[test]
fn an_error_is_told_to_nobody_but_whom_it_was_asked_for() {
    let mut rig = Rig::new();
    let cancelled = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.ask("a", Wait::ForEver);
    rig.client.cancel(cancelled, rig.now).unwrap();
    rig.answer(&command, failed("42P01"));
    assert_eq!(rig.events(), [Event::Cancelled { lock: cancelled }]);
    rig.until_command();
}

#[test]
fn another_holder_is_told_of_and_another_number_of_the_same_is_not() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    assert_eq!(rig.waiting(), (lock, other(secs(7), Duration::ZERO)));
    let mut look = |number, owner: &str, token| {
        let command = rig.until_command();
        let mut row = held_row(foreign(number), 7_000);
        row.0[2] = Value::Text(owner.into());
        row.0[5] = Value::Int8(token);
        rig.rows(&command, vec![row]);
        rig.events()
    };
    assert_eq!(look(2, "other", 9), []);
    assert!(matches!(look(3, "other", 10)[..], [Event::Waiting { .. }]));
    assert!(matches!(look(4, "third", 10)[..], [Event::Waiting { .. }]));
}

#[test]
fn a_row_of_ours_without_a_lease_is_waited_for_as_long_as_any_lease_may_be() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::Try);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 0)]);
    assert_eq!(rig.busy(), (lock, Some(other(secs(600), Duration::ZERO))));
}

#[test]
fn who_waits_beside_a_waiter_waits_for_its_look() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    rig.events();
    rig.ask("a", Wait::ForEver);
    rig.no_command();
}

#[test]
fn at_the_clocks_end_nobody_is_left_waiting_and_nobody_has_waited_long_enough() {
    for wait in [Wait::ForEver, Wait::AtMost(Duration::MAX)] {
        let mut rig = Rig::new();
        rig.door = Door::Silent;
        let lock = rig.ask("a", wait);
        rig.now = Instant::MAX;
        assert_eq!(rig.event(), Event::Failed { lock, failure: Failure::ClockExhausted });
    }
}

#[test]
fn a_name_that_nobody_asks_for_any_more_is_forgotten() {
    let mut rig = Rig::new();
    let lock = rig.hold("a name like no other");
    let known = |rig: &Rig| format!("{:?}", rig.client).contains("a name like no other");
    assert!(known(&rig));
    rig.client.release(lock, rig.now).unwrap();
    let release = rig.command();
    rig.rows(&release, vec![Row(vec![Value::Int8(1)])]);
    rig.events();
    assert!(!known(&rig));
}
