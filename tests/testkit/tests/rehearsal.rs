//! Programs over the shipped loop on virtual time: right ones break no rule, wrong ones are found out.
#![allow(clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::Duration;

use pglock_driver::{Error, Options};
use pglock_testkit::rehearsal::{Client, Fault, Mishap, Rehearsal, Stage, rehearse};

const SECOND: Duration = Duration::from_secs(1);

/// How many seeds to rehearse: `PGLOCK_REHEARSALS`, or as many as a test run can spare.
fn seeds() -> u64 {
    match std::env::var("PGLOCK_REHEARSALS") {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("PGLOCK_REHEARSALS={number}")),
        Err(_) => USUAL,
    }
}

const USUAL: u64 = 1_000;

/// Works three times, and stops as soon as the lock is lost.
async fn careful(client: Client) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    for _ in 0..3 {
        let work = async |hold| {
            let _working = client.works_on(&hold);
            client.sleep(SECOND * 7).await;
        };
        let name = ["mail", "cron"][usize::from(client.draw(2) == 1)];
        let _may_have_failed = client.may_drop(locks.run(name, work)).await;
    }
    Ok(())
}

fn three(program: fn(&mut Stage)) -> impl Fn(&mut Stage) {
    move |stage| (0..3).for_each(|_| program(stage))
}

#[test]
fn a_careful_program_breaks_no_rule_and_every_fault_is_met() {
    let (mut met, mut steps) = (BTreeMap::<Fault, u64>::new(), 0);
    for seed in 0..seeds() {
        let rehearsed = rehearse(seed, three(|stage| stage.client(careful)))
            .unwrap_or_else(|mishap| panic!("{mishap}"));
        steps += rehearsed.steps;
        rehearsed.met.iter().for_each(|(fault, times)| *met.entry(*fault).or_default() += times);
    }
    println!("{} rehearsals, {steps} events: {met:#?}", seeds());
    let missed: Vec<_> = Fault::ALL.iter().filter(|fault| !met.contains_key(fault)).collect();
    assert!(missed.is_empty() || seeds() < USUAL, "never met: {missed:?}");
}
