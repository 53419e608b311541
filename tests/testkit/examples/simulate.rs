//! Runs histories, one after the other: `simulate --seed 0 --histories 10000`.

use std::process::ExitCode;
use std::time::Instant;

use pglock_testkit::simulate;

fn main() -> ExitCode {
    let (first, histories) = match arguments() {
        Ok(arguments) => arguments,
        Err(complaint) => {
            eprintln!("{complaint}\nusage: simulate [--seed N] [--histories N]");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    let (mut steps, mut simulated) = (0, 0);
    for seed in first..first.saturating_add(histories) {
        match simulate(seed) {
            Ok(history) => {
                steps += history.steps;
                simulated += history.simulated / 1_000_000_000;
            }
            Err(violation) => {
                println!("{violation}\nseed {seed}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!(
        "{histories} histories without a violation: {steps} events, {simulated} s simulated, in {:.1?}",
        begun.elapsed()
    );
    ExitCode::SUCCESS
}

fn arguments() -> Result<(u64, u64), String> {
    let (mut seed, mut histories) = (0, 1_000);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
        let value = value.parse().map_err(|_| format!("{value} is no number"))?;
        match argument.as_str() {
            "--seed" => seed = value,
            "--histories" => histories = value,
            _ => return Err(format!("unknown option {argument}")),
        }
    }
    Ok((seed, histories))
}
