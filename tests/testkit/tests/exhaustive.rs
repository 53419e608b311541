//! Every state of small worlds. With `--ignored`, in release, of larger ones, too.
#![allow(clippy::panic, clippy::print_stdout)]

use pglock_testkit::enumerate::{Bounds, Rate, enumerate};

use Rate::{Fast, Slow};

/// Two clocks. One that is slow and one that is fast are the same world as the other way round.
const CLOCKS: [[Rate; 2]; 3] = [[Slow, Fast], [Slow, Slow], [Fast, Fast]];

/// No state of these worlds breaks a rule, and each of their bounds is reached.
fn explore(what: &str, bounded: impl Fn(Bounds) -> Bounds) {
    for clocks in CLOCKS {
        match enumerate(&bounded(Bounds::new(clocks))) {
            Ok(explored) => {
                println!("{what}, {clocks:?}: {explored:?}");
                assert!(explored.exhausted, "{what}: a bound is too wide");
            }
            Err(found) => panic!("{what}, {clocks:?}:\n{found}"),
        }
    }
}

fn small(bounds: Bounds) -> Bounds {
    bounds.with_tries(4).with_heartbeats(3).with_losses(1).with_crashes(1)
}

#[test]
fn heartbeats_losses_and_a_crash() {
    explore("heartbeats, losses and a crash", small);
}

#[test]
fn clients_that_wake_up_too_late() {
    explore("late clients", |bounds| {
        bounds.with_lease(2).with_tries(4).with_heartbeats(2).with_losses(1).with_lateness(1)
    });
}

#[test]
fn users_that_let_go() {
    explore("users that let go", |bounds| {
        bounds.with_lease(2).with_tries(3).with_heartbeats(1).with_partings(1).with_releases(1)
    });
}

#[test]
fn waiters_that_look() {
    explore("waiters that look", |bounds| {
        bounds.with_lease(2).with_polls().with_tries(4).with_heartbeats(2).with_losses(1)
    });
}

#[test]
#[ignore = "some minutes, some gigabytes"]
fn all_at_once() {
    explore("all at once", |bounds| small(bounds).with_lease(2).with_partings(1).with_releases(1));
}
