//! Holding, renewing, changing and giving back: one test for each transition, with exact outputs.

use std::time::Duration;

use pglock_core::{
    Amendment, AskError, Command, Config, ConfigError, Event, Failure, Heartbeat, Instant, LockId,
    LossCause, Outcome, Request, Row, Statement, Value, Wait,
};

use crate::rig::{
    Door, Rig, VALID, acquire, error, failed, foreign, granted, name_of, refused, release_of,
    renew, secs, verdict,
};

fn one(value: i64) -> Vec<Row> {
    vec![Row(vec![Value::Int8(value)])]
}

fn lost(lock: LockId, cause: LossCause) -> Event {
    Event::Lost { lock, cause }
}

fn renewed_now(rig: &Rig, lock: LockId) -> Event {
    Event::Renewed { lock, sent: rig.now, valid_until: rig.now.checked_add(VALID).unwrap() }
}

fn amend_of(command: &Command) -> &pglock_core::Amend {
    match command.statement() {
        Statement::Amend(amend) => amend,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_heartbeat_leaves_when_it_is_due_and_extends_from_its_sending() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let start = rig.now;
    let beat = rig.until_command();
    assert_eq!(rig.now.since(start), secs(5));
    assert_eq!(renew(&beat).locks[0].mine.len(), 2);
    let sent = rig.now;
    rig.pass(secs(1));
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    let valid_until = sent.checked_add(VALID).unwrap();
    assert_eq!(rig.event(), Event::Renewed { lock, sent, valid_until });
    rig.until_command();
    assert_eq!(rig.now.since(sent), secs(5));
}

#[test]
fn a_thousand_heartbeats_are_one_statement() {
    let mut rig = Rig::new();
    for n in 0..1_000 {
        rig.hold(&format!("lock {n}"));
        rig.pass(Duration::from_millis(1));
    }
    let beat = rig.until_command();
    assert_eq!(renew(&beat).locks.len(), 1_000);
    let rows = renew(&beat).locks.iter().map(|lock| verdict(lock.name.as_str(), "renewed"));
    rig.rows(&beat, rows.collect());
    assert_eq!(rig.events().len(), 1_000);
    rig.no_command();
}

#[test]
fn more_than_a_thousand_go_in_chunks() {
    let mut rig = Rig::new();
    for n in 0..1_500 {
        rig.hold(&format!("lock {n}"));
    }
    while rig.commands.is_empty() {
        rig.now = rig.drain().at.unwrap();
        rig.drain();
    }
    let sizes: Vec<_> = rig.commands.iter().map(|beat| renew(beat).locks.len()).collect();
    assert_eq!(sizes, [1_000, 500]);
}

#[test]
fn only_what_falls_due_within_a_quarter_of_a_heartbeat_goes_along() {
    let mut rig = Rig::new();
    for name in ["first", "soon", "later"] {
        rig.hold(name);
        rig.pass(Duration::from_millis(1_000));
    }
    let beat = rig.until_command();
    let names: Vec<_> = renew(&beat).locks.iter().map(|lock| lock.name.as_str()).collect();
    assert_eq!(names, ["first", "soon"]);
}

#[test]
fn a_lost_heartbeat_is_settled_with_every_number_it_may_have_written() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let first = rig.until_command();
    let valid = rig.client.valid_until(lock);
    rig.answer(&first, Outcome::Lost);
    assert_eq!(rig.client.valid_until(lock), valid);
    let second = rig.until_command();
    assert_ne!(renew(&first).locks[0].new, renew(&second).locks[0].new);
    let mut mine = renew(&first).locks[0].mine.clone();
    mine.push(renew(&second).locks[0].new);
    assert_eq!(renew(&second).locks[0].mine, mine);
    rig.rows(&second, vec![verdict("a", "renewed")]);
    rig.events();
    assert_eq!(renew(&rig.until_command()).locks[0].mine.len(), 2);
}

