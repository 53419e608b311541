//! Several sessions on the model of the advisory locks and on a real server, in lock step: after each step
//! both have answered the same, the same sessions wait for the same others, and `pg_locks` shows the same.
//!
//! `PGLOCK_TEST_STEPS` sets how many steps are made, `PGLOCK_TEST_SEED` which.

mod deadlocks;
mod mutants;
mod pair;
mod program;
mod server;
mod statements;

use std::cell::{Cell, RefCell};

use pglock_tests::setting;
use proptest::test_runner::TestCaseError;
use tokio::runtime::Runtime;

use crate::sequences::{Run, difference, runner, runtime};
use pair::Pair;

const STEPS_OF_A_PROGRAM: u64 = 150;

#[test]
fn the_model_of_advisory_locks_does_what_the_server_does() {
    let (steps, seed) = (setting("PGLOCK_TEST_STEPS", 5_000), setting("PGLOCK_TEST_SEED", 1));
    let runtime = runtime();
    let pair = runtime.block_on(Pair::new());
    let (Run { made, difference }, pair) = run(&runtime, pair, steps, seed, 1_000);
    println!("{made} steps under seed {seed}: {:#?}", pair.seen());
    assert!(difference.is_none(), "{}", difference.unwrap_or_default());
}

/// Makes programs of about so many steps together. One that shows a difference is made smaller so often.
fn run(runtime: &Runtime, pair: Pair, steps: u64, seed: u64, shrinks: u32) -> (Run, Pair) {
    let (pair, made) = (RefCell::new(pair), Cell::new(0));
    let (mut runner, lengths) = runner(steps, STEPS_OF_A_PROGRAM, seed, shrinks);
    let programs = proptest::collection::vec(program::steps(), lengths);
    let result = runner.run(&programs, |steps| {
        let mut pair = pair.borrow_mut();
        runtime.block_on(async {
            pair.reset().await;
            for step in steps.into_iter().flatten() {
                if pair.makes_sense(step) {
                    made.set(made.get() + 1);
                    let difference = |difference| format!("{difference}\nafter {step:?}");
                    pair.make(step).await.map_err(difference).map_err(TestCaseError::fail)?;
                }
            }
            Ok(())
        })
    });
    (Run { made: made.get(), difference: difference(result, "of") }, pair.into_inner())
}
