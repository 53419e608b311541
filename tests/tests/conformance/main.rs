//! The shipped adapters keep the promises of drivers, and drivers that do not are found out.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

use std::collections::BTreeSet;

use pglock_testkit::conformance::{PROMISES, Promise};

mod async_std;
mod postgres;
mod smol;
mod sqlx;
mod tokio;
mod wrong;

/// The guide's contract and the list of promises are the same.
#[test]
fn the_guide_names_every_promise() {
    let guide = include_str!("../../../adapters/driver/GUIDE.md");
    let table = guide.lines().skip_while(|line| !line.ends_with("| test |"));
    let table = table.take_while(|line| line.starts_with("| "));
    let named: BTreeSet<_> = table.flat_map(|line| line.split('`').skip(1).step_by(2)).collect();
    let promised = PROMISES.iter().map(Promise::name).collect();
    assert_eq!(named, promised);
}
