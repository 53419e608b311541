//! The statements of advisory locks: what they mean, their texts, and how their answers read. Each leaves the
//! session as it was, except for the one hold it takes or frees.
//!
//! A session carries a mark of its own in a setting. Every statement compares it, so that none runs on a session
//! that is another's: behind a pooler that mixes transactions, and after `DISCARD ALL`, the mark is another's or
//! gone.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::{AdvisoryMode, AdvisoryPlace, fnv1a};
use crate::identity::Token;
use crate::output::Outcome;
use crate::sql::Sql;
use crate::statement::{Query, timeout};
use crate::value::{Param, Row, Value};

/// A statement about advisory locks, for the session that carries this mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the fields are the statement's parameters")]
pub struct Advisory {
    /// The session's mark.
    pub mark: i64,
    /// Whether a grant draws a fencing token.
    pub tokens: bool,
    /// What is asked.
    pub call: Call,
}

/// What a session is asked. Answers NULL, and does nothing, if it carries another mark.
///
/// Whoever takes a lock is answered the fencing token that was drawn for it, 0 if none was to be; [`Call::BUSY`] if it
/// is another's, and [`Call::RINGS`] if besides its bell rings for this session.
///
/// A place's bell is a shared lock at a place of its own. It rings as long as somebody waits for a notification, so that
/// an unlock knows whether to send one: on the channel `pglock_advisory`, which costs a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a table of eight")]
pub enum Call {
    /// Marks the session. Answers whether it carried no mark, whether its server is a primary, and whether
    /// that server's advisory locks are real: one taken and freed by this very statement is seen in `pg_locks`.
    Enter,
    /// Takes a lock if it can be had at once.
    Try(AdvisoryPlace, AdvisoryMode),
    /// The same; if it cannot be had, rings the bell and tries once more, since whoever unlocked between the two may not
    /// have heard it.
    Ring(AdvisoryPlace, AdvisoryMode),
    /// The same for a session whose bell rings already. It is quiet after a grant.
    RingOn(AdvisoryPlace, AdvisoryMode),
    /// Takes a lock, and waits for it in the server's queue for so long at most, in whole milliseconds. If the time
    /// passes it fails with 55P03, and nothing is held.
    Take(AdvisoryPlace, AdvisoryMode, Duration),
    /// Frees a lock, and notifies those for whom its bell rings. Answers whether it was held.
    Unlock(AdvisoryPlace, AdvisoryMode),
    /// Quiets the bell of a place. Answers whether it rang for this session.
    Quiet(AdvisoryPlace),
    /// Answers `true`.
    Look,
}

/// What a notification of an unlock is sent on.
pub(crate) const CHANNEL: &str = "pglock_advisory";

const ENTER: &str = "SELECT nullif(current_setting('pglock.session', true), '') IS NULL, \
    set_config('pglock.session', $1::int8::text, false) IS NOT NULL AND NOT pg_is_in_recovery(), \
    CASE WHEN pg_try_advisory_xact_lock($1::int8) THEN EXISTS (SELECT FROM pg_locks \
      WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted) ELSE false END";

macro_rules! marked {
    ($($text:expr),*) => {
        concat!(
            "SELECT CASE WHEN current_setting('pglock.session', true) = $1::int8::text THEN ",
            $($text,)*
            " END"
        )
    };
}

macro_rules! bell {
    ($first:literal, $second:literal) => {
        concat!("(", $first, "::int8::int4, ", $second, "::int8::int4)")
    };
}

const LOOK: &str = marked!("true");

const QUIET: &str = marked!("pg_advisory_unlock_shared", bell!("$2", "$3"));

/// The text for the place's space, whose arguments begin with the third, and those that come after it.
macro_rules! at {
    ($place:expr, $text:ident, $($function:literal),*) => {
        match $place {
            AdvisoryPlace::Bigint(_) => {
                $text!($($function),*; "($3::int8)", "$4", "$5")
            }
            AdvisoryPlace::Pair(..) => {
                $text!($($function),*; "($3::int8::int4, $4::int8::int4)", "$5", "$6")
            }
        }
    };
}

/// Drawn while the lock is held. No sequence, no token.
macro_rules! token {
    () => {
        "coalesce(nextval(nullif($2::text, '')::regclass), 0)"
    };
}

macro_rules! try_ {
    ($try:literal; $place:literal, $first:literal, $second:literal) => {
        marked!("CASE WHEN ", $try, $place, " THEN ", token!(), " ELSE -1 END")
    };
}

