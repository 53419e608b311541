//! Each deliberate bug of advisory locks must be caught by an oracle that is meant to see it. Needs
//! `RUSTFLAGS="--cfg pglock_bugs"`; `PGLOCK_BUG=M47` hunts one of them and prints its history, made small.
#![cfg(pglock_bugs)]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use pglock_core::bugs::{Bug, switch_on, switch_on_both};
use pglock_testkit::lockspace::{Violation, simulate};

/// How many histories each bug may take.
const BUDGET: u64 = 10_000;

/// How many histories the shrinking of each may take.
const ATTEMPTS: u32 = 2_000;

/// Which oracles are meant to see a bug.
const BUGS: [(Bug, &[&str]); 13] = [
    (Bug::M47, &["O5", "O7"]),
    (Bug::M48, &["O3", "O7"]),
    (Bug::M49, &["O3", "O5", "O7"]),
    (Bug::M50, &["O5"]),
    (Bug::M51, &["O7"]),
    (Bug::M52, &["O3"]),
    (Bug::M53, &["O3", "O7"]),
    (Bug::M54, &["O3"]),
    (Bug::M55, &["O3"]),
    (Bug::M41, &["O5"]),
    (Bug::Leaks, &["O5", "O7"]),
    (Bug::Deaf, &["O5"]),
    (Bug::BellRingsOn, &["O5"]),
];

/// Two mistakes of which one might hide the other.
const PAIRS: [(Bug, Bug); 6] = [
    // What is left behind, and what would be noticed of it.
    (Bug::M47, Bug::M48),
    (Bug::M48, Bug::M49),
    (Bug::M47, Bug::M54),
    // A session that is gone, and what would tell.
    (Bug::M50, Bug::M53),
    (Bug::M52, Bug::M53),
    // A notification that is missed, and whoever relies on it.
    (Bug::Deaf, Bug::M41),
];

#[test]
fn every_deliberate_bug_is_caught_and_made_small() {
    let only = std::env::var("PGLOCK_BUG").ok();
    let mut survivors = Vec::new();
    let mut lengths = Vec::new();
    println!("| bug | histories | oracle | what it saw | events, made small |");
    println!("| --- | --- | --- | --- | --- |");
    for (bug, meant) in BUGS {
        if only.as_ref().is_some_and(|only| *only != format!("{bug:?}")) {
            continue;
        }
        let Some((seed, violation)) = hunt(bug, meant) else {
            survivors.push(bug);
            continue;
        };
        switch_on(Some(bug));
        let small = violation.shrunk(ATTEMPTS);
        switch_on(None);
        let broken = &small.broken;
        println!("| {bug:?} | {} | {} | {} | {} |", seed + 1, broken.by, broken.words, small.steps);
        if only.is_some() {
            println!("{small}");
        }
        lengths.push(small.steps);
    }
    assert!(survivors.is_empty(), "not caught within {BUDGET} histories: {survivors:?}");
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 30, "the median is {median}");
}

/// The first history in which the right oracle sees the bug, and which is fine without it.
fn hunt(bug: Bug, meant: &[&str]) -> Option<(u64, Violation)> {
    (0..BUDGET).find_map(|seed| {
        switch_on(Some(bug));
        let caught = simulate(seed);
        switch_on(None);
        let violation = *caught.err()?;
        (meant.contains(&violation.broken.by) && simulate(seed).is_ok())
            .then_some((seed, violation))
    })
}

/// Those that the world of leases leaves to this one.
#[test]
fn every_bug_of_advisory_locks_is_hunted() {
    for bug in Bug::ALL.iter().filter(|bug| bug.is_of_advisory_locks()) {
        assert!(BUGS.iter().any(|(hunted, _)| hunted == bug), "{bug:?}");
    }
}

#[test]
fn no_bug_hides_another() {
    for pair in PAIRS {
        switch_on_both(pair);
        let found = (0..BUDGET).find(|seed| simulate(*seed).is_err());
        switch_on(None);
        let Some(seed) = found else { panic!("{pair:?} hide each other") };
        println!("| {:?}, {:?} | {} |", pair.0, pair.1, seed + 1);
        assert!(simulate(seed).is_ok(), "also without {pair:?}");
    }
}

#[test]
fn nothing_is_caught_where_there_is_no_bug() {
    switch_on(None);
    for seed in 0..1_000 {
        if let Err(violation) = simulate(seed) {
            panic!("seed {seed}: {violation}");
        }
    }
}
