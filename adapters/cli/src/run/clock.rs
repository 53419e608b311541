//! The clock that the guard and its holder share: the same for all processes of a machine, and it counts
//! the time that the machine is suspended where the system has such a clock.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::CLOCK_BOOTTIME;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::CLOCK_MONOTONIC;

/// What it reads; its end if it cannot be read, so that nothing is trusted.
pub(crate) fn now() -> u64 {
    clock_gettime(CLOCK).map_or(u64::MAX, |reading| nanos(reading.into()))
}

/// When something ends that now has `remaining` to go. The clock is read first: any pause in between
/// makes the end come early, never late.
pub(crate) fn end(remaining: impl FnOnce() -> Duration) -> u64 {
    let now = now();
    now.saturating_add(nanos(remaining()))
}

pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
