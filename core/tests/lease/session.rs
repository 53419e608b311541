//! Connections: when one is opened, when the next, when one is given up, and what an error on the way
//! there means to those who wait.

use std::time::Duration;

use pglock_core::{
    Config, Event, Failure, Instant, Outcome, Question, ServerError, Severity, Wait,
};

use crate::rig::{
    Door, Rig, error, failed, foreign, free, granted, millis, refused, secs, verdict,
};

/// An error on opening a connection, which always ends it.
fn fatal(code: &str) -> ServerError {
    ServerError { severity: Severity::Fatal, ..error(code) }
}

/// The gaps between the first connections that are asked for while none opens.
fn gaps(seed: u64, wanted: usize) -> Vec<Duration> {
    let mut rig = Rig::seeded(Config::default(), seed);
    rig.door = Door::Shut(None);
    rig.ask("a", Wait::ForEver);
    while rig.opened.len() <= wanted {
        let wake = rig.drain();
        rig.now = wake.at.unwrap();
    }
    gaps_of(&rig, wanted)
}

fn gaps_of(rig: &Rig, wanted: usize) -> Vec<Duration> {
    let gap = |pair: &[(_, Instant)]| pair[1].1.since(pair[0].1);
    rig.opened.windows(2).map(gap).take(wanted).collect()
}

#[test]
fn pauses_double_from_the_first_to_the_longest_and_are_spread() {
    let gaps = gaps(1, 12);
    assert_eq!(gaps[0], Duration::ZERO, "the first failure is often all there is");
    let whole = [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000].map(millis);
    for (gap, whole) in gaps[1..].iter().zip(whole) {
        assert!(*gap >= whole / 2 && *gap <= whole, "{gap:?} of {whole:?}");
    }
}

#[test]
fn a_thousand_failures_do_not_wrap() {
    assert!(gaps(1, 1_000)[8..].iter().all(|gap| *gap >= millis(2_500) && *gap <= secs(5)));
}

#[test]
fn one_seed_gives_one_row_of_pauses() {
    assert_eq!(gaps(1, 12), gaps(1, 12));
    assert_ne!(gaps(1, 12), gaps(2, 12));
}

#[test]
fn a_longest_pause_below_the_first_is_the_pause() {
    let mut config = Config::default();
    config.backoff.longest = millis(10);
    let mut rig = Rig::with(config);
    rig.door = Door::Shut(None);
    rig.ask("a", Wait::ForEver);
    for _ in 0..10 {
        rig.now = rig.drain().at.unwrap();
    }
    let gaps = gaps_of(&rig, 10);
    assert_eq!(gaps[0], Duration::ZERO);
    assert!(gaps[1..].iter().all(|gap| *gap >= millis(5) && *gap <= millis(10)), "{gaps:?}");
}

#[test]
fn more_asks_do_not_shorten_the_pause() {
    let mut rig = Rig::new();
    rig.door = Door::Shut(None);
    rig.ask("a", Wait::ForEver);
    let retry_at = rig.drain().at.unwrap();
    assert_eq!(rig.opened.len(), 2);
    rig.ask("b", Wait::ForEver);
    rig.client.ask(Question::CheckTable, rig.now).unwrap();
    assert_eq!(rig.drain().at, Some(retry_at));
    assert_eq!(rig.opened.len(), 2);
    rig.door = Door::Open;
    rig.now = retry_at;
    rig.drain();
    assert_eq!(rig.opened[2].1, retry_at);
}

#[test]
fn a_connection_that_opens_is_no_answer_yet() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    for _ in 0..3 {
        let command = rig.until_command();
        rig.answer(&command, Outcome::Lost);
    }
    let command = rig.until_command();
    assert_eq!(rig.opened.len(), 4);
    let gaps = gaps_of(&rig, 3);
    assert_eq!(gaps[0], Duration::ZERO);
    assert!(gaps[1] >= millis(25) && gaps[2] >= millis(50), "{gaps:?}");
    rig.answer(&command, failed("40001"));
    rig.client.handle_disconnected(command.session(), None, rig.now);
    rig.ask("b", Wait::ForEver);
    rig.command();
    assert_eq!(rig.opened[4].1, rig.now, "an error is one: the next failure is the first again");
}

