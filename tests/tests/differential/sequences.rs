//! Random sequences of steps. `PGLOCK_TEST_STEPS` sets how many are made, `PGLOCK_TEST_SEED` which.

use std::cell::{Cell, RefCell};

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tokio::runtime::Runtime;

use crate::pair::Pair;
use crate::program;

const STEPS_OF_A_PROGRAM: u64 = 200;

#[test]
fn the_model_does_what_the_server_does() {
    let (steps, seed) = (setting("PGLOCK_TEST_STEPS", 6_000), setting("PGLOCK_TEST_SEED", 1));
    let runtime = runtime();
    let pair = runtime.block_on(Pair::new());
    let Run { made, difference } = run(&runtime, pair, steps, seed, 2_000);
    println!("{made} steps under seed {seed}");
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
}

/// How many steps were made, and what was the matter in the end.
pub(crate) struct Run {
    pub(crate) made: u64,
    pub(crate) difference: Option<String>,
}

/// Makes programs of about so many steps together. One that shows a difference is made smaller so often.
pub(crate) fn run(runtime: &Runtime, pair: Pair, steps: u64, seed: u64, shrinks: u32) -> Run {
    let config = Config {
        cases: u32::try_from(steps.div_ceil(STEPS_OF_A_PROGRAM)).unwrap(),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: shrinks,
        ..Config::default()
    };
    let (pair, made) = (RefCell::new(pair), Cell::new(0));
    let lengths = 1..=usize::try_from(2 * STEPS_OF_A_PROGRAM).unwrap();
    let programs = proptest::collection::vec(program::step(), lengths);
    let result = TestRunner::new(config).run(&programs, |steps| {
        let mut pair = pair.borrow_mut();
        runtime.block_on(async {
            pair.reset().await;
            for step in &steps {
                made.set(made.get() + 1);
                pair.make(step).await.map_err(TestCaseError::fail)?;
            }
            Ok(())
        })
    });
    let difference = match result {
        Ok(()) => None,
        Err(TestError::Fail(difference, steps)) => Some(format!("{difference}\nafter {steps:#?}")),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    };
    Run { made: made.get(), difference }
}

/// One thread is quickest where everything waits for the last answer.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A number from the environment.
pub(crate) fn setting(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")),
        Err(_) => otherwise,
    }
}
