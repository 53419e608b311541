//! `pglock simulate`. It finds nothing in what is built without deliberate bugs; what it does when it finds
//! something is tested beside it.

use crate::rig::{Said, pglock, said};

const USAGE: i32 = 115;

fn simulate(options: &str) -> Said {
    said(&mut pglock(
        &[&["simulate"], &options.split_whitespace().collect::<Vec<_>>()[..]].concat(),
    ))
}

/// All but the line that says how fast it was.
fn found(said: &Said) -> Vec<&str> {
    let (pace, rest): (Vec<_>, _) = said.out.lines().partition(|line| line.contains(" a minute, "));
    assert_eq!((said.code, pace.len(), said.err.as_str()), (0, 1, ""), "{said:?}");
    rest
}

#[test]
fn a_search_says_how_much_it_ran_and_what_it_met() {
    let few = simulate("--histories 200");
    let few = found(&few);
    assert!(few[0].starts_with("200 histories, ") && few[0].ends_with("no rule broken"), "{few:?}");
    let of =
        |line: &str| few.iter().find(|found| found.ends_with(line)).map(|found| found.to_string());
    let granted = of("  A free row was granted.").expect("a line of the table");
    assert!(granted.trim_start().starts_with(|digit: char| ('1'..='9').contains(&digit)));

    let calm = simulate("--histories 20 --faults calm");
    let calm = found(&calm);
    assert!(calm.contains(&"       never  A process crashed while it held a lock."), "{calm:?}");
    let never = calm.iter().filter(|line| line.starts_with("       never  ")).count();
    let all = few.len() - 3;
    assert_eq!(
        calm[1..3],
        ["", &format!("{} of {all} things worth meeting were met:", all - never)]
    );
}

#[test]
fn the_same_seeds_give_the_same_histories_on_any_number_of_threads() {
    let first = simulate("--seed 7 --histories 60 --clients 3 --faults storm,edge --jobs 1");
    let again = simulate("--seed 7 --histories 60 --clients 3 --faults storm,edge --jobs 3");
    let others = simulate("--seed 8 --histories 60 --clients 3 --faults storm,edge");
    assert_eq!(found(&first), found(&again));
    assert_ne!(found(&first), found(&others));
}

#[test]
fn advisory_locks_have_a_world_of_their_own() {
    let advisory = simulate("--histories 200 --advisory");
    let advisory = found(&advisory);
    assert!(advisory.iter().any(|line| line.ends_with("  A session took a lock.")), "{advisory:?}");
}

#[test]
fn what_cannot_be_run_is_refused() {
    for (options, complaint) in [
        ("--histories 0", "there must be one at least"),
        ("--histories many", "invalid digit"),
        ("--clients 0", "0 is not in 1..=32"),
        ("--advisory --faults calm", "cannot be used with"),
        ("--jobs 0", "0 is not in 1..=1000"),
        ("--faults strom", "a similar value exists: 'storm'"),
        ("--faults storm,", "[possible values: storm, calm, edge, fail-over]"),
        ("--seed 18446744073709551615 --histories 2", "no 2 seeds from 18446744073709551615 on"),
    ] {
        let refused = simulate(options);
        assert_eq!((refused.code, refused.out.as_str()), (USAGE, ""), "{options}: {refused:?}");
        assert!(refused.err.contains(complaint), "{options}: {refused:?}");
    }
}

#[test]
fn the_help_knows_of_it() {
    let root = said(&mut pglock(&["--help"]));
    assert!(root.out.contains("  simulate  "), "{root:?}");
    let help = simulate("--help");
    for part in ["117  a rule was broken", "pglock simulate --histories 100000", "[default: 10000]"]
    {
        assert!(help.out.contains(part), "{part:?} is missing in: {help:?}");
    }
}
