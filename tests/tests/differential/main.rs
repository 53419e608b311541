//! Random sequences of statements on the model of the server and on a real one, in lock step: both must
//! answer the same and leave the same rows. This entitles the model to stand for PostgreSQL.
//!
//! `PGLOCK_TEST_STEPS` sets how many steps are made, `PGLOCK_TEST_SEED` which.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "these are tests"
)]

mod foreseen;
mod pair;
mod program;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use pair::Pair;

const STEPS_OF_A_PROGRAM: usize = 200;

#[test]
fn the_model_does_what_the_server_does() {
    let steps = setting("PGLOCK_TEST_STEPS", 6_000);
    let config = Config {
        cases: u32::try_from(steps.div_ceil(STEPS_OF_A_PROGRAM as u64)).unwrap(),
        rng_seed: RngSeed::Fixed(setting("PGLOCK_TEST_SEED", 1)),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pair = tokio::sync::Mutex::new(runtime.block_on(Pair::new()));
    let programs = proptest::collection::vec(program::step(), 1..=2 * STEPS_OF_A_PROGRAM);
    let result = TestRunner::new(config).run(&programs, |steps| {
        runtime.block_on(async {
            let mut pair = pair.lock().await;
            pair.reset().await;
            for step in &steps {
                pair.make(step).await.map_err(TestCaseError::fail)?;
            }
            Ok(())
        })
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(difference, steps)) => panic!("{difference}\nafter {steps:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

fn setting(variable: &str, otherwise: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")),
        Err(_) => otherwise,
    }
}
