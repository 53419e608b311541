//! What the server's errors say about the statement, and what became of an ask that failed.

use alloc::string::String;
use core::fmt;

/// An SQLSTATE: five characters, digits and capital letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// The code in `text`; a text that is no code becomes `XX000`, an internal error.
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text.as_bytes().try_into() {
            Ok(code) if text.is_ascii() => Self(code),
            Ok(_) | Err(_) => Self(*b"XX000"),
        }
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad the server calls an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the protocol knows no other")]
pub enum Severity {
    /// The statement failed; the session goes on.
    Error,
    /// The session ends.
    Fatal,
    /// All sessions end.
    Panic,
}

/// An error as the server reported it. Drivers pass it on and judge nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a driver makes it")]
pub struct ServerError {
    /// How bad it is.
    pub severity: Severity,
    /// Its code.
    pub sqlstate: SqlState,
    /// The server's words.
    pub message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.sqlstate)
    }
}

impl core::error::Error for ServerError {}

/// What an error says about a statement of the lease family, each of which is a transaction of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// Nothing: it may have been applied, or may be yet.
    Unknown,
    /// Not applied: somebody else has locked the row.
    RowLocked,
    /// Not applied: others were at work on the same row or the server was short of something.
    Passing,
    /// Not applied: this session cannot do it (a standby, a forgotten statement), another may.
    SessionUnfit,
    /// Not applied, and asking again will not help.
    Refused,
}

impl ServerError {
    /// Whether the server is a standby, or was told to write nothing.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.sqlstate.as_str() == "25006"
    }

    /// Whether the server is short of memory, which for a lock means of room in its lock table.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.sqlstate.as_str() == "53200"
    }

    /// Why no session of this server can do what one that was just opened cannot, if that is so.
    pub(crate) fn session_refusal(&self) -> Option<Failure> {
        let unknown = self.sqlstate.as_str() == "0A000";
        self.advisory_refusal().or_else(|| unknown.then(|| Failure::Server(self.clone())))
    }

    /// Why it does not help to ask for an advisory lock again, if it does not.
    pub(crate) fn advisory_refusal(&self) -> Option<Failure> {
        match (self.is_out_of_memory(), self.standing()) {
            (true, _) => Some(Failure::LockTableFull(self.clone())),
            (false, Standing::Refused) => Some(Failure::Server(self.clone())),
            (
                false,
                Standing::Unknown
                | Standing::RowLocked
                | Standing::Passing
                | Standing::SessionUnfit,
            ) => None,
        }
    }

    /// What the error says about the statement.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self.sqlstate.as_str() {
            "40003" => Standing::Unknown,
            "55P03" => Standing::RowLocked,
            "40001" | "40P01" | "57014" | "55006" | "25P03" | "25P04" => Standing::Passing,
            "25006" | "26000" | "0A000" | "25P02" | "42P05" => Standing::SessionUnfit,
            code => match code.get(..2) {
                Some("08" | "57" | "58" | "XX") | None => Standing::Unknown,
                Some("53") => Standing::Passing,
                Some(_) => Standing::Refused,
            },
        }
    }
}

/// Why an ask failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The server refused the statement, or the connection.
    Server(ServerError),
    /// Somebody else has locked the row for longer than the lock time-out; whether the lock is held is
    /// not known. Ask again.
    RowLocked,
    /// No answer within the client's patience; the last error, if there was any.
    Unreachable(Option<ServerError>),
    /// The server's answer does not fit the statement: another program's table, or a driver's mistake.
    Undecodable,
    /// The clock stands so near its end that the lock could not expire.
    ClockExhausted,
    /// The server's lock table is full (53200). Locks of others may fail for it, too; the table holds
    /// `max_locks_per_transaction` times `max_connections` locks.
    LockTableFull(ServerError),
    /// The connection cannot carry advisory locks.
    Unfit(Unfit),
}

/// Why a connection cannot carry advisory locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unfit {
    /// It is not a session of its own: a pooler gives its server's process to others between transactions.
    SharedSession,
    /// Its server is a standby, which has a lock space of its own.
    Standby,
    /// Its server says it has advisory locks, and has none.
    NoLocks,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedSession => {
                "the connection is no session of its own, as behind a pooler in transaction mode, so that it cannot \
                 hold advisory locks; connect to the server itself, or use transaction-level locks or leases"
            }
            Self::Standby => {
                "this server is a standby, whose advisory locks nobody else sees; connect to the primary"
            }
            Self::NoLocks => {
                "this server does not really have advisory locks, though it answers as if; use leases"
            }
        })
    }
}

