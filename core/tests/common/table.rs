//! Transition tables: whatever may happen in each stage of a lock, on one line each.

use std::fmt::Write;

use pglock_core::{Command, Event, LockId, Outcome, Row, Statement};

use super::{Rig, check, failed, secs};

pub(crate) type Stage = fn(&mut Rig) -> Command;
/// Answers whether it can happen.
pub(crate) type Happening = fn(&mut Rig, &Command, LockId) -> bool;

/// Checks the transition table: what is told and sent at once, without letting time pass, when something happens
/// in some stage.
pub(crate) fn check_transitions(
    file: &str,
    stages: &[(&str, Stage)],
    happenings: &[(&str, Happening)],
    name: fn(&Statement) -> &'static str,
) {
    let mut table = String::from("stage | what happens | told | sent | then\n");
    for (stage_name, stage) in stages {
        for (what, happen) in happenings.iter().chain(EVERYWHERE) {
            let mut rig = Rig::new();
            let command = stage(&mut rig);
            let lock = rig.last.unwrap();
            rig.events();
            rig.commands.clear();
            if !happen(&mut rig, &command, lock) {
                continue;
            }
            rig.drain();
            let told = or_nothing(rig.events.iter().map(event));
            let sent = or_nothing(rig.commands.iter().map(|command| name(command.statement())));
            let then = match rig.client.valid_until(lock) {
                Some(_) => "held",
                None => "not held",
            };
            writeln!(table, "{stage_name} | {what} | {told} | {sent} | {then}").unwrap();
        }
    }
    check(file, &table);
}

/// What may happen to a lock of any kind.
const EVERYWHERE: &[(&str, Happening)] = &[
    ("lost reply", |rig, command, _| {
        rig.answer(command, Outcome::Lost);
        true
    }),
    ("error 40001, passing", |rig, command, _| fail(rig, command, "40001")),
    ("error 57P01, unknown", |rig, command, _| fail(rig, command, "57P01")),
    ("error 25006, a standby", |rig, command, _| fail(rig, command, "25006")),
    ("error 42P01, refused", |rig, command, _| fail(rig, command, "42P01")),
    ("unreadable rows", |rig, command, _| {
        rig.rows(command, vec![Row(vec![])]);
        true
    }),
    ("disconnected", |rig, command, _| {
        rig.client.handle_disconnected(command.session(), None, rig.now);
        true
    }),
    ("no answer in time", |rig, _, _| {
        rig.now = rig.now.checked_add(secs(5)).unwrap();
        true
    }),
    ("deadline passed", |rig, _, _| {
        rig.now = rig.now.checked_add(secs(20)).unwrap();
        true
    }),
    ("release asked", |rig, _, lock| {
        let _ = rig.client.release(lock, rig.now);
        true
    }),
    ("cancel asked", |rig, _, lock| {
        let _ = rig.client.cancel(lock, rig.now);
        true
    }),
    ("shut-down asked", |rig, _, _| {
        rig.client.shut_down(rig.now);
        true
    }),
];

pub(crate) fn fail(rig: &mut Rig, command: &Command, code: &str) -> bool {
    rig.answer(command, failed(code));
    true
}

fn or_nothing<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    if words.is_empty() { "-".into() } else { words.join(", ") }
}

const fn event(event: &Event) -> &'static str {
    match event {
        Event::Acquired { .. } | Event::AdvisoryAcquired { .. } => "acquired",
        Event::Waiting { .. } => "waiting",
        Event::Renewed { .. } => "renewed",
        Event::Amended { .. } => "amended",
        Event::AmendFailed { .. } => "amend failed",
        Event::AtRisk { .. } => "at risk",
        Event::Released { confirmed: true, .. } => "released",
        Event::Released { confirmed: false, .. } => "released, unconfirmed",
        Event::Lost { .. } => "lost",
        Event::Busy { .. } => "busy",
        Event::TimedOut { .. } => "timed out",
        Event::Failed { .. } => "failed",
        Event::Cancelled { .. } => "cancelled",
        _ => "?",
    }
}