#[test]
fn a_connection_that_does_not_open_in_time_is_given_up() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    rig.ask("a", Wait::ForEver);
    rig.drain();
    let start = rig.now;
    rig.pass(secs(10) - Duration::from_nanos(1));
    assert_eq!(rig.closed, []);
    rig.pass(Duration::from_nanos(1));
    let [(first, _), (second, opened_at)] = rig.opened[..] else { panic!("{:?}", rig.opened) };
    assert_eq!((&rig.closed[..], opened_at.since(start)), (&[first][..], secs(10)));
    let counters = rig.client.counters();
    assert_eq!((counters.overdue, counters.unknown_outcomes), (1, 0));
    rig.client.handle_connected(first, rig.now);
    rig.no_command();
    rig.client.handle_connected(second, rig.now);
    assert_eq!(rig.command().session(), second);
}

#[test]
fn a_session_whose_reply_is_overdue_is_given_up() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.pass(secs(5) - Duration::from_nanos(1));
    assert_eq!(rig.closed, []);
    rig.pass(Duration::from_nanos(1));
    assert_eq!(rig.closed, [command.session()]);
    let counters = rig.client.counters();
    assert_eq!((counters.overdue, counters.unknown_outcomes), (1, 1));
    assert_eq!(rig.opened[1].1, rig.now);
    rig.client.handle_disconnected(command.session(), None, rig.now);
    assert_eq!(rig.opened.len(), 2, "what is given up is forgotten");
}

#[test]
fn a_reply_in_time_keeps_the_session() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.pass(secs(5) - Duration::from_nanos(1));
    rig.rows(&command, vec![free()]);
    assert_eq!(rig.command().session(), command.session());
    assert_eq!((rig.opened.len(), &rig.closed[..]), (1, &[][..]));
}

#[test]
fn an_error_that_ends_the_session_closes_it() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.answer(&command, Outcome::Failed(fatal("40001")));
    assert_ne!(rig.command().session(), command.session());
    assert_eq!(rig.closed, [command.session()]);
}

#[test]
fn a_session_that_breaks_while_idle_is_opened_again_only_when_it_is_wanted() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    rig.events();
    rig.client.handle_disconnected(command.session(), None, rig.now);
    rig.no_command();
    assert_eq!(rig.opened.len(), 1);
    assert_ne!(rig.until_command().session(), command.session());
    assert_eq!(rig.opened.len(), 2);
}

#[test]
fn no_more_sessions_are_opened_than_are_set() {
    let mut rig = Rig::new();
    for n in 0..9 {
        rig.ask(&n.to_string(), Wait::ForEver);
    }
    rig.drain();
    assert_eq!((rig.opened.len(), rig.commands.len()), (2, 2));
}

#[test]
fn a_refusal_for_good_fails_those_who_never_had_an_answer() {
    let mut rig = Rig::new();
    let held = rig.hold("held");
    rig.ask("watched", Wait::ForEver);
    let command = rig.command();
    rig.rows(&command, vec![refused(foreign(1), 7_000)]);
    rig.events();
    rig.client.handle_disconnected(command.session(), None, rig.now);
    rig.door = Door::Shut(Some(fatal("28P01")));
    let unanswered = [rig.ask("a", Wait::ForEver), rig.ask("b", Wait::AtMost(secs(1)))];
    let question = rig.client.ask(Question::CheckTable, rig.now).unwrap();
    let failure = Failure::Server(fatal("28P01"));
    let [first, second] = unanswered.map(|lock| Event::Failed { lock, failure: failure.clone() });
    let told = [first, second, Event::Answered { question, answer: Err(failure) }];
    assert_eq!(rig.events(), told);
    assert!(rig.client.valid_until(held).is_some());
    rig.door = Door::Open;
    let look = rig.until_command();
    rig.rows(&look, vec![]);
    let again = rig.command();
    rig.rows(&again, vec![granted(&again, 2)]);
    assert_eq!(rig.client.held().count(), 2, "who had an answer goes on");
}

