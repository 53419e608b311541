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
        bounds.with_polls().with_tries(4).with_heartbeats(2).with_losses(1)
    });
}

#[test]
#[ignore = "some minutes, some gigabytes"]
fn all_at_once() {
    explore("all at once", |bounds| small(bounds).with_lease(2).with_partings(1).with_releases(1));
}

/// `PGLOCK_BUG=M18` hunts one of them and prints the way to it.
#[cfg(pglock_bugs)]
mod bugs {
    use super::*;
    use pglock_core::bugs::{Bug, switch_on};

    /// Which rules are meant to be broken by a bug; none by those that need more than these worlds have.
    const fn meant(bug: Bug) -> &'static [&'static str] {
        match bug {
            Bug::M01
            | Bug::M02
            | Bug::M03
            | Bug::M05
            | Bug::M05Permille
            | Bug::M05Permyriad
            | Bug::M16
            | Bug::M17
            | Bug::M18
            | Bug::M57
            | Bug::M59 => &["S1"],
            Bug::M06 | Bug::M07 | Bug::M09 | Bug::M10 | Bug::M23 | Bug::M34 => &["S6"],
            Bug::M19 | Bug::M22 => &["S3"],
            Bug::M12 | Bug::M58 => &["S4"],
            Bug::M14 => &["S1", "S4"],
            Bug::M61 | Bug::M63 => &["S3", "S6"],
            Bug::TwoLeases => &["L3"],
            // Clocks that are coarse, or stop.
            Bug::M04 | Bug::M27 | Bug::M28 => &[],
            // Leases that differ, or change.
            Bug::M08 | Bug::M25 => &[],
            // A row that is deleted, or has data, or is a Go client's.
            Bug::M11 | Bug::M21 | Bug::M35 | Bug::M64 => &[],
            // Two locks.
            Bug::M67 | Bug::M68 => &[],
            // A statement that is run twice.
            Bug::M62 => &[],
            // Nobody takes over what is still believed in, and a loss without need breaks no rule that is checked.
            Bug::M13 | Bug::M15 => &[],
            // What is not given back is taken over.
            Bug::M60 => &[],
            // A driver's.
            Bug::M66 => &[],
            _ => &[],
        }
    }

    /// The smallest worlds in which the bug shows.
    fn world(bug: Bug) -> Bounds {
        let world = Bounds::new([Slow, Fast]).with_lease(2).with_tries(4).with_releases(1);
        match bug {
            Bug::M07 => world.with_lease(4).with_polls().with_heartbeats(1),
            Bug::M17 => world.with_partings(1),
            Bug::M18 => world.with_lease(7).with_tries(3).with_heartbeats(2).with_losses(1),
            Bug::M59 => world.with_heartbeats(1).with_lateness(2),
            _ => world.with_heartbeats(2),
        }
    }

    #[test]
    fn each_is_found_by_the_rule_that_it_breaks() {
        let only = std::env::var("PGLOCK_BUG").ok();
        let wanted = |bug: &Bug| only.as_ref().is_none_or(|only| *only == format!("{bug:?}"));
        let found = |bug: &Bug| !meant(*bug).is_empty();
        println!("| bug | steps | states | what was seen |\n| --- | --- | --- | --- |");
        for bug in Bug::ALL.iter().copied().filter(wanted).filter(found) {
            let world = world(bug);
            switch_on(Some(bug));
            let explored = enumerate(&world);
            switch_on(None);
            let Err(found) = explored else { panic!("{bug:?} is not found: {explored:?}") };
            println!("| {bug:?} | {} | {} | {} |", found.path.len(), found.states, found.broken);
            if only.is_some() {
                println!("{found}");
            }
            assert!(meant(bug).contains(&found.broken.by), "{bug:?} is found otherwise:\n{found}");
        }
    }
}