impl Failure {
    /// The SQLSTATE, where there is one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Server(error) | Self::Unreachable(Some(error)) | Self::LockTableFull(error) => {
                Some(error.sqlstate)
            }
            Self::RowLocked
            | Self::Unreachable(None)
            | Self::Undecodable
            | Self::ClockExhausted
            | Self::Unfit(_) => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => {
                error.fmt(f)?;
                f.write_str(advice(error.sqlstate))
            }
            Self::RowLocked => f.write_str(
                "another transaction has locked the row, so it cannot be told whether the lock is held; ask again",
            ),
            Self::Unreachable(Some(error)) => write!(f, "the server gave no answer in time: {error}"),
            Self::Unreachable(None) => f.write_str("the server gave no answer in time"),
            Self::Undecodable => f.write_str(
                "the server's answer does not fit the statement; check the table's columns, and the driver's values if it is new",
            ),
            Self::ClockExhausted => f.write_str("the clock is too near its end to time a lease"),
            Self::LockTableFull(error) => write!(
                f,
                "the server's lock table is full, hold fewer locks or raise max_locks_per_transaction: {error}"
            ),
            Self::Unfit(unfit) => unfit.fmt(f),
        }
    }
}

fn advice(sqlstate: SqlState) -> &'static str {
    match sqlstate.as_str() {
        "42P01" => "; create the lock table first",
        "42703" => "; the lock table lacks columns, create it again to upgrade it in place",
        "42501" => "; ask whoever owns it for the privilege",
        "25006" => "; this server is a standby, connect to the primary",
        _ => "",
    }
}

impl core::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::string::ToString;

    fn error(code: &str) -> ServerError {
        let sqlstate = SqlState::new(code);
        ServerError { severity: Severity::Error, sqlstate, message: "words".into() }
    }

    fn standing(code: &str) -> Standing {
        error(code).standing()
    }

    #[test]
    fn codes_that_say_nothing_about_what_was_applied() {
        for code in
            ["40003", "08006", "08000", "57P01", "57P02", "57P03", "58030", "XX000", "no code"]
        {
            assert_eq!(standing(code), Standing::Unknown, "{code}");
        }
    }

    #[test]
    fn codes_after_which_asking_again_may_help() {
        for code in ["40001", "40P01", "57014", "53300", "53200"] {
            assert_eq!(standing(code), Standing::Passing, "{code}");
        }
        assert_eq!(standing("55P03"), Standing::RowLocked);
        assert_eq!(standing("25006"), Standing::SessionUnfit);
    }

    #[test]
    fn codes_after_which_it_will_not() {
        for code in ["42P01", "42501", "42703", "22021", "28P01"] {
            assert_eq!(standing(code), Standing::Refused, "{code}");
        }
    }

    #[test]
    fn a_full_lock_table_refuses_advisory_locks_though_it_may_pass() {
        let full = error("53200");
        assert_eq!(full.advisory_refusal(), Some(Failure::LockTableFull(full)));
        let refused = error("42501");
        assert_eq!(refused.advisory_refusal(), Some(Failure::Server(refused)));
        for code in ["53300", "57P03", "55P03", "40P01", "25006"] {
            assert_eq!(error(code).advisory_refusal(), None, "{code}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do_where_that_is_known() {
        for (code, words) in [
            ("42P01", "words (SQLSTATE 42P01); create the lock table first"),
            (
                "42703",
                "words (SQLSTATE 42703); the lock table lacks columns, create it again to upgrade it in place",
            ),
            ("42501", "words (SQLSTATE 42501); ask whoever owns it for the privilege"),
            ("25006", "words (SQLSTATE 25006); this server is a standby, connect to the primary"),
            ("28P01", "words (SQLSTATE 28P01)"),
        ] {
            assert_eq!(Failure::Server(error(code)).to_string(), words);
        }
    }

    #[test]
    fn a_failure_keeps_the_servers_code() {
        let code = Some(SqlState::new("57P03"));
        assert_eq!(Failure::Server(error("57P03")).sqlstate(), code);
        assert_eq!(Failure::Unreachable(Some(error("57P03"))).sqlstate(), code);
        assert_eq!(Failure::Unreachable(None).sqlstate(), None);
        assert!(error("25006").is_standby() && !error("57P03").is_standby());
    }
}
