//! Proptest draws histories as bytes, and makes the bytes of one that breaks a rule fewer and smaller.
#![allow(clippy::panic, clippy::print_stdout)]

use pglock_testkit::simulate_bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// A history takes about so many bytes; after them all is benign.
const BYTES: usize = 3_000;

fn history() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..BYTES)
}

/// A history that breaks a rule, among so many, made small.
fn hunt(cases: u32, rng_seed: RngSeed) -> Option<Vec<u8>> {
    let config = Config {
        cases,
        rng_seed,
        max_shrink_iters: 5_000,
        failure_persistence: None,
        ..Config::default()
    };
    let found = TestRunner::new(config).run(&history(), |bytes| {
        simulate_bytes(&bytes)
            .map(drop)
            .map_err(|found| TestCaseError::fail(found.broken.to_string()))
    });
    match found {
        Ok(()) => None,
        Err(TestError::Fail(_, bytes)) => Some(bytes),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

#[test]
fn no_bytes_break_a_rule() {
    if let Some(bytes) = hunt(100, RngSeed::Random)
        && let Err(violation) = simulate_bytes(&bytes)
    {
        panic!("{violation}\nto see it again: pglock_testkit::simulate_bytes(&{bytes:?})");
    }
}

/// Needs `RUSTFLAGS="--cfg pglock_bugs"`.
#[cfg(pglock_bugs)]
mod bugs {
    use pglock_core::bugs::{Bug, switch_on};

    use super::*;

    /// How many events may be left of the smallest of some. Proptest alone comes to rest at some dozens or
    /// hundreds: a byte less moves all that follow to other choices.
    const FEW: u64 = 30;

    #[test]
    fn a_deadline_without_a_margin_is_found_and_made_small() {
        found_and_made_small(Bug::M02, "O1");
    }

    #[test]
    fn a_release_of_any_number_is_found_and_made_small() {
        found_and_made_small(Bug::M10, "O2");
    }

    fn found_and_made_small(bug: Bug, oracle: &str) {
        let left = (0..3).map(|seed| left_of_one(bug, oracle, seed)).min();
        assert!(left.is_some_and(|left| left <= FEW), "{left:?} events are left");
    }

    fn left_of_one(bug: Bug, oracle: &str, seed: u64) -> u64 {
        switch_on(Some(bug));
        let found = hunt(1_000, RngSeed::Fixed(seed));
        let bytes = found.unwrap_or_else(|| panic!("{bug:?} is not found"));
        let Err(found) = simulate_bytes(&bytes) else { panic!("{bug:?} does not show again") };
        let (left, by) = (found.steps, found.broken.by);
        let smallest = found.shrunk(2_000);
        switch_on(None);
        assert!(simulate_bytes(&bytes).is_ok(), "also without {bug:?}");
        println!("{bug:?}: {left}, then {} events, from {bytes:?}", smallest.steps);
        assert_eq!((by, smallest.broken.by), (oracle, oracle), "{smallest}");
        smallest.steps
    }
}
