//! Programs over the shipped loop on virtual time: right ones break no rule, wrong ones are found out.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{self, Either};

use pglock_driver::{Clock, Error, Hold, Instant, Locks, Options, Timer};
use pglock_testkit::rehearsal::{Client, Fault, Mishap, Rehearsal, Stage, rehearse};
use pglock_testkit::{Author, Entry, Step, Tape, What, Write, judge};

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
            let working = client.works_on(&hold);
            client.sleep(SECOND * 30).await;
            working.acts();
        };
        let name = ["mail", "cron"][usize::from(client.draw(2) == 1)];
        let _may_have_failed = client.may_drop(locks.run(name, work)).await;
    }
    Ok(())
}

/// Works three times in a row, and waits for hours unless it is told.
async fn hears(client: Client) -> Result<(), Error> {
    let hours = SECOND * 36_000;
    let options = Options::default().lease(SECOND * 600).poll(hours).patience(hours * 2);
    let locks = client.connect(options).await?;
    for _ in 0..3 {
        let lock = locks.acquire("mail").await?;
        client.sleep(SECOND * 7).await;
        lock.release().await?;
    }
    Ok(())
}

/// Goes on working whatever becomes of the lock.
async fn careless(client: Client) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    for _ in 0..3 {
        let lock = locks.acquire("mail").await?;
        let working = client.works_on(&lock);
        client.sleep(SECOND * 30).await;
        drop(working);
        let _may_be_lost = lock.release().await;
    }
    Ok(())
}

#[test]
fn a_mishap_is_drawn() {
    let script = |stage: &mut Stage| (0..2).for_each(|_| stage.client(careless));
    let mishap = (0..100).find_map(|seed| rehearse(seed, script).err());
    let mishap = mishap.unwrap_or_else(|| panic!("careless programs are not found out"));
    let text = mishap.timeline().text();
    let lines: Vec<_> = text.lines().collect();
    let at_last = lines.iter().find(|line| line.contains("HERE"));
    let at_last = at_last.unwrap_or_else(|| panic!("no rule is broken: {text}"));
    assert!(at_last.contains('\u{25b6}'), "nobody works when the rule is broken: {text}");
    assert!(lines.iter().any(|line| line.contains("works on mail under token")), "{text}");
    assert!(mishap.timeline().svg().contains("class=\"work\""));
}

/// As `careless`, but mended.
async fn mended(client: Client) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    for _ in 0..3 {
        let lock = locks.acquire("mail").await?;
        let working = client.works_on(&lock);
        let work = pin!(client.sleep(SECOND * 30));
        match future::select(pin!(lock.lost()), work).await {
            Either::Left((loss, _)) => client.note(loss),
            Either::Right(((), _)) => working.acts(),
        }
        drop(working);
        let _may_be_lost = lock.release().await;
    }
    Ok(())
}

/// Looks at the lock, but not when it matters.
async fn looks_too_early(client: Client) -> Result<(), Error> {
    write_after(client, |client, hold| {
        Box::pin(async move {
            hold.ensure_held()?;
            client.sleep(SECOND * 7).await;
            Ok(())
        })
    })
    .await
}

/// As `looks_too_early`, but mended.
async fn looks_in_time(client: Client) -> Result<(), Error> {
    write_after(client, |client, hold| {
        Box::pin(async move {
            client.sleep(SECOND * 7).await;
            hold.ensure_held()
        })
    })
    .await
}

type Preparation<'a> = future::LocalBoxFuture<'a, Result<(), Error>>;

/// Writes once under a lock, after some preparation.
async fn write_after(
    client: Client,
    prepare: for<'a> fn(&'a Client, &'a Hold) -> Preparation<'a>,
) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    let lock = locks.acquire("mail").await?;
    prepare(&client, &lock).await?;
    client.works_on(&lock).acts();
    lock.release().await.map(drop)
}

/// Two names, taken in this order or the other.
async fn takes_both(client: Client) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    let names = if client.draw(2) == 0 { ["mail", "cron"] } else { ["cron", "mail"] };
    let first = locks.acquire(names[0]).await?;
    client.sleep(SECOND).await;
    let second = locks.acquire(names[1]).await?;
    second.release().await.and(first.release().await).map(drop)
}