#[test]
fn a_refusal_for_good_does_not_end_a_lock() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let beat = rig.until_command();
    rig.door = Door::Shut(Some(fatal("28P01")));
    rig.answer(&beat, Outcome::Lost);
    rig.pass(secs(1));
    assert_eq!(rig.events(), []);
    rig.door = Door::Open;
    let beat = rig.until_command();
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    let valid_until = rig.client.valid_until(lock).unwrap();
    assert_eq!(rig.event(), Event::Renewed { lock, sent: rig.now, valid_until });
}

#[test]
fn a_refusal_for_good_does_not_end_the_wait_for_an_own_lock() {
    let mut rig = Rig::new();
    let lock = rig.hold("a");
    let waiter = rig.ask("a", Wait::ForEver);
    rig.door = Door::Shut(Some(fatal("28P01")));
    let opened = rig.opened.len();
    let beat = rig.until_command();
    assert!(rig.opened.len() > opened, "a connection for renewals is refused");
    rig.rows(&beat, vec![verdict("a", "renewed")]);
    assert_eq!(rig.event().lock(), Some(lock));
    rig.client.cancel(waiter, rig.now).unwrap();
    assert_eq!(rig.event(), Event::Cancelled { lock: waiter }, "it has waited until now");
}

#[test]
fn pauses_of_no_length_still_are_pauses() {
    let mut config = Config::default();
    config.backoff.longest = Duration::ZERO;
    let mut rig = Rig::with(config);
    rig.door = Door::Shut(None);
    rig.ask("a", Wait::ForEver);
    while rig.opened.len() < 10 {
        rig.now = rig.drain().at.unwrap();
    }
    assert_eq!(gaps_of(&rig, 9)[1..], [millis(1); 8]);
}

#[test]
fn a_passing_trouble_is_kept_for_the_message() {
    let mut rig = Rig::new();
    rig.door = Door::Shut(Some(fatal("57P03")));
    let lock = rig.ask("a", Wait::Try);
    let start = rig.now;
    rig.pass(secs(5));
    assert_eq!(rig.events(), []);
    rig.door = Door::Shut(None);
    let failure = Failure::Unreachable(Some(fatal("57P03")));
    assert_eq!(rig.until_event(), Event::Failed { lock, failure });
    assert_eq!(rig.now.since(start), secs(10));
}

#[test]
fn what_a_connection_says_that_was_given_up_counts_no_more() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    let lock = rig.ask("a", Wait::ForEver);
    rig.drain();
    rig.pass(secs(10));
    let [(first, _), (second, _)] = rig.opened[..] else { panic!("{:?}", rig.opened) };
    rig.client.handle_disconnected(first, Some(fatal("28P01")), rig.now);
    assert_eq!(rig.events(), []);
    rig.client.handle_disconnected(second, Some(fatal("28P01")), rig.now);
    let failure = Failure::Server(fatal("28P01"));
    assert_eq!(rig.event(), Event::Failed { lock, failure });
}

#[test]
fn what_has_closed_by_itself_is_not_closed_again() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let command = rig.command();
    rig.now = rig.now.checked_add(secs(5)).unwrap();
    rig.client.handle_disconnected(command.session(), None, rig.now);
    rig.drain();
    assert_eq!((&rig.closed[..], rig.client.counters().overdue), (&[][..], 1));
}

#[test]
fn outcomes_are_counted_for_what_they_are() {
    let mut rig = Rig::new();
    rig.ask("a", Wait::ForEver);
    let outcomes = [Outcome::Lost, Outcome::Lost, failed("57P01"), failed("40001")];
    for (outcome, unknown) in outcomes.into_iter().zip([1, 2, 3, 3]) {
        let command = rig.until_command();
        rig.answer(&command, outcome);
        assert_eq!(rig.client.counters().unknown_outcomes, unknown);
    }
    let command = rig.until_command();
    for again in 0..3 {
        rig.rows(&command, vec![free()]);
        assert_eq!(rig.client.counters().ignored_outcomes, again);
    }
    let counters = rig.client.counters();
    assert_eq!((counters.commands, counters.overdue), (5, 0));
}