#[test]
fn a_locked_row_is_asked_again_and_not_lost() {
    let mut rig = Rig::new();
    rig.hold("a");
    let beat = rig.until_command();
    rig.rows(&beat, vec![verdict("a", "row locked")]);
    rig.until_command();
    assert_eq!(rig.events(), []);
}

#[test]
fn a_number_that_is_gone_ends_the_lock_at_once() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let beat = rig.until_command();
    rig.rows(&beat, vec![verdict("a", "lost")]);
    assert_eq!(rig.client.valid_until(lock), None);
    assert_eq!(rig.event(), lost(lock, LossCause::TakenOver));
    assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)));
    rig.no_command();
}

#[test]
fn without_an_answer_a_lock_is_at_risk_then_lost_and_cleaned_up_when_its_lease_is_over() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.door = Door::Shut(None);
    let held_at = rig.now;
    let beat = rig.until_command();
    rig.client.handle_disconnected(beat.session(), None, rig.now);
    let mut told = Vec::new();
    while told.len() < 2 {
        let wake = rig.drain();
        told.extend(rig.events.drain(..).map(|event| (rig.now.since(held_at), event)));
        rig.commands
            .iter()
            .for_each(|command| assert_eq!(renew(command).locks[0].name, name_of("a")));
        rig.now = wake.at.unwrap();
    }
    let valid_until = held_at.checked_add(VALID).unwrap();
    assert_eq!(told[0], (secs(10), Event::AtRisk { lock, valid_until }));
    assert_eq!(told[1], (VALID, lost(lock, LossCause::Expired)));
    rig.commands.clear();
    rig.door = Door::Open;
    let release = rig.until_command();
    assert!(rig.now.since(held_at) >= secs(20), "others may have it by then");
    assert!(release_of(&release).mine.contains(&renew(&beat).locks[0].new));
    rig.rows(&release, vec![]);
    assert_eq!(rig.events(), []);
}

#[test]
fn a_success_that_comes_after_the_deadline_does_not_bring_the_lock_back() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let beat = rig.until_command();
    rig.now = rig.now.checked_add(secs(16)).unwrap();
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    assert_eq!(rig.client.valid_until(lock), None);
    assert_eq!(rig.events(), [lost(lock, LossCause::Expired)]);
}

#[test]
fn one_bad_row_is_found_by_halving_and_does_not_stop_the_others() {
    let mut rig = Rig::new();
    for n in 0..8 {
        rig.hold(&format!("{n}"));
    }
    let bad = name_of("5");
    let mut renewed = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let beat = rig.until_command();
        let locks = &renew(&beat).locks;
        if locks.iter().any(|lock| lock.name == bad) {
            rig.answer(&beat, failed("22000"));
        } else {
            renewed.extend(locks.iter().map(|lock| lock.name.clone()));
            let rows = locks.iter().map(|lock| verdict(lock.name.as_str(), "renewed")).collect();
            rig.rows(&beat, rows);
        }
    }
    assert_eq!(renewed.len(), 7);
    assert!(rig.events().iter().all(|event| !event.is_terminal()));
}

#[test]
fn renewals_do_not_wait_behind_a_blocked_grant() {
    let mut rig = Rig::new();
    rig.hold("a");
    rig.pass(secs(1));
    rig.ask("b", Wait::ForEver);
    rig.ask("c", Wait::ForEver);
    rig.drain();
    assert_eq!(rig.commands.len(), 2, "both work sessions are blocked");
    rig.commands.clear();
    rig.pass(secs(4));
    let [beat] = &rig.commands[..] else { panic!("{:?}", rig.commands) };
    assert_eq!(renew(beat).locks[0].name, name_of("a"));
}

