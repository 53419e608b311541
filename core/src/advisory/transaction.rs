//! Advisory locks that end with the transaction that takes them: statements for a transaction of the user's own.
//! Knows nothing of when it begins and ends.

use super::statement::arguments;
use super::{AdvisoryMode, AdvisoryPlace};
use crate::error::{Failure, Unfit};
use crate::output::Outcome;
use crate::statement::Query;
use crate::value::Value;

/// A standby has advisory locks of its own, which exclude nobody on the primary: there none is taken.
macro_rules! text {
    ($function:literal, $arguments:literal, $granted:literal) => {
        concat!(
            "SELECT CASE WHEN NOT pg_is_in_recovery() THEN ",
            $function,
            $arguments,
            $granted,
            " END"
        )
    };
}

macro_rules! texts {
    ($place:expr, $function:literal, $granted:literal) => {
        match $place {
            AdvisoryPlace::Bigint(_) => text!($function, "($1::int8)", $granted),
            AdvisoryPlace::Pair(..) => {
                text!($function, "($1::int8::int4, $2::int8::int4)", $granted)
            }
        }
    };
}

/// Takes an advisory lock until the end of the transaction in which the statement runs.
///
/// A driver sends the [`query`](Self::query) inside that transaction and hands the outcome to
/// [`granted`](Self::granted). Outside of one the lock would be gone with the statement.
///
/// ```
/// use pglock_core::{AdvisoryKey, AdvisoryMode, Outcome, Row, TransactionLock, Value};
///
/// let place = AdvisoryKey::from("invoice-42").place();
/// let lock = TransactionLock { place, mode: AdvisoryMode::Exclusive, waits: false };
/// assert!(lock.query().text.contains("pg_try_advisory_xact_lock($1::int8)"));
/// let outcome = Outcome::Rows(vec![Row(vec![Value::Bool(false)])]);
/// assert_eq!(TransactionLock::granted(outcome), Ok(false));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct TransactionLock {
    /// Where it stands.
    pub place: AdvisoryPlace,
    /// Whom it excludes.
    pub mode: AdvisoryMode,
    /// Whether to wait until it can be had; as long as the session's `lock_timeout` says, which is for ever unless
    /// it was set.
    pub waits: bool,
}

impl TransactionLock {
    /// The text and its parameters. Answers whether the lock was granted, or NULL on a standby.
    #[must_use]
    pub fn query(self) -> Query<'static> {
        Query { text: self.text(), params: arguments(self.place) }
    }

    /// What came of it.
    ///
    /// # Errors
    /// When the server reports one, gives no answer, or is a standby. No error ever means that somebody else has the
    /// lock.
    pub fn granted(outcome: Outcome) -> Result<bool, Failure> {
        match outcome {
            Outcome::Rows(rows) => match rows.first().map(|row| row.0.as_slice()) {
                Some([Value::Bool(granted)]) => Ok(*granted),
                Some([Value::Null]) => Err(Failure::Unfit(Unfit::Standby)),
                Some(_) | None => Err(Failure::Undecodable),
            },
            Outcome::Failed(error) if error.is_out_of_memory() => {
                Err(Failure::LockTableFull(error))
            }
            Outcome::Failed(error) => Err(Failure::Server(error)),
            Outcome::Lost => Err(Failure::Unreachable(None)),
        }
    }

    const fn text(self) -> &'static str {
        use AdvisoryMode::{Exclusive, Shared};
        let place = self.place;
        match (self.waits, self.mode) {
            (true, Exclusive) => texts!(place, "pg_advisory_xact_lock", " IS NOT NULL"),
            (true, Shared) => texts!(place, "pg_advisory_xact_lock_shared", " IS NOT NULL"),
            (false, Exclusive) => texts!(place, "pg_try_advisory_xact_lock", ""),
            (false, Shared) => texts!(place, "pg_try_advisory_xact_lock_shared", ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{ServerError, Severity, SqlState};
    use crate::value::{Param, Row};
    use alloc::vec;
    use alloc::vec::Vec;

    fn every_one() -> impl Iterator<Item = TransactionLock> {
        let places = [AdvisoryPlace::Bigint(-1), AdvisoryPlace::Pair(1, i32::MIN)];
        let modes = [AdvisoryMode::Exclusive, AdvisoryMode::Shared];
        places.into_iter().flat_map(move |place| {
            modes.into_iter().flat_map(move |mode| {
                [true, false].map(|waits| TransactionLock { place, mode, waits })
            })
        })
    }

    #[test]
    fn each_calls_the_function_it_stands_for() {
        for lock in every_one() {
            let query = lock.query();
            assert_eq!(query.text.contains("pg_try_advisory"), !lock.waits, "{lock:?}");
            let shared = lock.mode == AdvisoryMode::Shared;
            assert_eq!(query.text.contains("_shared("), shared, "{lock:?}");
            let params: &[i64] = match lock.place {
                AdvisoryPlace::Bigint(_) => &[-1],
                AdvisoryPlace::Pair(..) => &[1, i32::MIN as i64],
            };
            let params: Vec<_> = params.iter().map(|number| Param::Int8(Some(*number))).collect();
            assert_eq!(query.params, params);
            assert_eq!(query.text.contains("$2"), params.len() == 2);
        }
    }

    fn rows(values: &[Value]) -> Outcome {
        Outcome::Rows(vec![Row(values.to_vec())])
    }

    #[test]
    fn no_error_is_taken_for_busy() {
        let error = |code| ServerError {
            severity: Severity::Error,
            sqlstate: SqlState::new(code),
            message: "words".into(),
        };
        let (full, late) = (error("53200"), error("55P03"));
        for (outcome, failure) in [
            (Outcome::Failed(full.clone()), Failure::LockTableFull(full)),
            (Outcome::Failed(late.clone()), Failure::Server(late)),
            (Outcome::Lost, Failure::Unreachable(None)),
            (rows(&[Value::Null]), Failure::Unfit(Unfit::Standby)),
            (rows(&[]), Failure::Undecodable),
            (rows(&[Value::Int8(1)]), Failure::Undecodable),
            (Outcome::Rows(vec![]), Failure::Undecodable),
        ] {
            assert_eq!(TransactionLock::granted(outcome), Err(failure));
        }
        assert_eq!(TransactionLock::granted(rows(&[Value::Bool(false)])), Ok(false));
        assert_eq!(TransactionLock::granted(rows(&[Value::Bool(true)])), Ok(true));
    }
}