/// Drops whatever it can in the middle. When all is well again it wants every lock, while its old connections
/// and whatever was dropped on them are still there.
async fn fickle(client: Client) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    for _ in 0..4 {
        let name = ["mail", "cron"][usize::from(client.draw(2) == 1)];
        let acquire = async {
            match client.draw(3) {
                0 => locks.acquire(name).await.map(Some),
                1 => locks.try_acquire(name).await,
                _ => locks.probe(name).await,
            }
        };
        if let Some(Ok(Some(lock))) = client.may_drop(acquire).await {
            let _ = client.may_drop(lock.set_data("fickle")).await;
            let _ = client.may_drop(lock.extend(SECOND * 10)).await;
            let _ = client.may_drop(lock.heartbeat()).await;
            let _ = client.may_drop(lock.release()).await;
        }
    }
    client.calm().await;
    for name in ["mail", "cron"] {
        locks.acquire(name).await?.release().await?;
    }
    client.sleep(SECOND * 120).await;
    Ok(())
}

fn three<F: Future<Output = Result<(), Error>> + 'static>(
    program: fn(Client) -> F,
) -> impl Fn(&mut Stage) {
    move |stage| (0..3).for_each(|_| stage.client(program))
}

/// The first mishap among so many seeds.
fn first_mishap(most: u64, script: impl Fn(&mut Stage)) -> Mishap {
    let found = (0..most).find_map(|seed| rehearse(seed, &script).err());
    let found = found.unwrap_or_else(|| panic!("nothing is found in {most} rehearsals"));
    println!("found with seed {:?}: {}", found.seed, found.broken);
    *found
}

fn no_mishap(script: impl Fn(&mut Stage)) {
    for seed in 0..seeds() {
        if let Err(mishap) = rehearse(seed, &script) {
            panic!("{mishap}");
        }
    }
}

#[test]
fn a_careful_program_breaks_no_rule_and_every_fault_is_met() {
    let (mut met, mut steps) = (BTreeMap::<Fault, u64>::new(), 0);
    for seed in 0..seeds() {
        let rehearsed = rehearse(seed, three(careful)).unwrap_or_else(|mishap| panic!("{mishap}"));
        steps += rehearsed.steps;
        rehearsed.met.iter().for_each(|(fault, times)| *met.entry(*fault).or_default() += times);
    }
    println!("{} rehearsals, {steps} events: {met:#?}", seeds());
    let missed: Vec<_> = Fault::ALL.iter().filter(|fault| !met.contains_key(fault)).collect();
    assert!(missed.is_empty() || seeds() < USUAL, "never met: {missed:?}");
}

#[test]
fn whoever_goes_on_without_its_lock_is_found() {
    let mishap = first_mishap(100, three(careless));
    assert_eq!(mishap.broken.by, "work");
}

#[test]
fn whoever_stops_with_its_lock_is_not() {
    no_mishap(three(mended));
}

#[test]
fn whoever_looks_at_its_lock_too_early_is_found() {
    let mishap = first_mishap(300, three(looks_too_early));
    assert_eq!(mishap.broken.by, "work");
}

#[test]
fn whoever_looks_at_its_lock_in_time_is_not() {
    no_mishap(three(looks_in_time));
}

#[test]
fn locks_taken_in_two_orders_are_found() {
    let mishap = first_mishap(100, three(takes_both));
    assert!(mishap.broken.words.starts_with("L1: "), "{}", mishap.broken);
}

/// Looks are hours apart: whoever does not hear of a release is late.
#[test]
fn a_waiter_hears_of_a_release() {
    let two = |stage: &mut Stage| (0..2).for_each(|_| stage.client(hears));
    for seed in 0..100 {
        let rehearsed = Rehearsal::default().without_faults().seed(seed, two);
        let rehearsed = rehearsed.unwrap_or_else(|mishap| panic!("{mishap}"));
        assert!(rehearsed.simulated < 60_000_000_000, "{seed}: {rehearsed:?}");
    }
}

#[test]
fn a_panic_is_a_mishap() {
    let mishap = first_mishap(1, |stage| {
        stage.client(async |_| -> Result<(), Error> { panic!("a failed assertion") });
    });
    assert_eq!(mishap.broken.to_string(), "panic: w0 panicked: a failed assertion");
}

#[test]
fn futures_dropped_anywhere_strand_nothing() {
    no_mishap(three(fickle));
}