#[test]
fn renewals_go_before_everything_else() {
    let mut rig = Rig::new();
    rig.hold("a");
    rig.now = rig.now.checked_add(secs(5)).unwrap();
    rig.ask("b", Wait::ForEver);
    rig.drain();
    let [beat, asked] = &rig.commands[..] else { panic!("{:?}", rig.commands) };
    assert_eq!(renew(beat).locks[0].name, name_of("a"));
    assert_eq!(acquire(asked).name, name_of("b"));
}

#[test]
fn a_release_ends_belief_before_it_is_sent() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.client.release(lock, rig.now).unwrap();
    assert_eq!(rig.client.valid_until(lock), None);
    let release = rig.command();
    rig.rows(&release, one(1));
    assert_eq!(rig.event(), Event::Released { lock, confirmed: true });
    assert_eq!(rig.client.release(lock, rig.now), Err(AskError::NotHeld(lock)));
}

#[test]
fn a_release_during_a_heartbeat_accepts_the_number_on_its_way() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let beat = rig.until_command();
    rig.client.release(lock, rig.now).unwrap();
    let release = rig.command();
    let Statement::Release(of) = release.statement() else { panic!() };
    assert!(of.mine.contains(&renew(&beat).locks[0].new));
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    assert_eq!(rig.events(), []);
}

#[test]
fn data_stays_after_a_release_only_where_it_was_asked_for() {
    for keep_data in [false, true] {
        let mut rig = Rig::new();
        let mut request = Request::new(name_of("a"));
        request.keep_data = keep_data;
        let lock = rig.client.acquire(request, rig.now).unwrap();
        let command = rig.command();
        rig.rows(&command, vec![granted(&command, 1)]);
        rig.client.release(lock, rig.now).unwrap();
        assert_eq!(release_of(&rig.command()).keep_data, keep_data);
    }
}

#[test]
fn a_try_behind_a_release_waits_for_it() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.client.release(lock, rig.now).unwrap();
    let mut tries = vec![rig.ask("a", Wait::Try)];
    for _ in 0..2 {
        let release = rig.command();
        tries.push(rig.ask("a", Wait::Try));
        rig.answer(&release, failed("40001"));
    }
    tries.push(rig.ask("a", Wait::Try));
    assert_eq!(rig.events(), []);
    let release = rig.until_command();
    rig.rows(&release, one(1));
    assert_eq!(rig.event(), Event::Released { lock, confirmed: true });
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    let busy: Vec<_> = rig.events().iter().map(Event::lock).collect();
    assert_eq!(busy, tries.into_iter().map(Some).collect::<Vec<_>>());
}

#[test]
fn a_release_of_what_was_taken_says_lost() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.client.release(lock, rig.now).unwrap();
    let release = rig.command();
    rig.rows(&release, vec![]);
    assert_eq!(rig.event(), lost(lock, LossCause::TakenOver));
}

#[test]
fn a_lost_release_is_asked_again_and_then_believed() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.client.release(lock, rig.now).unwrap();
    let release = rig.command();
    rig.answer(&release, Outcome::Lost);
    let again = rig.until_command();
    assert_eq!(again.statement(), release.statement());
    rig.rows(&again, vec![]);
    assert_eq!(rig.event(), Event::Released { lock, confirmed: true });
}

#[test]
fn a_release_without_a_server_is_over_when_the_lock_would_have_expired() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.client.release(lock, rig.now).unwrap();
    rig.door = Door::Shut(None);
    let start = rig.now;
    while rig.events.is_empty() {
        let wake = rig.drain();
        if rig.events.is_empty() {
            rig.now = wake.at.unwrap();
        }
    }
    assert_eq!(rig.events, [Event::Released { lock, confirmed: false }]);
    assert_eq!(rig.now.since(start), VALID);
}

#[test]
fn giving_back_ends_when_others_could_have_the_lock_anyway() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.client.release(lock, rig.now).unwrap();
    rig.command();
    rig.door = Door::Shut(None);
    rig.pass(secs(4));
    let wake = rig.pass(secs(300));
    assert_eq!(rig.events(), [Event::Released { lock, confirmed: false }]);
    assert_eq!(wake.at, None);
}

