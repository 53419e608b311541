//! One hash of what happens under so many seeds, to compare machines and compilers by: `traces 10000`.
#![allow(clippy::print_stdout)]

use std::hash::{DefaultHasher, Hash, Hasher};

use pglock_testkit::{lockspace, simulate};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let histories = std::env::args().nth(1).and_then(|number| number.parse().ok()).unwrap_or(1_000);
    let mut hash = DefaultHasher::new();
    for seed in 0..histories {
        simulate(seed)?.trace.hash(&mut hash);
        lockspace::simulate(seed)?.trace.hash(&mut hash);
    }
    println!("{histories} histories: {:016x}", hash.finish());
    Ok(())
}
