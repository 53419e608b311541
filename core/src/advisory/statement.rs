//! The statements of advisory locks: what they mean, their texts, and how their answers read. Each leaves the
//! session as it was, except for the one hold it takes or frees.
//!
//! A session carries a mark of its own in a setting. Every statement compares it, so that none runs on a session
//! that is another's: behind a pooler that mixes transactions, and after `DISCARD ALL`, the mark is another's or
//! gone.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{AdvisoryMode, AdvisoryPlace};
use crate::output::Outcome;
use crate::statement::{Query, timeout};
use crate::value::{Param, Row, Value};

/// A statement about advisory locks, for the session that carries this mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Advisory {
    /// The session's mark.
    pub mark: i64,
    /// What is asked.
    pub call: Call,
}

/// What a session is asked. Answers NULL, and does nothing, if it carries another mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a table of five")]
pub enum Call {
    /// Marks the session. Answers whether it carried no mark, whether its server is a primary, and whether
    /// that server's advisory locks are real: one taken and freed by this very statement is seen in `pg_locks`.
    Enter,
    /// Takes a lock if it can be had at once. Answers whether it is held now.
    Try(AdvisoryPlace, AdvisoryMode),
    /// Takes a lock, and waits for it in the server's queue for so long at most, in whole milliseconds. Answers
    /// `true`; if the time passes it fails with 55P03, and nothing is held.
    Take(AdvisoryPlace, AdvisoryMode, Duration),
    /// Frees a lock. Answers whether it was held.
    Unlock(AdvisoryPlace, AdvisoryMode),
    /// Answers `true`.
    Look,
}

const ENTER: &str = "SELECT nullif(current_setting('pglock.session', true), '') IS NULL, \
    set_config('pglock.session', $1::int8::text, false) IS NOT NULL AND NOT pg_is_in_recovery(), \
    CASE WHEN pg_try_advisory_xact_lock($1::int8) THEN EXISTS (SELECT FROM pg_locks \
      WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted) ELSE false END";

const LOOK: &str =
    "SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN true END";

macro_rules! text {
    ($function:literal, $arguments:literal) => {
        concat!(
            "SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN ",
            $function,
            $arguments,
            " END"
        )
    };
}

macro_rules! texts {
    ($place:expr, $function:literal) => {
        match $place {
            AdvisoryPlace::Bigint(_) => text!($function, "($2::int8)"),
            AdvisoryPlace::Pair(..) => text!($function, "($2::int8::int4, $3::int8::int4)"),
        }
    };
}

/// A wait that is cut short just when the lock is granted ends its transaction, and with it that transaction's lock,
/// but no lock of the session: hence the first of the two. The second is had without waiting, and `pg_sleep` hears of
/// a time-out that came with the grant, before there is anything to leave behind.
macro_rules! take {
    ($xact:literal, $session:literal, $arguments:literal) => {
        concat!(
            "SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN \
             CASE WHEN set_config('lock_timeout', $2::text, true) IS NOT NULL THEN CASE WHEN ",
            $xact,
            $arguments,
            " IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN ",
            $session,
            $arguments,
            " IS NOT NULL END END END END"
        )
    };
}

macro_rules! takes {
    ($place:expr, $xact:literal, $session:literal) => {
        match $place {
            AdvisoryPlace::Bigint(_) => take!($xact, $session, "($3::int8)"),
            AdvisoryPlace::Pair(..) => take!($xact, $session, "($3::int8::int4, $4::int8::int4)"),
        }
    };
}

impl Advisory {
    pub(crate) fn query(&self) -> Query<'static> {
        let mut params = vec![int(self.mark)];
        params.extend(self.call.slice().map(timeout));
        params.extend(self.call.place().into_iter().flat_map(arguments));
        Query { text: self.call.text(), params }
    }
}

impl Call {
    const fn text(self) -> &'static str {
        match self {
            Self::Enter => ENTER,
            Self::Look => LOOK,
            Self::Try(place, AdvisoryMode::Exclusive) => texts!(place, "pg_try_advisory_lock"),
            Self::Try(place, AdvisoryMode::Shared) => texts!(place, "pg_try_advisory_lock_shared"),
            Self::Take(place, AdvisoryMode::Exclusive, _) => {
                takes!(place, "pg_advisory_xact_lock", "pg_advisory_lock")
            }
            Self::Take(place, AdvisoryMode::Shared, _) => {
                takes!(place, "pg_advisory_xact_lock_shared", "pg_advisory_lock_shared")
            }
            Self::Unlock(place, AdvisoryMode::Exclusive) => texts!(place, "pg_advisory_unlock"),
            Self::Unlock(place, AdvisoryMode::Shared) => texts!(place, "pg_advisory_unlock_shared"),
        }
    }

    /// The place it is about, if it is about one.
    #[must_use]
    pub const fn place(self) -> Option<AdvisoryPlace> {
        match self {
            Self::Enter | Self::Look => None,
            Self::Try(place, _) | Self::Take(place, ..) | Self::Unlock(place, _) => Some(place),
        }
    }

    /// How long it may wait on the server.
    pub(crate) const fn slice(self) -> Option<Duration> {
        match self {
            Self::Take(.., slice) => Some(slice),
            Self::Enter | Self::Look | Self::Try(..) | Self::Unlock(..) => None,
        }
    }
}

pub(super) fn arguments(place: AdvisoryPlace) -> Vec<Param> {
    match place {
        AdvisoryPlace::Bigint(number) => vec![int(number)],
        AdvisoryPlace::Pair(first, second) => vec![int(first.into()), int(second.into())],
    }
}

const fn int(number: i64) -> Param {
    Param::Int8(Some(number))
}

/// The answer to [`Call::Enter`].
pub(super) struct Entered {
    pub(super) unmarked: bool,
    pub(super) primary: bool,
    pub(super) real: bool,
}

/// `None` if the answer is another statement's.
pub(super) fn entered(rows: &[Row]) -> Option<Entered> {
    match rows.first()?.0.as_slice() {
        [Value::Bool(unmarked), Value::Bool(primary), Value::Bool(real)] => {
            Some(Entered { unmarked: *unmarked, primary: *primary, real: *real })
        }
        _ => None,
    }
}

impl Outcome {
    /// That of [`Call::Enter`] where the driver has found by itself that others get the session, too.
    #[must_use]
    pub fn shared_session() -> Self {
        Self::Rows(vec![[false, true, true].into_iter().map(Value::Bool).collect()])
    }
}

/// The answer to any other call; `None` if it is that of another session, or of another statement.
pub(super) fn answered(rows: &[Row]) -> Option<bool> {
    match rows.first()?.0.as_slice() {
        [Value::Bool(answer)] => Some(*answer),
        _ => None,
    }
}