#[test]
fn heartbeats_by_hand_leave_only_when_asked_for() {
    let mut rig = Rig::new();
    let mut request = Request::new(name_of("a"));
    request.heartbeat = Some(Heartbeat::ByHand);
    let lock = rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    rig.events();
    rig.pass(secs(15));
    rig.no_command();
    rig.client.heartbeat(lock, rig.now).unwrap();
    let beat = rig.command();
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    assert_eq!(rig.event(), renewed_now(&rig, lock));
    rig.pass(VALID);
    assert_eq!(rig.event(), lost(lock, LossCause::Expired));
}

/// One that is on its way counts from an earlier moment than the caller asks for.
#[test]
fn a_heartbeat_asked_for_while_one_is_on_its_way_is_sent_after_it() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let beat = rig.until_command();
    let sent = rig.now;
    rig.pass(secs(1));
    rig.client.heartbeat(lock, rig.now).unwrap();
    rig.no_command();
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    let again = rig.command();
    let valid_until = sent.checked_add(VALID).unwrap();
    assert_eq!(rig.event(), Event::Renewed { lock, sent, valid_until });
    rig.rows(&again, vec![verdict("a", "renewed")]);
    assert_eq!(rig.event(), renewed_now(&rig, lock));
    let before = rig.now;
    rig.until_command();
    assert_eq!(rig.now.since(before), secs(5));
}

#[test]
fn shortening_a_lease_lowers_the_deadline_before_anything_is_sent() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let amendment = Amendment { lease: Some(secs(2)), data: None };
    rig.client.amend(lock, amendment, rig.now).unwrap();
    let output = rig.client.poll_output(rig.now);
    let valid_until = rig.now.checked_add(Duration::from_nanos(1_958_415_841)).unwrap();
    let lowered = Event::Renewed { lock, sent: rig.now, valid_until };
    assert_eq!(output, pglock_core::Output::Event(lowered.clone()));
    assert_eq!(rig.client.valid_until(lock), Some(valid_until));
    let amend = rig.command();
    assert_eq!(amend_of(&amend).lease, Some(secs(2)));
    rig.rows(&amend, one(2_000));
    assert_eq!(rig.events(), [lowered, Event::Amended { lock }]);
    assert_eq!(rig.client.valid_until(lock), Some(valid_until));
}

#[test]
fn lengthening_a_lease_counts_only_when_it_stands_in_the_row() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let amendment = Amendment { lease: Some(secs(60)), data: None };
    rig.client.amend(lock, amendment, rig.now).unwrap();
    let amend = rig.command();
    assert_eq!(rig.valid_for(lock), Some(VALID));
    rig.answer(&amend, Outcome::Lost);
    assert_eq!(rig.valid_for(lock), Some(VALID));
    let beat = rig.until_command();
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    let again = rig.until_command();
    assert_eq!(amend_of(&again).mine.len(), 2);
    rig.rows(&again, one(60_000));
    assert_eq!(rig.valid_for(lock), Some(Duration::from_nanos(58_809_900_990)));
}

#[test]
fn an_amendment_that_never_comes_through_does_not_cost_the_lock() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let amendment = Amendment { lease: None, data: Some(None) };
    rig.client.amend(lock, amendment, rig.now).unwrap();
    for _ in 0..100 {
        let command = rig.until_command();
        match command.statement() {
            Statement::Amend(_) => drop(rig.pass(secs(5))),
            _ => rig.rows(&command, vec![verdict("a", "renewed")]),
        }
    }
    assert!(rig.valid_for(lock).is_some());
}

#[test]
fn a_definite_loss_counts_also_if_it_is_heard_after_the_reply_deadline() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let beat = rig.until_command();
    rig.now = rig.now.checked_add(secs(6)).unwrap();
    rig.rows(&beat, vec![verdict("a", "lost")]);
    assert_eq!(rig.client.valid_until(lock), None);
}

