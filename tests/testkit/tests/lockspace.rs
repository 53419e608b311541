//! Histories of advisory locks: none may break a rule, and each seed must give one history.
#![allow(clippy::panic, clippy::print_stdout)]

use pglock_testkit::lockspace::{Coincidence, Coincidences, simulate};

/// How many histories to run: `PGLOCK_HISTORIES`, or as many as a test run can spare.
fn histories() -> u64 {
    match std::env::var("PGLOCK_HISTORIES") {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("PGLOCK_HISTORIES={number}")),
        Err(_) => USUAL,
    }
}

/// Enough to meet every coincidence many times.
const USUAL: u64 = 20_000;

fn first() -> u64 {
    std::env::var("PGLOCK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

/// A rule that nothing has tried to break is not tested: every coincidence must have been met, too.
#[test]
fn no_history_breaks_a_rule_and_every_coincidence_is_met() {
    let mut steps = 0;
    let mut reached = Coincidences::default();
    for seed in first()..first() + histories() {
        let history = simulate(seed).unwrap_or_else(|violation| panic!("{violation}\nseed {seed}"));
        steps += history.steps;
        reached.add(&history.reached);
    }
    println!("{} histories, {steps} events", histories());
    for coincidence in Coincidence::ALL {
        println!("{:>10} {}", reached.of(*coincidence), coincidence.words());
    }
    let missed: Vec<_> = Coincidence::ALL.iter().filter(|which| reached.of(**which) == 0).collect();
    assert!(missed.is_empty() || histories() < USUAL, "never met: {missed:?}");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..50 {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
    assert_ne!(simulate(0), simulate(1), "two seeds, one history");
}
