//! What can go wrong for a caller, as values to match on.

use std::error;
use std::fmt;

use pglock_core::{
    AskError, ConfigError, Failure, Holder, LossCause, NameError, OwnerError, SqlState, TableError,
    TableReport,
};

use crate::connect::ConnectError;

/// Why something that was asked for did not come about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// No lock can be called so.
    Name(NameError),
    /// No owner can be called so.
    Owner(OwnerError),
    /// No table can be called so.
    TableName(TableError),
    /// The settings, or the lease and heartbeat asked for, cannot be kept.
    Config(ConfigError),
    /// The connection string is not understood; with what is wrong with it.
    Url(String),
    /// The system gave no randomness or no thread; with its words.
    System(String),
    /// The first connection could not be opened.
    Connect(ConnectError),
    /// The lock table is missing or not fit for use.
    Table(TableReport),
    /// The lock cannot be asked for so: its name clashes with another's, it would wait for ever, or there are too
    /// many locks.
    Ask(AskError),
    /// Somebody else holds the lock; who, if it was seen.
    Busy(Option<Holder>),
    /// The time to wait has passed; who held the lock when it was last seen.
    TimedOut(Option<Holder>),
    /// The lock is not held any more.
    Lost(Loss),
    /// The server refused, or gave no answer.
    Failed(Failure),
    /// The locks were shut down, or whatever drove them has ended.
    Closed,
}

/// Why a lock is held no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Loss {
    /// No heartbeat was acknowledged before the lease could end.
    Expired,
    /// Somebody else took the lock over, or an operator released it.
    TakenOver,
    /// The session that held the advisory lock has ended, or gave no sign of life for too long.
    SessionEnded,
    /// The session holds the advisory lock no more: somebody else used the session, or has reset it.
    Robbed,
    /// It was given back.
    Released,
    /// Whatever drove the locks has ended, so that nobody renews it.
    Closed,
}

impl Error {
    /// The server's code, where there is one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Failed(failure) => failure.sqlstate(),
            Self::Connect(error) => error.server.as_ref().map(|error| error.sqlstate),
            Self::Name(_)
            | Self::Owner(_)
            | Self::TableName(_)
            | Self::Config(_)
            | Self::Url(_)
            | Self::System(_)
            | Self::Table(_)
            | Self::Ask(_)
            | Self::Busy(_)
            | Self::TimedOut(_)
            | Self::Lost(_)
            | Self::Closed => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Owner(error) => error.fmt(f),
            Self::TableName(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Url(what) => write!(f, "the connection string is not understood: {what}"),
            Self::System(what) => write!(f, "the system refused: {what}"),
            Self::Connect(error) => write!(f, "cannot connect to the server: {error}"),
            Self::Table(report) => unfit(f, report),
            Self::Ask(error) => error.fmt(f),
            Self::Busy(holder) => {
                f.write_str("the lock is held by ")?;
                name(f, holder.as_ref())
            }
            Self::TimedOut(holder) => {
                f.write_str("the time to wait has passed; the lock was held by ")?;
                name(f, holder.as_ref())
            }
            Self::Lost(loss) => loss.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
            Self::Closed => f.write_str("the locks are shut down; connect again"),
        }
    }
}

fn unfit(f: &mut fmt::Formatter<'_>, report: &TableReport) -> fmt::Result {
    f.write_str("the lock table is not fit for use; create the table, or let its owner mend it")?;
    report.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
}

fn name(f: &mut fmt::Formatter<'_>, holder: Option<&Holder>) -> fmt::Result {
    match holder.and_then(|holder| holder.owner.as_deref()) {
        Some(owner) if !owner.is_empty() => f.write_str(owner),
        Some(_) | None => f.write_str("somebody else"),
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "the lock is lost: no heartbeat was acknowledged in time",
            Self::TakenOver => "the lock is lost: its row was taken over, or freed by an operator",
            Self::SessionEnded => {
                "the lock is lost: its session has ended, or gave no sign of life for too long"
            }
            Self::Robbed => {
                "the lock is lost: its session holds it no more; somebody else used the session, or has reset it"
            }
            Self::Released => "the lock was given back",
            Self::Closed => "the lock is lost: nobody renews it any more",
        })
    }
}

impl error::Error for Error {}

impl error::Error for Loss {}

impl From<LossCause> for Loss {
    fn from(cause: LossCause) -> Self {
        match cause {
            LossCause::TakenOver => Self::TakenOver,
            LossCause::SessionEnded => Self::SessionEnded,
            LossCause::Robbed => Self::Robbed,
            LossCause::Expired | _ => Self::Expired,
        }
    }
}

impl From<AskError> for Error {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NotHeld(_) => Self::Lost(Loss::Expired),
            AskError::Timing(error) => Self::Config(error),
            AskError::ClockExhausted => Self::Failed(Failure::ClockExhausted),
            AskError::NameClash { .. } | AskError::Upgrade(_) | AskError::TooManyPlaces { .. } => {
                Self::Ask(error)
            }
            AskError::ShuttingDown | _ => Self::Closed,
        }
    }
}

macro_rules! wraps {
    ($($variant:ident($inner:ty)),* $(,)?) => { $(
        impl From<$inner> for Error {
            fn from(inner: $inner) -> Self {
                Self::$variant(inner)
            }
        }
    )* };
}

wraps! {
    Name(NameError), Owner(OwnerError), TableName(TableError), Config(ConfigError),
    Connect(ConnectError), Lost(Loss), Failed(Failure),
}
