//! With a deliberate bug something is found; needs `RUSTFLAGS="--cfg pglock_bugs"`.

use std::fs;

use clap::Parser;
use pglock_core::bugs::{Bug, switch_on};
use pglock_testkit::Violation;

use super::*;
use crate::args::{Args, Subcommand};

fn args(words: &str) -> Simulate {
    let words = format!("pglock simulate {words}");
    let Subcommand::Simulate(args) = Args::try_parse_from(words.split(' ')).unwrap().subcommand
    else {
        panic!("`simulate` is not read as itself")
    };
    args
}

/// What is found if every thread makes the bug.
fn caught(bug: Bug, words: &str) -> Box<Violation> {
    let args = args(words);
    let history = |seed| {
        switch_on(Some(bug));
        simulate_with(seed, options(&args, seed))
    };
    found(&args, history).unwrap().unwrap()
}

#[test]
fn the_first_that_breaks_a_rule_is_found_by_any_number_of_threads() {
    let alone = caught(Bug::M64, "--histories 10000 --jobs 1");
    let seed = alone.seed.unwrap();
    assert!(seed > 0, "there is nothing to search for");
    assert_eq!(alone, caught(Bug::M64, "--histories 10000 --jobs 4"));
    assert_eq!(alone, caught(Bug::M64, &format!("--seed {seed} --histories 1")));
}

#[test]
fn a_broken_rule_is_shown_and_written_and_seen_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made/on/the/way");
    let words = "--seed 3 --histories 10000 --clients 3 --faults calm,edge";
    let violation = caught(Bug::M05, words);
    let (seed, steps) = (violation.seed.unwrap(), violation.steps);

    switch_on(Some(Bug::M05));
    let small = violation.clone().shrunk(attempts(&violation));
    switch_on(None);

    let first = format!("{}\nto see it again: pglock simulate ", violation.broken);
    let report = report::of_broken(&violation);
    let command = report.strip_prefix(&first).expect(&report).trim_end();
    let kind = if seed % 2 == 0 { "calm" } else { "edge" };
    assert_eq!(command, format!("--seed {seed} --histories 1 --clients 3 --faults {kind}"));
    let again = caught(Bug::M05, command);
    assert_eq!((&again.broken, &again.log), (&violation.broken, &violation.log));

    let report = report::of_small(&small, steps);
    assert!(report.contains(&format!("{} of {steps} events are left", small.steps)), "{report}");
    assert!(report.contains(&small.timeline().text()), "{report}");
    let kept = keep(&small, &args(&format!("{words} --out {}", out.display())));
    assert_eq!(kept.unwrap(), out);
    assert_eq!(fs::read_to_string(out.join("test.rs")).unwrap(), small.test());
    assert_eq!(fs::read_to_string(out.join("timeline.svg")).unwrap(), small.timeline().svg());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let words = format!("--histories 10000 --out {}", file.path().display());
    let failure = keep(&caught(Bug::M05, &words), &args(&words)).unwrap_err();
    assert!(matches!(failure, Failure::System(_)));
    assert!(failure.to_string().contains(file.path().to_str().unwrap()), "{failure}");
}

#[test]
fn what_is_found_of_advisory_locks_is_shown_and_written_too() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("advisory");
    let words = format!("--histories 10000 --advisory --out {}", out.display());
    let history = |seed| {
        switch_on(Some(Bug::M47));
        lockspace::simulate(seed)
    };
    let violation = found(&args(&words), history).unwrap().unwrap();
    let report = report::of_broken(&violation);
    let again =
        format!("pglock simulate --seed {} --histories 1 --advisory", violation.seed.unwrap());
    assert!(report.contains(&again), "{report}");
    assert_eq!(keep(&violation, &args(&words)).unwrap(), out);
    assert_eq!(fs::read_to_string(out.join("test.rs")).unwrap(), violation.test());
    assert_eq!(
        fs::read_to_string(out.join("log.txt")).unwrap().lines().count(),
        violation.log.len()
    );
}
