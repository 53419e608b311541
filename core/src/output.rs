//! What the core asks of its driver, and what the driver brings back.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::error::ServerError;
use crate::event::Event;
use crate::sql::Sql;
use crate::statement::{Query, Statement, Trial};
use crate::table::Table;
use crate::time::Instant;
use crate::value::{Param, Row};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            pub(crate) const fn new(number: u64) -> Self {
                Self(number)
            }

            /// The id as a number, for logs.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }
    };
}

id!(/** One acquire and the lock it may lead to. Never used twice by a client. */ LockId);
id!(/** One question. Never used twice by a client. */ QuestionId);
id!(/** One connection to the server. Never used twice by a client. */ SessionId);
id!(/** One command on its way. Never used twice by a client. */ CommandId);

/// What the driver is to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a driver must handle every one")]
pub enum Output {
    /// Open a connection; answer with `handle_connected` or `handle_disconnected`.
    Connect(SessionId, SessionKind),
    /// Close this connection, or stop opening it. No answer is expected; it may be gone already.
    Disconnect(SessionId),
    /// Send this command; answer with `handle_outcome`, exactly once.
    Execute(Command),
    /// Tell whoever asked.
    Event(Event),
    /// Nothing to do until the wake-up, an answer or a new ask.
    Wait(Wake),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SessionKind {
    /// Statements that may have to wait for a row lock.
    Work,
    /// Renewals, which never wait behind anything else.
    Renewals,
    /// Advisory locks, which end with it.
    Advisory,
    /// An advisory lock that is waited for [in line](crate::AdvisoryRequest::in_line), and ends with it.
    InLine,
    /// Notifications, which the driver brings with `handle_notification` at any time.
    Hints,
}

/// A statement to be sent on a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Command {
    id: CommandId,
    session: SessionId,
    statement: Statement,
    sql: Arc<Sql>,
}

impl Command {
    pub(crate) const fn new(
        id: CommandId,
        session: SessionId,
        statement: Statement,
        sql: Arc<Sql>,
    ) -> Self {
        Self { id, session, statement, sql }
    }

    /// A command of no client, to try out a driver: any text, with parameters for its `$1`, `$2`, ... Only its
    /// [`query`](Command::query) means anything; `number` tells it apart from others.
    #[must_use]
    pub fn trial(number: u64, text: &str, params: Vec<Param>) -> Self {
        Self {
            id: CommandId::new(number),
            session: SessionId::new(0),
            statement: Statement::Trial(Trial { text: text.into(), params }),
            sql: Arc::new(Sql::new(&Table::default())),
        }
    }

    /// The id its outcome must carry.
    #[must_use]
    pub const fn id(&self) -> CommandId {
        self.id
    }

    /// The session it goes to.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// What it means: for simulators, logs and tests.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Its SQL text and parameters: for drivers.
    #[must_use]
    pub fn query(&self) -> Query<'_> {
        self.statement.query(&self.sql)
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a driver must choose one")]
pub enum Outcome {
    /// The server answered with rows, perhaps none.
    Rows(Vec<Row>),
    /// The server answered with an error.
    Failed(ServerError),
    /// No answer will come: the connection broke, or the driver gave up. The session is not used again.
    Lost,
}

/// When the core wants to be called again, if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "two plain facts")]
pub struct Wake {
    /// At which reading of the clock, always after the `now` it was asked with; never if `None`.
    pub at: Option<Instant>,
    /// What for.
    pub reason: Reason,
}

/// What a wake-up is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Nothing is under way.
    Idle,
    /// A lock's heartbeat falls due.
    Renewal,
    /// A lock falls at risk or expires, a waiter polls or gives up.
    Lock,
    /// A reply or a connection is overdue, or it is time to connect again.
    Session,
    /// A question is asked again or given up.
    Question,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_trial_carries_what_it_was_made_of() {
        let params = vec![Param::Bool(true)];
        let command = Command::trial(7, "SELECT $1::bool", params.clone());
        assert_eq!(command.id().as_u64(), 7);
        assert_eq!(command.query(), Query { text: "SELECT $1::bool", params });
    }
}
