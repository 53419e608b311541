//! Advisory locks inside a transaction of your own: taken on its connection, and gone when it ends.
//!
//! ```no_run
//! use pglock_sqlx::xact;
//!
//! # async fn pay(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
//! let mut transaction = pool.begin().await?;
//! xact::lock(&mut transaction, "invoice-42").await?;
//! sqlx::query("UPDATE invoices SET paid = true WHERE id = 42").execute(&mut *transaction).await?;
//! transaction.commit().await?;
//! # Ok(()) }
//! ```
//!
//! - Any connection on which a transaction is open will do: a [`sqlx::Transaction`], or a [`PgConnection`] that was
//!   handed on. Where none is open the lock is gone with the statement that takes it.
//! - The lock ends with the transaction, committed or rolled back. It cannot be given back earlier, unless by a
//!   rollback to a savepoint from before it, and it cannot be lost while the transaction lives.
//! - It needs no session of its own, so it works behind transaction poolers.
//! - [`lock`] waits for ever, unless `lock_timeout` is set: after `SET LOCAL lock_timeout = '5s'` it fails with 55P03.
//!   A dropped future does not end the wait: the connection does nothing else before it has the lock or the error.
//! - Whoever waits keeps a snapshot: `CREATE INDEX CONCURRENTLY` waits for it, and `VACUUM` leaves what it may see.
//!   So set a time-out, or [`try_lock`] and begin again.
//! - Under `REPEATABLE READ` and `SERIALIZABLE` the snapshot is from before the wait: what the last holder has
//!   committed is not seen.
//! - After an error the transaction can only be rolled back, all of it or to a savepoint.
//! - A key is a name, a number or two. Whoever takes the same place is excluded, whatever the program and however
//!   it does so; see [`AdvisoryKey`].

use pglock_driver::{AdvisoryKey, AdvisoryMode, Error, TransactionLock};
use sqlx::PgConnection;

use crate::values::{bound, outcome};

/// Waits until nobody else has the key, and keeps everybody else from it.
///
/// # Errors
/// With the server's code: 40P01 for a deadlock that this transaction has to end, 55P03 when `lock_timeout` has
/// passed, 57014 when cancelled. [`LockTableFull`](crate::Failure::LockTableFull) when the server has no room for another
/// lock, [`Unfit`](crate::Failure::Unfit) on a standby, whose locks exclude nobody on the primary.
pub async fn lock(
    transaction: &mut PgConnection,
    key: impl Into<AdvisoryKey>,
) -> Result<(), Error> {
    take(transaction, key.into(), AdvisoryMode::Exclusive, true).await.map(|_| ())
}

/// Waits until nobody has the key exclusively, and keeps those from it who want it so.
///
/// # Errors
/// As [`lock`].
pub async fn lock_shared(
    transaction: &mut PgConnection,
    key: impl Into<AdvisoryKey>,
) -> Result<(), Error> {
    take(transaction, key.into(), AdvisoryMode::Shared, true).await.map(|_| ())
}

/// Whether nobody else has the key, and it is now this transaction's.
///
/// # Errors
/// As [`lock`]. No error ever means that somebody else has the key.
pub async fn try_lock(
    transaction: &mut PgConnection,
    key: impl Into<AdvisoryKey>,
) -> Result<bool, Error> {
    take(transaction, key.into(), AdvisoryMode::Exclusive, false).await
}

/// Whether nobody has the key exclusively nor waits for it so, and this transaction now shares it.
///
/// # Errors
/// As [`try_lock`].
pub async fn try_lock_shared(
    transaction: &mut PgConnection,
    key: impl Into<AdvisoryKey>,
) -> Result<bool, Error> {
    take(transaction, key.into(), AdvisoryMode::Shared, false).await
}

/// Unnamed, since behind a pooler the next transaction may find another session's prepared statements.
async fn take(
    transaction: &mut PgConnection,
    key: AdvisoryKey,
    mode: AdvisoryMode,
    waits: bool,
) -> Result<bool, Error> {
    let query = TransactionLock { place: key.place(), mode, waits }.query();
    let answer = bound(query).persistent(false).fetch_all(transaction).await;
    Ok(TransactionLock::granted(outcome(answer))?)
}
