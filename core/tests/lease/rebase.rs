//! Where a clock begins makes no difference to what a client does.

use std::time::Duration;

use pglock_core::{Command, Config, Instant, Outcome, Question, Rvn, Statement, Wait};

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
        ["Acquired", "Renew(", "Lost", "Listen", "Mark(", "Release(", "TimedOut", "Answered"]
    {
        assert!(usual.iter().any(|line| line.contains(what)), "no {what}: {usual:#?}");
    }
    assert_eq!(history(secs(1_000)), usual);
}
