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

    /// Which rule each of them breaks first.
    const FOUND: [(Bug, &str); 25] = [
        (Bug::M01, "S1"),
        (Bug::M02, "S1"),
        (Bug::M03, "S1"),
        (Bug::M05, "S1"),
        (Bug::M05Permille, "S1"),
        (Bug::M05Permyriad, "S1"),
        (Bug::M06, "S6"),
        (Bug::M07, "S6"),
        (Bug::M09, "S6"),
        (Bug::M10, "S6"),
        (Bug::M12, "S4"),
        (Bug::M14, "S4"),
        (Bug::M16, "S1"),
        (Bug::M17, "S1"),
        (Bug::M18, "S1"),
        (Bug::M19, "S3"),
        (Bug::M22, "S3"),
        (Bug::M23, "S6"),
        (Bug::M34, "S6"),
        (Bug::M57, "S1"),
        (Bug::M58, "S4"),
        (Bug::M59, "S1"),
        (Bug::M61, "S3"),
        (Bug::M63, "S6"),
        (Bug::TwoLeases, "L3"),
    ];

    /// The smallest world in which the bug shows.
    fn world(bug: Bug) -> Bounds {
        let world = Bounds::new([Slow, Fast]).with_lease(2).with_tries(4).with_releases(1);
        if bug == Bug::M07 {
            world.with_lease(4).with_polls().with_heartbeats(1)
        } else if bug == Bug::M17 {
            world.with_partings(1)
        } else if bug == Bug::M18 {
            world.with_lease(7).with_tries(3).with_heartbeats(2).with_losses(1)
        } else if bug == Bug::M59 {
            world.with_heartbeats(1).with_lateness(2)
        } else {
            world.with_heartbeats(2)
        }
    }

    #[test]
    fn each_is_found_by_the_rule_that_it_breaks() {
        let only = std::env::var("PGLOCK_BUG").ok();
        let wanted = |bug: Bug| only.as_ref().is_none_or(|only| *only == format!("{bug:?}"));
        println!("| bug | steps | states | what was seen |\n| --- | --- | --- | --- |");
        for (bug, rule) in FOUND.into_iter().filter(|(bug, _)| wanted(*bug)) {
            let world = world(bug);
            switch_on(Some(bug));
            let explored = enumerate(&world);
            switch_on(None);
            let Err(found) = explored else { panic!("{bug:?} is not found: {explored:?}") };
            println!("| {bug:?} | {} | {} | {} |", found.path.len(), found.states, found.broken);
            if only.is_some() {
                println!("{found}");
            }
            assert_eq!(found.broken.by, rule, "{bug:?} is found otherwise:\n{found}");
        }
    }

    /// What it takes to find the others.
    const BEYOND: [(&[Bug], &str); 12] = [
        (
            &[
                Bug::M47,
                Bug::M48,
                Bug::M49,
                Bug::M50,
                Bug::M51,
                Bug::M52,
                Bug::M53,
                Bug::M55,
                Bug::Leaks,
                Bug::Deaf,
                Bug::BellRingsOn,
            ],
            "advisory locks",
        ),
        (&[Bug::M04, Bug::M27, Bug::M28, Bug::M56], "clocks that are coarse, stop or end"),
        (&[Bug::M08, Bug::M25], "leases that differ or change"),
        (&[Bug::M11, Bug::M21], "a row that is deleted"),
        (&[Bug::M35, Bug::M36, Bug::M37], "data"),
        (&[Bug::M64], "a Go client"),
        (&[Bug::M67, Bug::M68], "two locks"),
        (
            &[
                Bug::StaysInLine,
                Bug::OldTicket,
                Bug::LinesUpInFront,
                Bug::LastInLine,
                Bug::ComesBetween,
                Bug::KeptForEver,
            ],
            "waiting in line",
        ),
        (&[Bug::M54, Bug::M62], "a server that fails, or runs a statement twice"),
        (
            &[Bug::M13, Bug::M15, Bug::M60],
            "losses that are false, or heard while still believed in",
        ),
        (&[Bug::M66], "another driver"),
        (&[Bug::M41, Bug::TwoPolls], "hints, and how long a wait lasts"),
    ];

    #[test]
    fn each_is_found_or_beyond_these_worlds() {
        let found = FOUND.iter().map(|(bug, _)| bug);
        let beyond = BEYOND.iter().flat_map(|(bugs, _)| *bugs);
        let known: Vec<&Bug> = found.chain(beyond).collect();
        for (bugs, what) in BEYOND {
            println!("{bugs:?}: {what}");
        }
        for bug in Bug::ALL {
            assert_eq!(known.iter().filter(|known| ***known == *bug).count(), 1, "{bug:?}");
        }
    }
}
