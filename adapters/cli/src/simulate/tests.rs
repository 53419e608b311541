//! With a deliberate bug something is found; needs `RUSTFLAGS="--cfg pglock_bugs"`.

use std::fs;

use clap::Parser;
use pglock_core::bugs::{Bug, switch_on};

use super::*;
use crate::args::{Args, Subcommand};

fn args(words: &str) -> Simulate {
    let words = format!("pglock simulate {words}");
    match Args::try_parse_from(words.split(' ')).unwrap().subcommand {
        Subcommand::Simulate(args) => args,
        _ => panic!("`simulate` is not read as itself"),
    }
}

/// What is found if every thread makes the bug.
fn caught(words: &str) -> Box<Violation> {
    let args = args(words);
    let history = |seed| {
        switch_on(Some(Bug::M05));
        simulate_with(seed, options(&args, seed))
    };
    found(&args, history).unwrap().unwrap()
}

#[test]
fn the_first_that_breaks_a_rule_is_found_by_any_number_of_threads() {
    let alone = caught("--histories 10000 --jobs 1");
    assert_eq!(alone, caught("--histories 10000 --jobs 4"));
    assert_eq!(alone, caught(&format!("--seed {} --histories 1", alone.seed.unwrap())));
}

#[test]
fn a_broken_rule_is_shown_and_written_and_seen_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made/on/the/way");
    let words = "--histories 10000 --clients 3 --faults calm,edge";
    let violation = caught(words);
    let (seed, steps) = (violation.seed.unwrap(), violation.steps);

    switch_on(Some(Bug::M05));
    tell(violation.clone(), &args(&format!("{words} --out {}", out.display()))).unwrap();
    let small = violation.clone().shrunk(ATTEMPTS);
    switch_on(None);

    let report = report::of(&small, steps);
    assert!(report.starts_with(&format!("{}\n\n", small.broken)), "{report}");
    assert!(report.contains(&format!("{} of {steps} events are left", small.steps)), "{report}");
    assert!(report.contains(&small.timeline().text()), "{report}");
    let command = report.rsplit("to see it again: pglock simulate ").next().unwrap();
    let expected = format!("--seed {seed} --histories 1 --clients 3 --faults edge");
    assert!(seed % 2 == 1 && command == expected, "{command}");
    assert_eq!(caught(command), violation);

    assert_eq!(fs::read_to_string(out.join("test.rs")).unwrap(), small.test());
    assert_eq!(fs::read_to_string(out.join("timeline.svg")).unwrap(), small.timeline().svg());
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let words = format!("--histories 10000 --out {}", file.path().display());
    switch_on(Some(Bug::M05));
    let failure = tell(caught(&words), &args(&words)).unwrap_err();
    switch_on(None);
    assert!(matches!(failure, Failure::System(_)));
    assert!(failure.to_string().contains(file.path().to_str().unwrap()), "{failure}");
}