/// The bell cannot ring just when somebody has unlocked and listens for it.
macro_rules! ring {
    ($try:literal; $place:literal, $first:literal, $second:literal) => {
        marked!(
            "CASE WHEN ",
            $try,
            $place,
            " THEN ",
            token!(),
            " WHEN pg_try_advisory_lock_shared",
            bell!($first, $second),
            " THEN \
                CASE WHEN NOT ",
            $try,
            $place,
            " THEN -2 \
                  WHEN pg_advisory_unlock_shared",
            bell!($first, $second),
            " THEN ",
            token!(),
            " END \
              WHEN ",
            $try,
            $place,
            " THEN ",
            token!(),
            " ELSE -1 END"
        )
    };
}

macro_rules! ring_on {
    ($try:literal; $place:literal, $first:literal, $second:literal) => {
        marked!(
            "CASE WHEN NOT ",
            $try,
            $place,
            " THEN -2 \
              WHEN pg_advisory_unlock_shared",
            bell!($first, $second),
            " THEN ",
            token!(),
            " END"
        )
    };
}

/// In milliseconds: no longer than half of the time after which the server looks for deadlocks. It would find one where
/// the lock's holder builds an index concurrently, which waits for this very statement to end.
macro_rules! slice {
    ($slice:literal) => {
        concat!(
            "ceil(1000 * extract(epoch FROM least(",
            $slice,
            "::text::interval, current_setting('deadlock_timeout')::interval / 2)))::int8::text"
        )
    };
}

/// A wait that is cut short just when the lock is granted ends its transaction, and with it that transaction's lock,
/// but no lock of the session: hence the first of the two. The second is had without waiting, and `pg_sleep` hears of
/// a time-out that came with the grant, before there is anything to leave behind.
macro_rules! take {
    ($xact:literal, $session:literal; $place:literal, $slice:literal, $none:literal) => {
        marked!(
            "CASE WHEN set_config('lock_timeout', ",
            slice!($slice),
            ", true) IS NOT NULL THEN CASE WHEN ",
            $xact,
            $place,
            " IS NOT NULL THEN CASE WHEN pg_sleep(0) IS NOT NULL THEN CASE WHEN ",
            $session,
            $place,
            " IS NOT NULL THEN ",
            token!(),
            " END END END END"
        )
    };
}

/// Whoever waits has rung before its last try, so that an unlock after that try finds the bell ringing.
macro_rules! unlock {
    ($unlock:literal; $place:literal, $first:literal, $second:literal) => {
        marked!(
            "CASE WHEN NOT ",
            $unlock,
            $place,
            " THEN false \
              WHEN pg_try_advisory_xact_lock",
            bell!($first, $second),
            " THEN true \
              ELSE pg_notify('pglock_advisory', $2::text) IS NOT NULL END"
        )
    };
}

impl Advisory {
    pub(crate) fn query<'a>(&self, sql: &'a Sql) -> Query<'a> {
        let mut params = vec![int(self.mark)];
        match self.call {
            Call::Enter | Call::Look => {}
            Call::Try(place, _) => {
                params.push(self.sequence(sql));
                params.extend(arguments(place));
            }
            Call::Ring(place, _) | Call::RingOn(place, _) => {
                params.push(self.sequence(sql));
                params.extend(arguments(place));
                params.extend(arguments(place.bell()));
            }
            Call::Take(place, _, slice) => {
                params.push(self.sequence(sql));
                params.extend(arguments(place));
                params.push(timeout(slice));
            }
            Call::Unlock(place, _) => {
                params.push(Param::Text(place.notification().into()));
                params.extend(arguments(place));
                params.extend(arguments(place.bell()));
            }
            Call::Quiet(place) => params.extend(arguments(place.bell())),
        }
        Query { text: self.call.text(), params }
    }

    fn sequence(&self, sql: &Sql) -> Param {
        Param::Text(if self.tokens { Arc::clone(&sql.tokens) } else { "".into() })
    }
}

impl Call {
    /// The answer to whoever would take a lock that is another's.
    pub const BUSY: i64 = -1;

    /// The same, and that its bell rings for the session.
    pub const RINGS: i64 = -2;

