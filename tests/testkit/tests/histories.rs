//! Histories without deliberate bugs must break no rule, and each seed must give one history.
#![allow(clippy::panic, clippy::print_stdout)]

use pglock_testkit::{
    Coincidence, Coincidences, Options, Scenario, Tape, run, simulate, simulate_bytes,
    simulate_with,
};

/// How many histories to run: `PGLOCK_HISTORIES`, or as many as a test run can spare.
fn histories() -> u64 {
    match std::env::var("PGLOCK_HISTORIES") {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("PGLOCK_HISTORIES={number}")),
        Err(_) => USUAL,
    }
}

/// Enough to meet every coincidence many times.
const USUAL: u64 = 20_000;

/// A rule that nothing has tried to break is not tested: every coincidence must have been met, too.
#[test]
fn no_history_breaks_a_rule_and_every_coincidence_is_met() {
    let mut steps = 0;
    let mut reached = Coincidences::default();
    for seed in 0..histories() {
        let history = simulate(seed).unwrap_or_else(|violation| {
            panic!(
                "{violation}\nto see it again: \
                 cargo run --release -p pglock-cli -- simulate --seed {seed} --histories 1"
            )
        });
        steps += history.steps;
        reached.add(&history.reached);
    }
    println!("{} histories, {steps} events", histories());
    for coincidence in Coincidence::ALL {
        println!("{:>10} {coincidence:?}", reached.of(*coincidence));
    }
    let missed: Vec<_> = Coincidence::ALL.iter().filter(|which| reached.of(**which) == 0).collect();
    assert!(missed.is_empty() || histories() < USUAL, "never met: {missed:?}");
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..50 {
        assert_eq!(simulate(seed), simulate(seed), "seed {seed}");
    }
    assert_ne!(simulate(0), simulate(4), "two seeds, one history");
}

#[test]
fn a_fixed_scenario_is_that_of_every_seed() {
    for seed in 0..8 {
        for scenario in Scenario::ALL {
            let fixed = simulate_with(seed, Options::default().with_scenario(scenario));
            assert_eq!(fixed, run(scenario, Tape::from_seed(seed)), "{scenario:?} {seed}");
        }
    }
}

/// What happens under some seeds, on any machine and with any compiler. Changes with the core, the model and
/// the world: put the new hashes here if that is meant.
const GOLDEN: [(u64, u64); 5] = [
    (0, 3_332_976_190_141_961_601),
    (1, 10_185_025_847_157_130_535),
    (2, 4_285_835_606_717_818_834),
    (3, 1_619_064_555_895_724_470),
    (1_000_003, 14_686_317_067_370_558_094),
];

#[test]
fn a_seed_gives_the_history_it_always_gave() {
    let traces = GOLDEN.map(|(seed, _)| (seed, simulate(seed).map(|history| history.trace)));
    assert_eq!(traces, GOLDEN.map(|(seed, trace)| (seed, Ok(trace))));
}

#[test]
fn a_benign_history_is_a_short_and_quiet_one() {
    for scenario in Scenario::ALL {
        let history = run(scenario, Tape::replay(Vec::new()));
        let history = history.unwrap_or_else(|violation| panic!("{violation}"));
        assert!(history.steps > 10, "{history:?}");
    }
}

#[test]
fn no_bytes_give_the_benign_history() {
    let benign = run(Scenario::Storm, Tape::replay(Vec::new()));
    assert_eq!(simulate_bytes(&[]), benign);
    assert_eq!(simulate_bytes(&[0; 1_000]), benign);
}

#[test]
fn the_same_bytes_give_the_same_history() {
    for first in 0..30_u8 {
        let bytes: Vec<u8> = (0..=255).map(|place| first.wrapping_mul(place)).collect();
        assert_eq!(simulate_bytes(&bytes), simulate_bytes(&bytes), "{first}");
    }
    assert_ne!(
        simulate_bytes(&[0, 1]),
        simulate_bytes(&[1, 1]),
        "two strings of bytes, one history"
    );
}