#[test]
fn a_short_lease_does_not_share_a_statement_with_long_ones() {
    let mut rig = Rig::new();
    rig.hold("long");
    let mut request = Request::new(name_of("short"));
    request.lease = Some(secs(1));
    rig.pass(Duration::from_millis(4_800));
    rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    rig.pass(Duration::from_millis(250));
    assert_eq!(rig.commands.len(), 2);
    assert!(rig.commands.iter().all(|beat| renew(beat).locks.len() == 1));
}

#[test]
fn a_renewal_without_an_answer_does_not_hold_up_others() {
    let mut rig = Rig::new();
    rig.hold("long");
    let silent = rig.until_command();
    let mut request = Request::new(name_of("short"));
    request.lease = Some(secs(1));
    rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    let beat = rig.until_command();
    assert_eq!(renew(&beat).locks[0].name, name_of("short"));
    assert_ne!(beat.session(), silent.session());
}

#[test]
fn a_try_is_busy_until_the_lease_of_an_expired_lock_is_over() {
    let mut rig = Rig::new();
    let mut request = Request::new(name_of("a"));
    request.heartbeat = Some(Heartbeat::ByHand);
    let lock = rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    rig.events();
    rig.pass(VALID);
    assert_eq!(rig.event(), lost(lock, LossCause::Expired));
    let tried = rig.ask("a", Wait::Try);
    assert_eq!(rig.event(), Event::Busy { lock: tried, holder: None });
    rig.pass(secs(20) - VALID - Duration::from_nanos(1));
    rig.no_command();
    rig.pass(Duration::from_nanos(1));
    release_of(&rig.command());
}

#[test]
fn a_shut_down_takes_no_longer_than_the_clients_patience() {
    let mut rig = Rig::new();
    let lock = rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.client.shut_down(rig.now);
    let start = rig.now;
    rig.door = Door::Shut(None);
    rig.client.handle_disconnected(command.session(), None, rig.now);
    assert_eq!(rig.event(), Event::Cancelled { lock });
    while let Some(at) = rig.drain().at {
        assert!(!rig.client.is_shut_down());
        rig.now = at;
    }
    assert!(rig.client.is_shut_down());
    assert_eq!(rig.events(), []);
    assert_eq!(rig.now.since(start), secs(10));
}

#[test]
fn a_heartbeat_by_hand_is_not_swallowed_by_an_amendment() {
    let mut rig = Rig::new();
    let mut request = Request::new(name_of("a"));
    request.heartbeat = Some(Heartbeat::ByHand);
    let lock = rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    rig.client.amend(lock, Amendment { lease: None, data: Some(None) }, rig.now).unwrap();
    let amend = rig.until_command();
    rig.client.heartbeat(lock, rig.now).unwrap();
    rig.rows(&amend, one(20_000));
    assert_eq!(renew(&rig.command()).locks.len(), 1);
}

#[test]
fn a_release_goes_before_acquires_that_may_have_to_wait() {
    let mut rig = Rig::new();
    let lock = rig.hold("held");
    for n in 0..10 {
        rig.ask(&n.to_string(), Wait::ForEver);
    }
    rig.drain();
    rig.client.release(lock, rig.now).unwrap();
    let blocked = rig.commands.remove(0);
    rig.commands.clear();
    rig.rows(&blocked, vec![refused(foreign(1), 7_000)]);
    let release = rig.command();
    assert_eq!(release_of(&release).name, name_of("held"));
}

#[test]
fn data_is_changed_and_renews() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let data = Some(Some(b"new".as_slice().into()));
    rig.client.amend(lock, Amendment { lease: None, data: data.clone() }, rig.now).unwrap();
    let amend = rig.command();
    assert_eq!(amend_of(&amend).data, data);
    rig.rows(&amend, one(20_000));
    assert_eq!(rig.events(), [renewed_now(&rig, lock), Event::Amended { lock }]);
}

