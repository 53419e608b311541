//! The clock that decides how long a lock is trusted, and sleeping by it.
//!
//! The machine may be as slow as it likes: what is measured is measured between two readings, one on either side of
//! what the server says.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::future::try_join_all;
use pglock_core::Instant;

use crate::conformance::alarm::within;
use crate::conformance::broken::{Broken, ensure};
use crate::conformance::session::Session;
use crate::conformance::subject::Subject;

/// How wrong the measurements may be, in per cent: clocks of servers are set by others while they run.
const TOLERANCE: u32 = 10;

/// How much a sleep may end early: what the locks reckon with by default.
const GRANULARITY: Duration = Duration::from_millis(1);

/// No reading is less than one that was made before, on whichever thread.
pub async fn the_clock_never_runs_back(subject: &Subject) -> Result<(), Broken> {
    const READINGS: usize = 20_000;
    let last = AtomicU64::new(0);
    let read = || {
        for _ in 0..READINGS {
            let before = last.load(Ordering::SeqCst);
            let now = subject.now().as_nanos();
            ensure(now >= before, || format!("the clock reads {now} ns after {before} ns"))?;
            last.fetch_max(now, Ordering::SeqCst);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(read)).collect();
        readers.into_iter().try_for_each(|reader| {
            reader.join().unwrap_or_else(|panic| Err(Broken::panicked("the clock", panic.as_ref())))
        })
    })
}

/// A reading is of the moment in which it is asked for: after a reply, it counts the time that the reply took.
pub async fn the_clock_is_read_when_it_is_asked(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for _ in 0..2 {
        let before = subject.now();
        session.confirms("SELECT pg_sleep(0.3) IS NOT NULL", Vec::new()).await?;
        let passed = subject.now().since(before);
        let least = Duration::from_millis(300) * (100 - TOLERANCE) / 100;
        ensure(passed >= least, || {
            format!("the clock counts {passed:?} between asking for a sleep of 300 ms and its end")
        })?;
    }
    Ok(())
}

/// The clock counts seconds as the server does.
pub async fn the_clock_runs_at_the_servers_rate(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let first = Reading::of(subject, &session).await?;
    session.confirms("SELECT pg_sleep(1) IS NOT NULL", Vec::new()).await?;
    let second = Reading::of(subject, &session).await?;
    let server = second.server.saturating_sub(first.server);
    let least = second.before.since(first.after);
    let most = second.after.since(first.before);
    let slack = server * TOLERANCE / 100 + GRANULARITY * 2;
    ensure(least <= server + slack && most + slack >= server, || {
        format!("the clock counts from {least:?} to {most:?} while the server's counts {server:?}")
    })
}

struct Reading {
    before: Instant,
    /// Since whenever.
    server: Duration,
    after: Instant,
}

impl Reading {
    async fn of(subject: &Subject, session: &Session) -> Result<Self, Broken> {
        let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8";
        let before = subject.now();
        let microseconds = session.number(text, Vec::new()).await?;
        let server = Duration::from_micros(u64::try_from(microseconds).unwrap_or_default());
        Ok(Self { before, server, after: subject.now() })
    }
}

/// `sleep_until` ends when the clock reads the moment, or later; not more than a millisecond earlier.
pub async fn a_sleep_does_not_end_early(subject: &Subject) -> Result<(), Broken> {
    for span in [0, 1, 999_999, 1_000_001, 20_000_000, 200_000_000].map(Duration::from_nanos) {
        sleep(subject, subject.now().saturating_add(span)).await?;
    }
    Ok(())
}

/// `sleep_until` ends soon after the moment: now and then a machine is busy, but never always.
pub async fn a_sleep_ends_soon_after_its_moment(subject: &Subject) -> Result<(), Broken> {
    const SOON: Duration = Duration::from_millis(500);
    let start = std::time::Instant::now();
    loop {
        let moment = subject.now().saturating_add(Duration::from_millis(20));
        sleep(subject, moment).await?;
        let late = subject.now().since(moment);
        if late <= SOON {
            return Ok(());
        }
        ensure(start.elapsed() < subject.patient(), || {
            format!("sleep_until() ends too late, again and again, now by {late:?}")
        })?;
    }
}

/// `sleep_until` ends at once if the moment has passed.
pub async fn a_moment_that_has_passed_is_not_waited_for(subject: &Subject) -> Result<(), Broken> {
    let now = subject.now();
    sleep(subject, now).await?;
    sleep(subject, Instant::from_nanos(now.as_nanos().saturating_sub(1))).await?;
    sleep(subject, Instant::default()).await
}

/// `sleep_until` does not end if the moment is far off, to the clock's very end.
pub async fn a_moment_that_is_far_off_is_not_reached(subject: &Subject) -> Result<(), Broken> {
    const A_WHILE: Duration = Duration::from_millis(100);
    let year = Duration::from_secs(365 * 24 * 3_600);
    let now = subject.now();
    let years = [1, 100].map(|years| now.saturating_add(year * years));
    let ends = [Instant::from_nanos(i64::MAX.unsigned_abs()), Instant::from_nanos(u64::MAX - 1)];
    for moment in years.into_iter().chain(ends).chain([Instant::MAX]) {
        if let Some(ended) = within(A_WHILE, asleep(subject, moment)).await {
            ended?;
        }
    }
    Ok(())
}

/// Many may sleep at the same time, until moments of their own, and some are dropped before they wake.
pub async fn sleepers_do_not_disturb_each_other(subject: &Subject) -> Result<(), Broken> {
    let now = subject.now();
    let later = |milliseconds| now.saturating_add(Duration::from_millis(milliseconds));
    let mut impatient: Vec<_> = (0..20).filter_map(|n| subject.sleep_until(later(n * 7))).collect();
    for sleep in &mut impatient {
        let _woke_already = sleep.now_or_never();
    }
    let asleep = (0..50).map(|n| sleep(subject, later(n * 37 % 100)));
    let (all, ()) = futures::future::join(try_join_all(asleep), async { drop(impatient) }).await;
    all.map(drop)
}

/// Sleeps, and looks at the clock.
async fn sleep(subject: &Subject, moment: Instant) -> Result<(), Broken> {
    let patience = subject.patient();
    let ended = within(patience, asleep(subject, moment)).await;
    ended.unwrap_or_else(|| Err(Broken::new(format!("sleep_until() does not end in {patience:?}"))))
}

async fn asleep(subject: &Subject, moment: Instant) -> Result<(), Broken> {
    let Some(sleep) = subject.sleep_until(moment) else { return Ok(()) };
    let slept = std::panic::AssertUnwindSafe(sleep).catch_unwind().await;
    slept.map_err(|panic| Broken::panicked("sleep_until()", panic.as_ref()))?;
    let early = moment.since(subject.now());
    ensure(early <= GRANULARITY, || format!("sleep_until() ends {early:?} early"))
}
