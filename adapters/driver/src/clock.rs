//! Monotonic clocks. What they read decides how long a lock is trusted; what it means is the core's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pglock_core::Instant;

/// A monotonic clock. It never runs backwards, from whichever threads it is read, and counts seconds as right as
/// [`Options::drift`](crate::Options::drift) says; it should count the time the machine is suspended, too.
pub trait Clock: Send + Sync + 'static {
    /// What it reads now: a reading of before, as an event loop may keep it, would make a lock be trusted too long, and a
    /// holder be taken for dead too soon.
    fn now(&self) -> Instant;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Instant {
        self.as_ref().now()
    }
}

/// A clock that can be waited for: what the async loop needs of a runtime.
pub trait Timer: Clock {
    /// Ends when the clock reads `moment`, or a little later; at once if it has passed, and never if it is
    /// [`Instant::MAX`]. Many may wait at the same time, and some be dropped before.
    ///
    /// It may end up to a millisecond early, for timers that know no less. Then it is asked again.
    ///
    /// Where the runtime's own timers stand still during suspend, an implementation sleeps in
    /// short slices and looks at its clock after each.
    fn sleep_until(&self, moment: Instant) -> impl Future<Output = ()> + Send;
}

/// A clock, and a runtime's sleep set by it: for runtimes whose sleep is a function of a span.
///
/// ```
/// use pglock_driver::{Alarm, BootClock};
///
/// // The sleep is `tokio::time::sleep`, or whatever the runtime has.
/// let timer = Alarm::new(BootClock, |_span: std::time::Duration| std::future::ready(()));
/// # let _: &dyn pglock_driver::Clock = &timer;
/// ```
#[derive(Clone, Copy)]
pub struct Alarm<K, S> {
    clock: K,
    sleep: S,
}

/// Timers of a runtime may stand still during suspend; so none is set for longer than this.
const SLICE: Duration = Duration::from_secs(1);

impl<K, S> Alarm<K, S> {
    /// Sleeps until the clock has come as far, in slices of a second at most.
    pub const fn new(clock: K, sleep: S) -> Self {
        Self { clock, sleep }
    }
}

impl<K: Clock, S: Send + Sync + 'static> Clock for Alarm<K, S> {
    fn now(&self) -> Instant {
        self.clock.now()
    }
}

impl<K, S, F> Timer for Alarm<K, S>
where
    K: Clock,
    S: Fn(Duration) -> F + Send + Sync + 'static,
    F: Future + Send,
{
    async fn sleep_until(&self, moment: Instant) {
        loop {
            let rest = moment.since(self.now());
            if rest.is_zero() {
                return;
            }
            let _slept = (self.sleep)(rest.min(SLICE)).await;
        }
    }
}

impl<K: fmt::Debug, S> fmt::Debug for Alarm<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// The system's clock that never stops.
///
/// On Linux and Android it is `CLOCK_BOOTTIME`, which counts suspend. Elsewhere it is
/// [`std::time::Instant`], which counts suspend on Windows but not on macOS: there a lock may be
/// trusted too long after the machine has slept, and only the fencing token protects what it guards.
/// No clock counts the time for which a virtual machine is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BootClock;

impl Clock for BootClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(nanos())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn nanos() -> u64 {
    let reading = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(reading.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(reading.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn nanos() -> u64 {
    static ORIGIN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let origin = ORIGIN.get_or_init(std::time::Instant::now);
    u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_runs_and_never_backwards() {
        let start = BootClock.now();
        let mut last = start;
        while last == start {
            let now = BootClock.now();
            assert!(now >= last);
            last = now;
        }
    }
    #[cfg(target_os = "linux")]
    #[test]
    fn on_linux_it_reads_the_boot_time() {
        let truth = || {
            let reading = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            i128::from(reading.tv_sec) * 1_000_000_000 + i128::from(reading.tv_nsec)
        };
        let (before, now, after) = (truth(), BootClock.now(), truth());
        let now = i128::from(now.as_nanos());
        assert!(before <= now && now <= after, "{before} {now} {after}");
    }

    /// Where a machine was never suspended, clocks that stop meanwhile read the same. In a time namespace
    /// the boot time is ahead of them, as after a suspend.
    #[cfg(target_os = "linux")]
    #[test]
    fn on_linux_it_counts_suspends() {
        let suspended = || {
            let mut command = std::process::Command::new("unshare");
            command.args(["--map-root-user", "--time", "--boottime", "1000000"]);
            command
        };
        if !suspended().arg("true").status().is_ok_and(|status| status.success()) {
            return eprintln!("no time namespace may be made here: suspends are not checked");
        }
        let this = std::env::current_exe().expect("a test has a program");
        let once_more = ["--exact", "clock::tests::on_linux_it_reads_the_boot_time"];
        let status = suspended().arg(this).args(once_more).status();
        assert!(status.is_ok_and(|status| status.success()));
    }
}