#[test]
fn a_refused_amendment_leaves_the_lock_held() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let amendment = Amendment { lease: None, data: Some(None) };
    rig.client.amend(lock, amendment, rig.now).unwrap();
    let amend = rig.command();
    rig.answer(&amend, failed("42501"));
    let failure = Failure::Server(error("42501"));
    assert_eq!(rig.event(), Event::AmendFailed { lock, failure });
    assert_eq!(rig.valid_for(lock), Some(VALID));
}

#[test]
fn a_lease_that_cannot_be_kept_is_refused_at_once() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let amendment = Amendment { lease: Some(secs(3_600)), data: None };
    let refused = rig.client.amend(lock, amendment, rig.now);
    let too_long = ConfigError::LeaseTooLong { lease: secs(3_600), longest: secs(600) };
    assert_eq!(refused, Err(AskError::Timing(too_long)));
    rig.no_command();
}

#[test]
fn a_shut_down_releases_everything_and_closes_the_connections() {
    let mut rig = Rig::new();
    let held = rig.hold("a");
    let waiting = rig.ask("b", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    rig.events();
    rig.client.shut_down(rig.now);
    assert_eq!(rig.event(), Event::Cancelled { lock: waiting });
    let release = rig.command();
    assert!(!rig.client.is_shut_down());
    rig.rows(&release, one(1));
    assert_eq!(rig.event(), Event::Released { lock: held, confirmed: true });
    assert_eq!(rig.closed.len(), 1);
    assert!(rig.client.is_shut_down());
    let request = Request::new(name_of("c"));
    assert_eq!(rig.client.acquire(request, rig.now), Err(AskError::ShuttingDown));
}

#[test]
fn a_client_that_was_not_shut_down_is_not() {
    let mut rig = Rig::new();
    assert!(!rig.client.is_shut_down());
    rig.client.shut_down(rig.now);
    assert!(rig.client.is_shut_down());
}

#[test]
fn settings_that_cannot_be_kept_are_refused() {
    let mut config = Config::default();
    config.heartbeat = Some(Heartbeat::Every(secs(9)));
    let identity = pglock_core::Identity::new([1; 16]);
    let too_slow = ConfigError::HeartbeatTooSlow { needed: secs(23), valid: VALID };
    assert_eq!(pglock_core::Client::new(config, identity, 1).map(drop), Err(too_slow));
}

#[test]
fn a_clock_that_runs_backwards_is_held() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let later = rig.now.checked_add(VALID).unwrap();
    rig.client.handle_timeout(later);
    assert_eq!(rig.event(), lost(lock, LossCause::Expired));
}

#[test]
fn one_seed_gives_one_history() {
    let trace = || {
        let mut rig = Rig::new();
        rig.hold("a");
        let beat = rig.until_command();
        rig.answer(&beat, Outcome::Lost);
        let again = rig.until_command();
        format!("{:?} {:?}", rig.now, acquire_or_renew(&again))
    };
    assert_eq!(trace(), trace());
}

fn acquire_or_renew(command: &Command) -> String {
    match command.statement() {
        Statement::Acquire(_) => format!("{:?}", acquire(command)),
        _ => format!("{:?}", renew(command)),
    }
}

#[test]
fn a_shut_down_with_a_lock_and_no_server_takes_no_longer_either() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.door = Door::Shut(None);
    rig.client.shut_down(rig.now);
    let start = rig.now;
    let release = rig.command();
    rig.client.handle_disconnected(release.session(), None, rig.now);
    while let Some(at) = rig.drain().at {
        assert!(!rig.client.is_shut_down());
        rig.now = at;
    }
    assert_eq!(rig.events(), [Event::Released { lock, confirmed: false }]);
    assert!(rig.client.is_shut_down());
    assert_eq!(rig.now.since(start), secs(10));
}

