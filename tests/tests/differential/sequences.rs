//! Random sequences of steps. `PGLOCK_TEST_STEPS` sets how many are made, `PGLOCK_TEST_SEED` which.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::ops::RangeInclusive;

use pglock_tests::setting;
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
    let (pair, made) = (RefCell::new(pair), Cell::new(0));
    let (mut runner, lengths) = runner(steps, STEPS_OF_A_PROGRAM, seed, shrinks);
    let programs = proptest::collection::vec(program::step(), lengths);
    let result = runner.run(&programs, |steps| {
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
    Run { made: made.get(), difference: difference(result, "after") }
}

/// Runs programs of about so many steps together, and of so many on average. Also how long each may be.
pub(crate) fn runner(
    steps: u64,
    of_a_program: u64,
    seed: u64,
    shrinks: u32,
) -> (TestRunner, RangeInclusive<usize>) {
    let config = Config {
        cases: u32::try_from(steps.div_ceil(of_a_program)).unwrap(),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: shrinks,
        ..Config::default()
    };
    (TestRunner::new(config), 1..=usize::try_from(2 * of_a_program).unwrap())
}

/// What was the matter, and how it stands to the steps.
pub(crate) fn difference<S: Debug>(result: Result<(), TestError<S>>, how: &str) -> Option<String> {
    match result {
        Ok(()) => None,
        Err(TestError::Fail(difference, steps)) => Some(format!("{difference}\n{how} {steps:#?}")),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// One thread is quickest where everything waits for the last answer.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
