//! Each deliberate bug must be caught, by an oracle that is meant to see it and by the judge. Needs
//! `RUSTFLAGS="--cfg pglock_bugs"`; `PGLOCK_BUG=M18` hunts one of them and prints its history.
#![cfg(pglock_bugs)]
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use pglock_core::bugs::{Bug, switch_on, switch_on_both};
use pglock_testkit::{Broken, Options, Scenario, Tape, Violation, run, simulate, simulate_with};

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
        | Bug::M27
        | Bug::M28
        | Bug::M57 => &["O1"],
        // The challenger writes too early, or a row is written that must not be.
        Bug::M06 | Bug::M07 | Bug::M08 | Bug::M23 | Bug::M56 | Bug::M64 | Bug::M66 => &["O1", "O2"],
        Bug::M09
        | Bug::M10
        | Bug::M11
        | Bug::M34
        | Bug::M35
        | Bug::M36
        | Bug::M37
        | Bug::M61
        | Bug::OldTicket
        | Bug::LinesUpInFront
        | Bug::LastInLine
        | Bug::ComesBetween => &["O2"],
        Bug::M19 | Bug::M21 | Bug::M22 => &["O4"],
        // Callers are told what is not so.
        Bug::M12 | Bug::M13 | Bug::M54 | Bug::M58 => &["O3"],
        Bug::M17 | Bug::M63 => &["O1", "O3"],
        // Locks are lost or stranded without need.
        Bug::M15
        | Bug::M60
        | Bug::M62
        | Bug::M67
        | Bug::M68
        | Bug::TwoLeases
        | Bug::TwoPolls
        | Bug::StaysInLine
        | Bug::KeptForEver
        | Bug::M41 => &["O5"],
        Bug::M59 => &["O1", "O2", "O5"],
        _ => &[],
    }
}

#[test]
fn every_deliberate_bug_is_caught() {
    let only = std::env::var("PGLOCK_BUG").ok();
    let is_wanted = |bug: &Bug| {
        !bug.is_of_advisory_locks() && only.as_ref().is_none_or(|only| *only == format!("{bug:?}"))
    };
    let (mut survivors, mut acquitted) = (Vec::new(), Vec::new());
    println!("| bug | histories | world | oracle | what it saw | judge |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for bug in Bug::ALL.iter().copied().filter(is_wanted) {
        let Some((seed, Violation { broken, judgement, scenario, log, .. })) = hunt(bug) else {
            survivors.push(bug);
            continue;
        };
        let Broken { by, words, .. } = &broken;
        let opinion = judgement.as_ref().map_or_else(ToString::to_string, |()| "-".into());
        println!("| {bug:?} | {} | {scenario:?} | {by} | {words} | {opinion} |", seed + 1);
        if judgement.is_ok() && !is_out_of_sight(&broken) {
            acquitted.push(bug);
        }
        if only.is_some() {
            println!("{}", log.join("\n"));
        }
    }
    assert!(survivors.is_empty(), "not caught within {BUDGET} histories: {survivors:?}");
    assert!(acquitted.is_empty(), "the judge finds nothing wrong with {acquitted:?}");
}