    const fn text(self) -> &'static str {
        match self {
            Self::Enter => ENTER,
            Self::Look => LOOK,
            Self::Quiet(_) => QUIET,
            Self::Try(place, AdvisoryMode::Exclusive) => at!(place, try_, "pg_try_advisory_lock"),
            Self::Try(place, AdvisoryMode::Shared) => {
                at!(place, try_, "pg_try_advisory_lock_shared")
            }
            Self::Ring(place, AdvisoryMode::Exclusive) => at!(place, ring, "pg_try_advisory_lock"),
            Self::Ring(place, AdvisoryMode::Shared) => {
                at!(place, ring, "pg_try_advisory_lock_shared")
            }
            Self::RingOn(place, AdvisoryMode::Exclusive) => {
                at!(place, ring_on, "pg_try_advisory_lock")
            }
            Self::RingOn(place, AdvisoryMode::Shared) => {
                at!(place, ring_on, "pg_try_advisory_lock_shared")
            }
            Self::Take(place, AdvisoryMode::Exclusive, _) => {
                at!(place, take, "pg_advisory_xact_lock", "pg_advisory_lock")
            }
            Self::Take(place, AdvisoryMode::Shared, _) => {
                at!(place, take, "pg_advisory_xact_lock_shared", "pg_advisory_lock_shared")
            }
            Self::Unlock(place, AdvisoryMode::Exclusive) => {
                at!(place, unlock, "pg_advisory_unlock")
            }
            Self::Unlock(place, AdvisoryMode::Shared) => {
                at!(place, unlock, "pg_advisory_unlock_shared")
            }
        }
    }

    /// The place it is about, if it is about one.
    #[must_use]
    pub const fn place(self) -> Option<AdvisoryPlace> {
        match self {
            Self::Enter | Self::Look => None,
            Self::Try(place, _)
            | Self::Ring(place, _)
            | Self::RingOn(place, _)
            | Self::Take(place, ..)
            | Self::Unlock(place, _)
            | Self::Quiet(place) => Some(place),
        }
    }

    /// Whether it takes a lock, in this mode.
    #[must_use]
    pub const fn takes(self) -> Option<AdvisoryMode> {
        match self {
            Self::Try(_, mode)
            | Self::Ring(_, mode)
            | Self::RingOn(_, mode)
            | Self::Take(_, mode, _) => Some(mode),
            Self::Enter | Self::Look | Self::Unlock(..) | Self::Quiet(_) => None,
        }
    }

    /// How long it may wait on the server.
    pub(crate) const fn slice(self) -> Option<Duration> {
        match self {
            Self::Take(.., slice) => Some(slice),
            Self::Enter
            | Self::Look
            | Self::Try(..)
            | Self::Ring(..)
            | Self::RingOn(..)
            | Self::Unlock(..)
            | Self::Quiet(_) => None,
        }
    }
}

impl AdvisoryPlace {
    /// Where the bell of this place stands: at a pair that hardly anybody uses. Should somebody, a waiter may have to
    /// wait for its next poll, and an unlock may notify nobody.
    #[must_use]
    pub fn bell(self) -> Self {
        let [a, b, c, d, e, f, g, h] = fnv1a(self.notification().as_bytes()).to_be_bytes();
        Self::Pair(i32::from_be_bytes([a, b, c, d]), i32::from_be_bytes([e, f, g, h]))
    }

    /// The payload of a notification that this place was unlocked.
    #[must_use]
    pub fn notification(self) -> String {
        match self {
            Self::Bigint(number) => format!("advisory {number}"),
            Self::Pair(first, second) => format!("advisory {first} {second}"),
        }
    }
}

/// The place that a notification tells of, if it is one of an unlock.
pub(crate) fn unlocked(payload: &str) -> Option<AdvisoryPlace> {
    let numbers = payload.strip_prefix("advisory ")?;
    match numbers.split_once(' ') {
        None => numbers.parse().ok().map(AdvisoryPlace::Bigint),
        Some((first, second)) => {
            Some(AdvisoryPlace::Pair(first.parse().ok()?, second.parse().ok()?))
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
    /// That of a command on advisory locks where the driver knows that there is no session of its own to hold them: that
    /// it is shared with others, behind a pooler, or that there are none at all. Users are told so.
    #[must_use]
    pub fn shared_session() -> Self {
        Self::Rows(vec![[false, true, true].into_iter().map(Value::Bool).collect()])
    }
}

/// The answer to any other call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done; a lock that was taken has this token.
    Yes(Option<Token>),
    No,
    /// The lock is another's, and its bell rings.
    Rings,
}

/// `None` if it is that of another session, or of another statement.
pub(super) fn answered(call: Call, rows: &[Row]) -> Option<Answer> {
    match (call.takes(), rows.first()?.0.as_slice()) {
        (Some(_), [Value::Int8(0)]) => Some(Answer::Yes(None)),
        (Some(_), [Value::Int8(Call::BUSY)]) => Some(Answer::No),
        (Some(_), [Value::Int8(Call::RINGS)]) => Some(Answer::Rings),
        (Some(_), [Value::Int8(token @ 1..)]) => Some(Answer::Yes(Some(Token::new(*token)))),
        (None, [Value::Bool(true)]) => Some(Answer::Yes(None)),
        (None, [Value::Bool(false)]) => Some(Answer::No),
        _ => None,
    }
}
