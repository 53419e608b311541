//! Where a clock begins makes no difference to what a client does.

use std::time::Duration;

use pglock_core::{Command, Config, Counters, Instant, Outcome, Question, Rvn, Statement, Wait};

use crate::rig::{Rig, failed, granted, held_row, name_of, refused, renew, secs, verdict};

/// What a client does for some minutes, each line with how long after the beginning. Its clock is set back
/// after each step.
fn history(back: Duration) -> Vec<String> {
    let mut rig = Rig::with(Config::default());
    let mut began = Instant::from_nanos(1_000_000_000_000_000);
    rig.now = began;
    let held = rig.ask("a", Wait::ForEver);
    rig.ask("b", Wait::AtMost(secs(40)));
    rig.client.ask(Question::Get(name_of("c")), rig.now).unwrap();
    let mut lines = Vec::new();
    for step in 0..300 {
        let wake = rig.drain();
        let after = rig.now.since(began);
        for event in rig.events() {
            let name = format!("{event:?}").split(' ').next().map(String::from);
            lines.push(format!("{after:?}: {name:?}, valid for {:?}", rig.valid_for(held)));
        }
        let commands = std::mem::take(&mut rig.commands);
        if commands.is_empty() {
            let Some(at) = wake.at else { break };
            rig.now = at;
        }
        for command in commands {
            lines.push(format!("{after:?}: {:?}", command.statement()));
            rig.answer(&command, outcome(&command, step));
        }
        rig.drain();
        rig.client.rebase(rig.now, back);
        let earlier = |moment: Instant| {
            Instant::from_nanos(moment.as_nanos() - u64::try_from(back.as_nanos()).unwrap())
        };
        (rig.now, began) = (earlier(rig.now), earlier(began));
        assert_eq!(rig.client.counters(), Counters::default());
    }
    lines
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
