//! A server that fails over, with and without its last commits.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;

use pglock_testkit::{Options, Scenario, simulate_with};

const HISTORIES: u64 = 2_000;

/// Where nothing is lost, sessions end and no more. Where acknowledged grants are lost, others are granted what is
/// believed in, and tokens come again: nothing protects clients from that yet, and the oracles see it.
#[test]
fn only_what_is_lost_breaks_a_rule() {
    let options = Options::default().with_scenario(Scenario::FailOver);
    let mut broken = BTreeMap::new();
    for seed in 0..HISTORIES {
        if let Err(violation) = simulate_with(seed, options) {
            assert!(!violation.plan.contains(" lost_tail: 0,"), "seed {seed}: {violation}");
            *broken.entry(violation.broken.by).or_insert(0) += 1;
        }
    }
    println!("of {HISTORIES} histories these rules end: {broken:?}");
    assert!(broken.contains_key("O1") && broken.contains_key("O4"), "{broken:?}");
}
