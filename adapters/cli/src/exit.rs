//! What the exit codes mean, and which failure has which.

use std::fmt;
use std::io;

use pglock_tokio::{Error, Failure as Refusal, Holder, Loss};

/// The answer is no: no such lock, a table that is not fit, a token that is not current, nobody.
pub(crate) const NO: u8 = 1;
/// Somebody else holds the lock (`--try`, `--probe`).
pub(crate) const BUSY: u8 = 110;
/// The time to wait has passed (`--wait`).
pub(crate) const TIMED_OUT: u8 = 111;
/// The lock could not be kept; the command was stopped.
pub(crate) const LOST: u8 = 112;
/// No connection to the server, or no answer.
pub(crate) const NO_SERVER: u8 = 113;
/// The server refused, or its table is not fit for use.
pub(crate) const REFUSED: u8 = 114;
/// The command line or a setting makes no sense.
pub(crate) const USAGE: u8 = 115;
/// This machine refused something.
pub(crate) const SYSTEM: u8 = 116;
/// A history broke a rule (`simulate`).
pub(crate) const BROKEN: u8 = 117;
/// The command cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// There is no such command.
pub(crate) const NOT_FOUND: u8 = 127;
/// Ended by signal N: this and N.
pub(crate) const SIGNAL: u8 = 128;

/// Why `pglock` could not do what it was told.
#[derive(Debug)]
pub(crate) enum Failure {
    No(String),
    Busy(Option<Holder>),
    TimedOut(Option<Holder>),
    Lost(String),
    NoServer(String),
    Refused(String),
    Usage(String),
    System(String),
    Command(io::Error, String),
    /// By a signal, before there was a command to pass it on to.
    Interrupted(u8),
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::No(_) => NO,
            Self::Busy(_) => BUSY,
            Self::TimedOut(_) => TIMED_OUT,
            Self::Lost(_) => LOST,
            Self::NoServer(_) => NO_SERVER,
            Self::Refused(_) => REFUSED,
            Self::Usage(_) => USAGE,
            Self::System(_) => SYSTEM,
            Self::Command(error, _) if error.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Command(..) => NOT_EXECUTABLE,
            Self::Interrupted(signal) => SIGNAL.saturating_add(*signal),
        }
    }

    /// What to tell people; nothing when they know.
    pub(crate) fn words(&self) -> Option<String> {
        (!matches!(self, Self::Interrupted(_))).then(|| self.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No(words)
            | Self::Lost(words)
            | Self::NoServer(words)
            | Self::Refused(words)
            | Self::Usage(words)
            | Self::System(words) => f.write_str(words),
            Self::Busy(holder) => write!(f, "busy: held by {}", holder_words(holder.as_ref())),
            Self::TimedOut(holder) => {
                write!(f, "timed out: held by {}", holder_words(holder.as_ref()))
            }
            Self::Command(error, command) => write!(f, "cannot run {command}: {error}"),
            Self::Interrupted(signal) => write!(f, "ended by signal {signal}"),
        }
    }
}

fn holder_words(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "somebody else".into(), crate::words::holder)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let words = error.to_string();
        match error {
            Error::Name(_)
            | Error::Owner(_)
            | Error::TableName(_)
            | Error::Config(_)
            | Error::Url(_)
            | Error::Ask(_) => Self::Usage(words),
            Error::Connect(_) | Error::Failed(Refusal::Unreachable(_)) => Self::NoServer(words),
            Error::Table(_) => Self::Refused(format!(
                "{words}\nor run, with the same --table: pglock table create"
            )),
            Error::Failed(_) => Self::Refused(words),
            Error::Busy(holder) => Self::Busy(holder),
            Error::TimedOut(holder) => Self::TimedOut(holder),
            Error::Lost(loss) => loss.into(),
            Error::System(_) | Error::Closed | _ => Self::System(words),
        }
    }
}

impl From<Loss> for Failure {
    fn from(loss: Loss) -> Self {
        Self::Lost(loss.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

impl From<nix::Error> for Failure {
    fn from(error: nix::Error) -> Self {
        Self::System(error.to_string())
    }
}