#[test]
fn a_service_need_not_end() {
    no_mishap(|stage| {
        stage.client(mended);
        stage.service(async |client: Client| -> Result<(), Error> {
            let locks = client.connect(Options::default()).await?;
            loop {
                let lock = locks.acquire("mail").await?;
                client.sleep(SECOND).await;
                lock.release().await?;
            }
        });
    });
}

/// A second opinion, of a judge that knows nothing of the rules above.
#[test]
fn the_judge_finds_nothing_wrong_either() {
    let (mut beliefs, mut late) = (0, 0);
    for seed in 0..seeds() / 5 {
        let account = Rehearsal::default().account(Tape::from_seed(seed), three(fickle));
        let judgement = judge(&account);
        assert!(judgement.is_ok(), "seed {seed}: {judgement:?}");
        let is_belief =
            |entry: &Entry| matches!(entry.what, What::Lock { step: Step::Trusted { .. }, .. });
        let is_late = |entry: &Entry| {
            matches!(entry.what, What::Row(Write { by: Some(Author { late: true, .. }), .. }))
        };
        beliefs += account.entries.iter().filter(|entry| is_belief(entry)).count();
        late += account.entries.iter().filter(|entry| is_late(entry)).count();
    }
    println!("{beliefs} beliefs, {late} late writes");
    assert!(beliefs > 0 && late > 0);
}

#[test]
fn the_same_seed_gives_the_same_rehearsal() {
    let mut traces: Vec<_> = (0..50)
        .map(|seed| {
            let rehearsed = rehearse(seed, three(careful));
            assert_eq!(rehearsed, rehearse(seed, three(careful)), "seed {seed}");
            rehearsed.map(|rehearsed| rehearsed.trace)
        })
        .collect();
    traces.dedup();
    assert_eq!(traces.len(), 50, "two seeds, one rehearsal");
}

#[test]
fn no_choices_give_a_rehearsal_without_faults() {
    let rehearsed = Rehearsal::default().run(Tape::replay(Vec::new()), three(careful));
    let rehearsed = rehearsed.unwrap_or_else(|mishap| panic!("{mishap}"));
    assert!(rehearsed.met.is_empty(), "{rehearsed:?}");
    assert!(rehearsed.steps > 100, "{rehearsed:?}");
}

#[test]
fn a_mishap_is_made_small_and_plays_back() {
    let mishap = first_mishap(100, three(careless));
    let small = Rehearsal::default().shrunk(&mishap, 500, three(careless));
    println!("{} -> {} events\n{small}", mishap.steps, small.steps);
    assert!(small.steps * 2 < mishap.steps, "{} -> {}", mishap.steps, small.steps);
    let again = Rehearsal::default().run(Tape::replay(small.tape.clone()), three(careless));
    assert_eq!(again.map_err(|mishap| mishap.broken), Err(small.broken));
}

/// An adapter's clock as event loops have it: what it read when the loop last woke.
#[derive(Clone)]
struct CachedClock {
    client: Client,
    last: Arc<Mutex<Instant>>,
}

impl Clock for CachedClock {
    fn now(&self) -> Instant {
        self.last.lock().map_or_else(|_| self.client.now(), |last| *last)
    }
}

impl Timer for CachedClock {
    async fn sleep_until(&self, moment: Instant) {
        self.client.sleep_until(moment).await;
        if let Ok(mut last) = self.last.lock() {
            *last = self.client.now();
        }
    }
}

/// As `mended`, over an adapter with such a clock.
async fn over_an_adapter_of_its_own(client: Client) -> Result<(), Error> {
    let clock = CachedClock { client: client.clone(), last: Arc::new(Mutex::new(client.now())) };
    let options = client.prepared(Options::default());
    let (locks, drive) = Locks::start(options, client.clone(), clock)?;
    client.spawn(drive);
    locks.create_table().await?;
    for _ in 0..3 {
        let lock = locks.acquire("mail").await?;
        client.sleep(SECOND * 7).await;
        let _may_be_lost = lock.release().await;
    }
    Ok(())
}

#[test]
fn an_adapter_that_reads_its_clock_too_early_is_found() {
    let mishap = first_mishap(1_000, three(over_an_adapter_of_its_own));
    assert_eq!(mishap.broken.by, "O1");
}
