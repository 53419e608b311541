//! Each deliberate bug must be caught, by an oracle that is meant to see it. Needs
//! `RUSTFLAGS="--cfg pglock_bugs"`; `PGLOCK_BUG=M18` hunts one of them and prints its history.
#![cfg(pglock_bugs)]
#![allow(clippy::panic, clippy::print_stdout)]

use pglock_core::bugs::{Bug, switch_on};
use pglock_testkit::{Violation, simulate};

/// How many histories each bug may take.
const BUDGET: u64 = 10_000;

/// How many histories the shrinking of each may take.
const ATTEMPTS: u32 = 2_000;

/// How many histories must pass without a bug.
const CANARY: u64 = 1_000;

/// Which oracles are meant to see a bug.
const fn meant(bug: Bug) -> &'static [&'static str] {
    match bug {
        // The holder believes for too long.
        Bug::M01
        | Bug::M02
        | Bug::M03
        | Bug::M04
        | Bug::M05
        | Bug::M05Permille
        | Bug::M05Permyriad
        | Bug::M14
        | Bug::M16
        | Bug::M18
        | Bug::M25
        | Bug::M57 => &["O1"],
        // The challenger writes too early, or a row is written that must not be.
        Bug::M06 | Bug::M07 | Bug::M08 | Bug::M23 | Bug::M64 | Bug::M66 => &["O1", "O2"],
        Bug::M09 | Bug::M10 | Bug::M11 | Bug::M34 | Bug::M35 | Bug::M61 => &["O2"],
        Bug::M19 | Bug::M21 | Bug::M22 => &["O4"],
        // Callers are told what is not so.
        Bug::M12 | Bug::M13 | Bug::M58 => &["O3"],
        Bug::M17 | Bug::M63 => &["O1", "O3"],
        // Locks are lost or stranded without need.
        Bug::M15 | Bug::M60 | Bug::M62 | Bug::M67 | Bug::M68 | Bug::TwoLeases => &["O5"],
        Bug::M59 => &["O1", "O2", "O5"],
        _ => &[],
    }
}

#[test]
fn every_deliberate_bug_is_caught() {
    let only = std::env::var("PGLOCK_BUG").ok();
    let is_wanted = |bug: &Bug| only.as_ref().is_none_or(|only| *only == format!("{bug:?}"));
    let mut survivors = Vec::new();
    println!("| bug | histories | world | oracle | what it saw |\n| --- | --- | --- | --- | --- |");
    for bug in Bug::ALL.iter().copied().filter(is_wanted) {
        let Some((seed, Violation { broken, scenario, log, .. })) = hunt(bug) else {
            survivors.push(bug);
            continue;
        };
        println!("| {bug:?} | {} | {scenario:?} | {} | {} |", seed + 1, broken.by, broken.words);
        if only.is_some() {
            println!("{}", log.join("\n"));
        }
    }
    assert!(survivors.is_empty(), "not caught within {BUDGET} histories: {survivors:?}");
}

/// The first history in which the right oracle sees the bug, and which is fine without it.
fn hunt(bug: Bug) -> Option<(u64, Violation)> {
    (0..BUDGET).find_map(|seed| {
        switch_on(Some(bug));
        let caught = simulate(seed);
        switch_on(None);
        let violation = *caught.err()?;
        let is_right = meant(bug).contains(&violation.broken.by);
        (is_right && simulate(seed).is_ok()).then_some((seed, violation))
    })
}

#[test]
fn nothing_is_caught_where_there_is_no_bug() {
    switch_on(None);
    for seed in 0..CANARY {
        if let Err(violation) = simulate(seed) {
            panic!("seed {seed}: {violation}");
        }
    }
}

/// What a bug needs to show is little, and shrinking finds it.
#[test]
fn what_catches_a_bug_is_made_small() {
    let mut lengths: Vec<u64> = Bug::ALL.iter().copied().filter_map(shrunk).collect();
    lengths.sort_unstable();
    println!("events after shrinking: {lengths:?}");
    let median = lengths[lengths.len() / 2];
    assert!(median <= 60, "the median is {median}");
}

/// How many events are left of the history that catches the bug.
fn shrunk(bug: Bug) -> Option<u64> {
    let (_, violation) = hunt(bug)?;
    let (by, steps) = (violation.broken.by, violation.steps);
    switch_on(Some(bug));
    let small = violation.shrunk(ATTEMPTS);
    switch_on(None);
    assert_eq!(small.broken.by, by, "{bug:?} is caught otherwise");
    println!("{bug:?}: {steps} -> {} events, {} choices", small.steps, small.tape.len());
    Some(small.steps)
}