/// The first command of a lock is still on its way when the name is held for the second time.
fn held_anew(rig: &mut Rig, first: LockId) -> (Command, LockId) {
    let second = rig.ask("a", Wait::ForEver);
    rig.client.release(first, rig.now).unwrap();
    let release = rig.command();
    rig.rows(&release, one(1));
    assert_eq!(rig.event(), Event::Released { lock: first, confirmed: true });
    (rig.command(), second)
}

#[test]
fn an_amendment_of_an_earlier_lock_says_nothing_about_the_next() {
    let data = || Amendment { lease: None, data: Some(None) };
    for (granted_first, answer) in [(false, one(20_000)), (true, vec![])] {
        let mut rig = Rig::new();
        let first = rig.hold("a");
        rig.client.amend(first, data(), rig.now).unwrap();
        let earlier = rig.command();
        let (command, second) = held_anew(&mut rig, first);
        if granted_first {
            rig.rows(&command, vec![granted(&command, 2)]);
            rig.acquired(second, 2);
            rig.client.amend(second, data(), rig.now).unwrap();
            rig.command();
        }
        rig.rows(&earlier, answer);
        assert_eq!(rig.events(), []);
        if !granted_first {
            rig.rows(&command, vec![granted(&command, 2)]);
            rig.acquired(second, 2);
        }
        assert!(rig.client.valid_until(second).is_some());
    }
}

#[test]
fn a_heartbeat_of_an_earlier_lock_says_nothing_about_the_next() {
    let mut rig = Rig::new();
    let first = rig.hold("a");
    rig.client.heartbeat(first, rig.now).unwrap();
    let earlier = rig.command();
    let (command, second) = held_anew(&mut rig, first);
    rig.rows(&command, vec![granted(&command, 2)]);
    rig.acquired(second, 2);
    rig.client.heartbeat(second, rig.now).unwrap();
    rig.command();
    rig.rows(&earlier, vec![verdict("a", "lost")]);
    assert_eq!((rig.events(), rig.valid_for(second)), (vec![], Some(VALID)));
}

#[test]
fn the_answer_to_an_amendment_settles_no_release() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    rig.client.amend(lock, Amendment { lease: None, data: Some(None) }, rig.now).unwrap();
    let amend = rig.command();
    rig.client.release(lock, rig.now).unwrap();
    let release = rig.command();
    rig.rows(&amend, one(20_000));
    assert_eq!(rig.events(), []);
    rig.rows(&release, one(1));
    assert_eq!(rig.event(), Event::Released { lock, confirmed: true });
}

#[test]
fn who_waits_for_a_lock_does_not_hold_it() {
    let mut rig = Rig::new();
    rig.hold("a");
    let waiting = rig.ask("a", Wait::ForEver);
    let not_held = Err(AskError::NotHeld(waiting));
    assert_eq!(rig.client.heartbeat(waiting, rig.now), not_held);
    assert_eq!(rig.client.release(waiting, rig.now), not_held);
    assert_eq!(rig.client.amend(waiting, Amendment::default(), rig.now), not_held);
    rig.no_command();
}

/// A lock with these heartbeats, and an amendment of its lease that cannot be sent yet.
fn blocked(heartbeat: Option<Heartbeat>, lease: Duration) -> (Rig, LockId) {
    let mut config = Config::default();
    config.work_sessions = 1;
    let mut rig = Rig::with(config);
    let mut request = Request::new(name_of("a"));
    request.heartbeat = heartbeat;
    let lock = rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    rig.acquired(lock, 1);
    rig.pass(Duration::from_millis(100));
    rig.ask("b", Wait::ForEver);
    rig.command();
    rig.client.amend(lock, Amendment { lease: Some(lease), data: None }, rig.now).unwrap();
    (rig, lock)
}

