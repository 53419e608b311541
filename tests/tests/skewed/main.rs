//! The shipped loops on a real server, each client with a clock of its own that is as wrong as it may be, and a
//! network that loses, delays and falls silent. Each writes down what it believed and when on the host's one
//! clock; a judge who knows nothing else must find that no two beliefs ever met.
//!
//! Nothing here depends on how fast the machine is: what is judged is safety. `PGLOCK_TEST_CASES` sets how many
//! cases there are, `PGLOCK_TEST_SEED` which.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "these are tests"
)]

mod client;
mod clock;
mod handle;
mod play;

use std::time::Duration;

use pglock_testkit::{Account, Judgement, judge};
use pglock_tests::{Server, in_time, setting};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use client::{Client, DRIFT};
use clock::{Skew, Truth};
use handle::Adapter;

#[test]
fn no_two_clients_believe_in_one_lock_at_once() {
    let cases = u32::try_from(setting("PGLOCK_TEST_CASES", 6)).unwrap();
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(setting("PGLOCK_TEST_SEED", 1)),
        failure_persistence: None,
        max_shrink_iters: 20,
        ..Config::default()
    };
    let result = TestRunner::new(config).run(&play::play(), |play| {
        let account = in_time(move || play.perform(Server::shared().database().url()));
        judge(&account).map_err(|judgement| {
            TestCaseError::fail(format!("{judgement}\n{:#?}", account.entries))
        })
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(judgement, play)) => panic!("{judgement}\nin {play:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// The check can fail: a clock that runs far slower than its client counts on is found out.
#[test]
fn a_client_whose_clock_is_too_slow_is_condemned() {
    for adapter in Adapter::ALL {
        let judgement = cut_off_while_holding(adapter, -999_000).unwrap_err();
        assert_eq!(judgement.rule, "S1", "{judgement}");
        assert!(judgement.words.contains("both believe"), "{judgement}");
    }
}

#[test]
fn a_client_whose_clock_is_as_slow_as_it_may_be_is_not() {
    for adapter in Adapter::ALL {
        assert_eq!(cut_off_while_holding(adapter, -i64::from(DRIFT)), Ok(()));
    }
}

/// A client loses the network while it holds the lock, so that no heartbeat gets through; another takes the
/// lock over as soon as it may, with a clock as fast as it may be.
fn cut_off_while_holding(adapter: Adapter, rate: i64) -> Result<(), Judgement> {
    let database = Server::shared().database();
    let truth = Truth::new();
    let open = |who, rate| {
        let skew = Skew::of_rate(rate);
        Client::open(who, adapter, skew, Duration::from_millis(400), truth, database.url())
    };
    let (mut first, mut second) = (open(0, rate), open(1, DRIFT.into()));
    let mut held = first.acquire();
    first.proxy().fall_silent();
    first.look(&mut held);
    let taken_over = second.acquire();
    first.look(&mut held);
    assert!(taken_over.token() > held.token());
    second.release(taken_over);
    first.drop(held);
    together([first.abandon(), second.shut_down()])
}

fn together(accounts: impl IntoIterator<Item = Account>) -> Result<(), Judgement> {
    let mut all = Account::default();
    all.entries.extend(accounts.into_iter().flat_map(|account| account.entries));
    judge(&all)
}
