//! Every state of small worlds. `cargo test --release -- --ignored --nocapture` goes through the larger ones, too.
#![allow(clippy::panic, clippy::print_stdout)]

use pglock_testkit::enumerate::{Bounds, Rate, enumerate};

use Rate::{Fast, Slow};

/// Two of each kind; what is slow and fast the other way round is the same world under other names.
const RATES: [[Rate; 2]; 3] = [[Slow, Fast], [Slow, Slow], [Fast, Fast]];

fn env(name: &str, default: u8) -> u8 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn explore() {
    let combos = if env("C", 0) == 0 { &RATES[..1] } else { &RATES };
    for rates in combos {
        let mut bounds = Bounds::new(*rates)
            .with_tries(env("T", 3))
            .with_heartbeats(env("H", 1))
            .with_losses(env("L", 0))
            .with_crashes(env("X", 0))
            .with_partings(env("P", 0))
            .with_releases(env("R", 0))
            .with_lateness(env("LATE", 0))
            .with_lease(env("LEASE", 4).into());
        if env("POLLS", 0) > 0 {
            bounds = bounds.with_polls();
        }
        let begun = std::time::Instant::now();
        match enumerate(&bounds) {
            Ok(explored) => println!("{rates:?} {explored:?} {:?}", begun.elapsed()),
            Err(e) => println!("{rates:?} {e} {:?}", begun.elapsed()),
        }
    }
}

#[cfg(pglock_bugs)]
mod bugs {
    use super::*;
    use pglock_core::bugs::{Bug, switch_on};

    #[test]
    fn survey() {
        let only = std::env::var("PGLOCK_BUG").ok();
        for bug in Bug::ALL.iter().copied() {
            if only.as_ref().is_some_and(|only| *only != format!("{bug:?}")) {
                continue;
            }
            let mut best = None;
            for (h, l, x, late, p) in [
                (2, 0, 0, 0, 0),
                (3, 1, 0, 0, 0),
                (1, 0, 0, 2, 0),
                (0, 0, 0, 0, 1),
                (1, 0, 1, 0, 0),
            ] {
                let bounds = Bounds::new([Slow, Fast])
                    .with_tries(4)
                    .with_heartbeats(h)
                    .with_losses(l)
                    .with_crashes(x)
                    .with_lateness(late)
                    .with_partings(p)
                    .with_releases(1)
                    .with_lease(2);
                let begun = std::time::Instant::now();
                switch_on(Some(bug));
                let found = enumerate(&bounds);
                switch_on(None);
                if let Err(found) = found {
                    best = Some(format!(
                        "{h}{l}{x}{late}{p} {} steps, {} states {:?}: {}",
                        found.path.len(),
                        found.states,
                        begun.elapsed(),
                        found.broken
                    ));
                    if only.is_some() {
                        println!("{found}");
                    }
                    break;
                }
            }
            println!("{bug:?}: {best:?}");
        }
    }
}
