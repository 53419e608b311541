//! Deliberate bugs of the core are seen through the shipped loop, too, by what its guards believe. Needs
//! `RUSTFLAGS="--cfg pglock_bugs"`.
#![cfg(pglock_bugs)]
#![allow(clippy::panic, clippy::print_stdout)]

use std::time::Duration;

use pglock_core::bugs::{Bug, switch_on};
use pglock_driver::{Error, Options};
use pglock_testkit::rehearsal::{Client, Mishap, Stage, rehearse};

/// How many rehearsals each bug may take.
const BUDGET: u64 = 3_000;

/// Those that make a guard believe for too long, or others take over too early. What the guard itself makes up
/// for is not among them: it looks at the clock also if the core never says that a lock has expired.
const BUGS: &[Bug] = &[
    Bug::M01,
    Bug::M02,
    Bug::M03,
    Bug::M04,
    Bug::M05,
    Bug::M05Permille,
    Bug::M05Permyriad,
    Bug::M06,
    Bug::M07,
    Bug::M09,
    Bug::M10,
    Bug::M14,
    Bug::M18,
    Bug::M25,
    Bug::M61,
    Bug::M63,
];

async fn worker(client: Client) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    for _ in 0..3 {
        let lock = locks.acquire("mail").await?;
        let seconds = Duration::from_secs;
        let lease = if client.draw(2) == 0 { seconds(30) } else { seconds(10) };
        let _may_be_lost = client.may_drop(lock.extend(lease)).await;
        client.sleep(seconds(30)).await;
        let _may_be_lost = lock.release().await;
    }
    Ok(())
}

fn script(stage: &mut Stage) {
    (0..3).for_each(|_| stage.client(worker));
}

#[test]
fn bugs_of_the_core_are_caught_by_what_guards_believe() {
    let survivors: Vec<_> = BUGS.iter().filter(|bug| hunt(**bug).is_none()).collect();
    assert!(survivors.is_empty(), "not caught within {BUDGET} rehearsals: {survivors:?}");
}

fn hunt(bug: Bug) -> Option<Mishap> {
    let found = (0..BUDGET).find_map(|seed| {
        switch_on(Some(bug));
        let caught = rehearse(seed, script);
        switch_on(None);
        let mishap = *caught.err()?;
        (mishap.broken.by == "O1" && rehearse(seed, script).is_ok()).then_some(mishap)
    });
    println!("{bug:?}: {:?}", found.as_ref().map(|found| (found.seed, &found.broken.words)));
    found
}
