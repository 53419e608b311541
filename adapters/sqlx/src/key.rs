//! Keys of advisory locks as sqlx has them.

use pglock_driver::AdvisoryKey;
use sqlx::postgres::{PgAdvisoryLock, PgAdvisoryLockKey};

/// The key of one of sqlx's advisory locks: whoever takes it by sqlx and whoever takes it here exclude each other.
/// Nothing for a kind of key that sqlx did not have when this was written.
///
/// ```
/// use pglock_sqlx::AdvisoryPlace;
/// use sqlx::postgres::PgAdvisoryLock;
///
/// let key = pglock_sqlx::key_of(&PgAdvisoryLock::new("my first Postgres advisory lock!")).unwrap();
/// assert_eq!(key.place(), AdvisoryPlace::Bigint(-5_560_419_505_042_474_287));
/// ```
#[must_use]
pub fn key_of(lock: &PgAdvisoryLock) -> Option<AdvisoryKey> {
    match lock.key() {
        PgAdvisoryLockKey::BigInt(number) => Some((*number).into()),
        PgAdvisoryLockKey::IntPair(first, second) => Some((*first, *second).into()),
        _ => None,
    }
}