/// That a client is slow, or loses what it need not lose, breaks no rule that the judge knows; nor does a belief
/// that the row allows though its caller was told of a shorter one.
fn is_out_of_sight(broken: &Broken) -> bool {
    broken.by == "O5" || broken.by == "O3" && broken.words.contains(" but told was ")
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

/// Two mistakes of which one might hide the other: what one lets happen, the other's defence would notice.
const PAIRS: &[(Bug, Bug)] = &[
    // The deadline is wrong, and what would stop a late success is gone.
    (Bug::M01, Bug::M12),
    (Bug::M12, Bug::M16),
    (Bug::M05Permille, Bug::M57),
    // Replies are mixed up, and what would tell them apart is gone.
    (Bug::M18, Bug::M61),
    (Bug::M18, Bug::M66),
    (Bug::M59, Bug::M61),
    (Bug::M59, Bug::M62),
    (Bug::M61, Bug::M62),
    // A stale holder writes, and is not told that it lost.
    (Bug::M09, Bug::M13),
    (Bug::M10, Bug::M13),
    (Bug::M13, Bug::M36),
    (Bug::M14, Bug::M15),
    // A challenger watches wrongly, and compares wrongly.
    (Bug::M06, Bug::M23),
    (Bug::M07, Bug::M08),
    (Bug::M07, Bug::M23),
    (Bug::M08, Bug::TwoLeases),
    (Bug::M64, Bug::TwoLeases),
    // A grant that nobody knows of, and a row that others cannot get.
    (Bug::M17, Bug::M60),
    (Bug::M60, Bug::TwoLeases),
    // Tokens go up where they must not, and do not where they must.
    (Bug::M19, Bug::M22),
    (Bug::M21, Bug::M22),
    // Renewals are held up, and counted wrongly.
    (Bug::M15, Bug::M67),
    (Bug::M67, Bug::M68),
];

#[test]
fn no_bug_hides_another() {
    let caught = |seed| {
        let violation = *simulate(seed).err()?;
        Some((seed, violation))
    };
    for pair in PAIRS {
        switch_on_both(*pair);
        let found = (0..BUDGET).find_map(caught);
        switch_on(None);
        let Some((seed, violation)) = found else { panic!("{pair:?} hide each other") };
        let broken = &violation.broken;
        println!("| {:?}, {:?} | {} | {} |", pair.0, pair.1, seed + 1, broken.by);
        assert!(violation.judgement.is_err() || is_out_of_sight(broken), "{violation}");
        assert!(simulate(seed).is_ok(), "also without {pair:?}");
    }
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
    let of_leases = Bug::ALL.iter().copied().filter(|bug| !bug.is_of_advisory_locks());
    let mut lengths: Vec<u64> = of_leases.filter_map(shrunk).collect();
    lengths.sort_unstable();
    println!("events after shrinking: {lengths:?}");
    let median = lengths[lengths.len() / 2];
    assert!(median <= 30, "the median is {median}");
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

/// The folder of a failure has all that is needed to see it again, and its test does.
#[test]
fn a_failure_is_written_down_and_seen_again() {
    let (seed, violation) = hunt(Bug::M05).unwrap_or_else(|| panic!("M05 is not caught"));
    let folder = std::env::temp_dir().join(format!("pglock-failure-{}", std::process::id()));
    assert!(violation.write_to(&folder).is_ok());
    let read =
        |name| std::fs::read_to_string(folder.join(name)).unwrap_or_else(|_| panic!("{name}"));
    let Violation { broken, scenario, tape, .. } = &violation;
    let opinion = violation.judgement.as_ref().map_or_else(ToString::to_string, |()| String::new());
    let head = format!("{broken}\nThe judge says {opinion}\n\nfound under seed {seed}, ");
    assert!(read("violation.txt").starts_with(&head));
    assert!(read("violation.txt").contains("lease: "));
    assert_eq!(read("log.txt").lines().count(), violation.log.len());
    assert!(read("timeline.txt").contains(&broken.words));
    assert!(read("timeline.svg").contains("class=\"overlap\""));
    let choices = choices(&read("test.rs"));
    assert_eq!((&choices, read("tape.txt").lines().count()), (tape, tape.len()));
    assert!(read("test.rs").contains(&format!("run(Scenario::{scenario:?}, tape)")));
    switch_on(Some(Bug::M05));
    let seen = run(*scenario, Tape::replay(choices)).err();
    switch_on(None);
    assert_eq!(seen.map(|seen| seen.broken), Some(broken.clone()));
    let _left_behind = std::fs::remove_dir_all(folder).is_err();
}

/// The choices in a test that was written for somebody to paste.
fn choices(test: &str) -> Vec<u64> {
    let list = test.split("vec![").nth(1).and_then(|rest| rest.split(']').next());
    let numbers = list.unwrap_or_default().split(", ");
    numbers.map(|number| number.parse().unwrap_or_else(|_| panic!("{number}"))).collect()
}

/// What is fixed beforehand holds for the history, for what is made of it, and for its test.
#[test]
fn what_is_fixed_stays_fixed() {
    let options = Options::default().with_clients(5).with_scenario(Scenario::Edge);
    switch_on(Some(Bug::M05));
    let caught = (0..BUDGET).find_map(|seed| simulate_with(seed, options).err());
    let small = caught.unwrap_or_else(|| panic!("M05 is not caught")).shrunk(ATTEMPTS);
    switch_on(None);
    assert_eq!(small.options, options);
    assert!(small.plan.contains("clients: 5,"), "{}", small.plan);
    let run = "run_with(Scenario::Edge, tape, Options::default().with_clients(5))";
    assert!(small.test().contains(run), "{}", small.test());
}
