//! A user's own system under deterministic simulation: a job scheduler with a bug, which is found, printed and drawn, and
//! the mended one, which passes. Needs no server. See `README.md`.

mod night;
mod scheduler;

use std::error::Error;
use std::path::PathBuf;

use pglock_testkit::rehearsal::{Rehearsal, Stage, rehearse};

use night::{Version, night};

/// How many nights are rehearsed.
const SEEDS: u64 = 500;

/// How many attempts there are at making a mishap smaller.
const ATTEMPTS: u32 = 500;

/// `scheduler [FOLDER]`: where the picture goes.
fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1);
    let folder =
        folder.map_or_else(|| std::env::temp_dir().join("pglock-scheduler"), PathBuf::from);

    let careless = |stage: &mut Stage| night(Version::Careless, stage);
    let mishap = (0..SEEDS).find_map(|seed| rehearse(seed, careless).err());
    let mishap = mishap.ok_or("the bug was not found")?;
    let smallest = Rehearsal::default().shrunk(&mishap, ATTEMPTS, careless);
    smallest.write_to(&folder)?;
    print!("{}", smallest.timeline().text());
    println!("found under seed {}", mishap.seed.unwrap_or_default());
    println!("drawn in {}", folder.join("timeline.svg").display());

    let careful = |stage: &mut Stage| night(Version::Careful, stage);
    let nights = (0..SEEDS).map(|seed| rehearse(seed, careful));
    let faults: Vec<u64> = nights
        .map(|night| night.map(|night| night.met.values().sum()))
        .collect::<Result<_, _>>()?;
    println!(
        "mended, it passes {SEEDS} nights in which {} things went wrong",
        faults.iter().sum::<u64>()
    );
    Ok(())
}