#[test]
fn only_a_shorter_lease_brings_its_heartbeats_before_it_stands_in_the_row() {
    let second = Some(Heartbeat::Every(secs(1)));
    for (heartbeat, lease, next) in [
        (None, secs(2), Duration::from_millis(500)),
        (None, secs(60), secs(5)),
        (second, secs(20), secs(1)),
    ] {
        let (mut rig, _) = blocked(heartbeat, lease);
        let start = rig.now;
        let beat = rig.until_command();
        assert_eq!(renew(&beat).locks.len(), 1);
        assert_eq!(rig.now.since(start), next - Duration::from_millis(100));
    }
}

#[test]
fn a_shorter_lease_that_does_not_stand_in_the_row_ends_the_longer_one_no_earlier() {
    let (mut rig, lock) = blocked(Some(Heartbeat::ByHand), secs(2));
    rig.door = Door::Silent;
    rig.pass(VALID);
    assert_eq!(rig.event(), lost(lock, LossCause::Expired));
    let tried = rig.ask("a", Wait::Try);
    assert_eq!(rig.event(), Event::Busy { lock: tried, holder: None });
}

#[test]
fn a_lease_that_stays_as_it_is_lowers_nothing() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let amendment = Amendment { lease: Some(secs(20)), data: None };
    rig.client.amend(lock, amendment, rig.now).unwrap();
    amend_of(&rig.command());
    assert_eq!(rig.events(), []);
}

#[test]
fn a_longer_lease_that_outlasts_the_clock_lowers_nothing() {
    let mut rig = Rig::new();
    rig.now = Instant::from_nanos(u64::MAX - 30_000_000_000);
    let lock = rig.hold("a");
    let valid_until = rig.client.valid_until(lock);
    let amendment = Amendment { lease: Some(secs(60)), data: None };
    rig.client.amend(lock, amendment, rig.now).unwrap();
    amend_of(&rig.command());
    assert_eq!((rig.events(), rig.client.valid_until(lock)), (vec![], valid_until));
}

#[test]
fn a_renewal_that_would_end_at_once_changes_nothing() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let valid_until = rig.client.valid_until(lock);
    let beat = rig.until_command();
    let valid = Config::default().drift.validity(secs(1));
    rig.now = rig.now.checked_add(valid).unwrap();
    let mut row = verdict("a", "renewed");
    row.0[2] = Value::Int8(1_000);
    rig.rows(&beat, vec![row]);
    assert_eq!((rig.events(), rig.client.valid_until(lock)), (vec![], valid_until));
}

#[test]
fn heartbeats_that_were_lost_together_are_repeated_together() {
    let mut rig = Rig::new();
    for n in 0..8 {
        rig.hold(&format!("{n}"));
    }
    let beat = rig.until_command();
    rig.answer(&beat, Outcome::Lost);
    assert_eq!(renew(&rig.until_command()).locks.len(), 8);
}

#[test]
fn a_heartbeat_by_hand_that_failed_is_repeated_soon() {
    let mut rig = Rig::new();
    let mut request = Request::new(name_of("a"));
    request.heartbeat = Some(Heartbeat::ByHand);
    let lock = rig.client.acquire(request, rig.now).unwrap();
    let command = rig.command();
    rig.rows(&command, vec![granted(&command, 1)]);
    rig.client.heartbeat(lock, rig.now).unwrap();
    let beat = rig.until_command();
    rig.answer(&beat, failed("40001"));
    let start = rig.now;
    assert_eq!(renew(&rig.until_command()).locks.len(), 1);
    assert!(rig.now.since(start) <= secs(20) / 32);
}

#[test]
fn a_command_whose_session_breaks_before_it_is_handed_over_is_not() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let (session, _) = rig.opened[0];
    let amendment = Amendment { lease: Some(secs(2)), data: None };
    rig.client.amend(lock, amendment, rig.now).unwrap();
    let told = rig.client.poll_output(rig.now);
    assert!(matches!(told, pglock_core::Output::Event(Event::Renewed { .. })), "{told:?}");
    rig.client.handle_disconnected(session, None, rig.now);
    assert_ne!(rig.until_command().session(), session);
}
