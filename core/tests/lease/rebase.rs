//! Where a clock begins makes no difference to what a client does.

use std::time::Duration;

use pglock_core::{Command, Config, Instant, Outcome, Question, Row, Rvn, Statement, Value, Wait};

use crate::rig::{Rig, failed, granted, held_row, name_of, refused, renew, secs, verdict};

/// What a client does for some minutes, whose clock is set back after each step.
fn history(back: Duration) -> Vec<String> {
    let mut rig = Rig::with(Config::default());
    rig.now = Instant::from_nanos(1_000_000_000_000_000);
    let held = rig.ask("a", Wait::ForEver);
    rig.ask("b", Wait::AtMost(secs(40)));
    rig.client.ask(Question::Get(name_of("c")), rig.now).unwrap();
    rig.history(held, back, outcome)
}

/// Somebody else holds `b`, and the server tells nothing at first; what is sent late in the history is lost.
fn outcome(command: &Command, step: u32) -> Outcome {
    if step % 5 == 4 || step > 40 {
        return Outcome::Lost;
    }
    if step < 10 && command.statement() == &Statement::Listen {
        return failed("0A000");
    }
    let other = Rvn::new(Rvn::MARK + 77);
    Outcome::Rows(match command.statement() {
        Statement::Acquire(acquire) if acquire.name == name_of("a") => vec![granted(command, 1)],
        Statement::Acquire(_) => vec![refused(other, 20_000)],
        Statement::Read(_) => vec![held_row(other, 20_000)],
        Statement::Renew(_) => {
            let name = renew(command).locks[0].name.clone();
            vec![verdict(name.as_str(), "renewed")]
        }
        _ => Vec::new(),
    })
}

#[test]
fn a_client_whose_clock_is_set_back_does_the_same() {
    let usual = history(Duration::ZERO);
    assert!(usual.len() > 40, "{usual:#?}");
    for what in
        ["Acquired", "Renew(", "Lost", "Listen", "LineUp(", "Release(", "TimedOut", "Answered"]
    {
        assert!(usual.iter().any(|line| line.contains(what)), "no {what}: {usual:#?}");
    }
    assert_eq!(history(secs(1_000)), usual);
}

/// An error of the moment: the question is asked again after a pause.
#[test]
fn a_question_is_asked_again_at_the_same_time_though_the_clock_is_set_back() {
    let asked_after = |back: Duration| {
        let mut rig = Rig::with(Config::default());
        rig.now = Instant::from_nanos(1_000_000_000_000_000);
        rig.client.ask(Question::Get(name_of("c")), rig.now).unwrap();
        for _ in 0..5 {
            let command = rig.until_command();
            rig.answer(&command, failed("40001"));
        }
        rig.drain();
        assert_eq!(rig.commands, []);
        rig.set_back(back);
        let began = rig.now;
        let again = rig.until_command();
        (again, rig.now.since(began))
    };
    assert_eq!(asked_after(secs(1_000)), asked_after(Duration::ZERO));
}

/// A session on which no answer comes is given up in time, wherever the clock began.
#[test]
fn a_session_is_overdue_at_the_same_time_though_the_clock_is_set_back() {
    let overdue_after = |back: Duration| {
        let mut rig = Rig::with(Config::default());
        rig.now = Instant::from_nanos(1_000_000_000_000_000);
        rig.ask("a", Wait::ForEver);
        let command = rig.command();
        rig.set_back(back);
        let began = rig.now;
        while rig.closed.is_empty() {
            rig.now = rig.drain().at.unwrap();
        }
        (command, rig.now.since(began))
    };
    assert_eq!(overdue_after(secs(1_000)), overdue_after(Duration::ZERO));
}

/// When it could connect again makes no difference once that is over.
#[test]
fn a_retry_that_is_over_makes_no_difference() {
    let held_after = |pause: Duration| {
        let mut rig = Rig::with(Config::default());
        rig.pass(secs(100));
        let first = rig.hold("a");
        rig.client.release(first, rig.now).unwrap();
        let release = rig.command();
        rig.rows(&release, vec![Row(vec![Value::Int8(1)])]);
        rig.drain();
        rig.events();
        rig.client.handle_disconnected(release.session(), None, rig.now);
        rig.pass(pause);
        rig.hold("b");
        rig.drain();
        rig.events();
        rig.set_back(rig.now.since(Instant::from_nanos(50_000_000_000)));
        rig.client
    };
    assert_eq!(held_after(secs(10)), held_after(secs(20)));
}
