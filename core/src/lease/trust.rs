//! How long a holder may trust its lease. The margin lies on the holder's side, so that challengers of
//! other libraries, which add none, are covered.

use core::time::Duration;

use crate::bugs::{Bug, made};
use crate::time::{Drift, Instant};

/// The moment a grant or renewal that was sent at `sent` stops being valid, and `lease` is what
/// stands in the row. `None` past the clock's end, where nothing would ever expire.
pub(crate) fn deadline(drift: Drift, sent: Instant, lease: Duration) -> Option<Instant> {
    sent.checked_add(validity(drift, lease)).filter(|deadline| *deadline <= Instant::END)
}

fn validity(drift: Drift, lease: Duration) -> Duration {
    if made(Bug::M02) {
        return lease;
    }
    if made(Bug::M03) {
        return lease.mul_f64(1.0 - f64::from(drift.ppm()) / 1e6);
    }
    if made(Bug::M04) {
        let exact = Drift::new(drift.ppm(), Duration::ZERO).unwrap_or_default();
        return exact.validity(lease);
    }
    let late = [(Bug::M05, 1.01), (Bug::M05Permille, 1.001), (Bug::M05Permyriad, 1.0001)];
    if let Some((_, factor)) = late.into_iter().find(|(bug, _)| made(*bug)) {
        return drift.validity(lease).mul_f64(factor);
    }
    drift.validity(lease)
}
