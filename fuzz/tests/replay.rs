//! What fuzzing has found so far goes on breaking nothing, with any compiler.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// A corpus that is smaller has got lost.
const FEWEST: usize = 10;

/// The files of a target's corpus, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= FEWEST, "{target} has {} files", files.len());
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn histories() {
    corpus("history").iter().for_each(|bytes| pglock_fuzz::history(bytes));
}

#[test]
fn inputs() {
    corpus("inputs").iter().for_each(|bytes| pglock_fuzz::inputs(bytes));
}

#[test]
fn identifiers() {
    corpus("identifiers").iter().for_each(|bytes| pglock_fuzz::identifiers(bytes));
}

/// Needs `RUSTFLAGS="--cfg pglock_bugs"`: a target that cannot fail would find nothing.
#[cfg(pglock_bugs)]
mod bugs {
    use std::panic::catch_unwind;

    use pglock_core::bugs::{Bug, switch_on};

    use super::*;

    fn is_seen(bug: Bug, target: &str, run: fn(&[u8])) {
        let corpus = corpus(target);
        switch_on(Some(bug));
        let seen = corpus.iter().filter(|bytes| catch_unwind(|| run(bytes)).is_err()).count();
        switch_on(None);
        println!("{seen} of {} files of {target} see {bug:?}", corpus.len());
        assert!(seen > 0, "no file of {target} sees {bug:?}");
    }

    #[test]
    fn histories_see_mistakes() {
        for bug in [Bug::M01, Bug::M02, Bug::M07, Bug::M10, Bug::M19, Bug::M34] {
            is_seen(bug, "history", pglock_fuzz::history);
        }
    }

    #[test]
    fn inputs_see_mistakes() {
        for bug in [Bug::M16, Bug::M58] {
            is_seen(bug, "inputs", pglock_fuzz::inputs);
        }
    }
}
