//! Who holds a key and who waits for whom, as the server tells it. Knows nothing of sessions of our own.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{AdvisoryMode, AdvisoryPlace};
use crate::lease::answer::{Unreadable, number, text};
use crate::statement::Query;
use crate::value::{Param, Row, Value};

/// A session that holds an advisory lock or waits for it, as it was when the server was asked. One that has a key
/// in both modes, or holds it in one and waits for the other, comes twice.
///
/// What the role that asks may not see of another role's session is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AdvisoryClaim {
    /// The server process of the session; `None` for a prepared transaction, which has none.
    pub pid: Option<i32>,
    /// In which mode it holds the lock or wants it.
    pub mode: AdvisoryMode,
    /// What it waits for; `None` if it holds the lock.
    pub waiting: Option<AdvisoryWait>,
    /// What the session calls itself.
    pub application_name: Option<String>,
    /// The role it has logged in as.
    pub user: Option<String>,
    /// Where it connects from; `None` also over a Unix socket.
    pub client_address: Option<String>,
    /// What it does, in the words of the view `pg_stat_activity`: `active`, `idle`, `idle in transaction`, ...
    pub state: Option<String>,
}

/// How a session waits for an advisory lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AdvisoryWait {
    /// The server processes it waits for: holders, and whoever stands before it in the queue with a wish that
    /// conflicts. 0 is a prepared transaction. Empty if the wait has just ended.
    pub waits_for: Vec<i32>,
    /// For how long it has been waiting, by the server's clock. Known from PostgreSQL 14 on, and not yet in the
    /// first moment.
    pub waited: Option<Duration>,
}

impl AdvisoryClaim {
    /// Whether it holds the lock, and does not wait for it.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        self.waiting.is_none()
    }
}

/// Holders first, then whoever has been waiting longest. Looks at `waitstart` through JSON, since a server before
/// version 14 does not know the column.
const TEXT: &str = "SELECT l.pid::int8, l.mode = 'ShareLock', l.granted, \
     CASE WHEN NOT l.granted THEN array_to_string(pg_blocking_pids(l.pid), ' ') END, \
     (extract(epoch FROM clock_timestamp() - (to_jsonb(l) ->> 'waitstart')::timestamptz) * 1000)::int8 AS waited, \
     a.application_name, a.usename::text, host(a.client_addr), a.state \
     FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid \
     WHERE l.locktype = 'advisory' \
     AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
     AND l.classid = $1::int8::oid AND l.objid = $2::int8::oid AND l.objsubid = $3::int8 \
     ORDER BY l.granted DESC, waited DESC NULLS LAST, l.pid, l.mode";

pub(crate) fn query(place: AdvisoryPlace) -> Query<'static> {
    let (classid, objid, objsubid) = place.columns();
    let columns = [i64::from(classid), i64::from(objid), i64::from(objsubid)];
    Query { text: TEXT, params: columns.map(|column| Param::Int8(Some(column))).into() }
}

/// Reads a row of the answer.
pub(crate) fn claim(row: Row) -> Result<AdvisoryClaim, Unreadable> {
    let columns = <[Value; 9]>::try_from(row.0).map_err(|_| Unreadable)?;
    let [pid, shared, held, waits_for, waited, application_name, user, client_address, state] =
        columns;
    let (Value::Bool(shared), Value::Bool(held)) = (shared, held) else { return Err(Unreadable) };
    let waiting = if held { None } else { Some(wait(waits_for, &waited)?) };
    Ok(AdvisoryClaim {
        pid: number(&pid)?.map(i32::try_from).transpose().map_err(|_| Unreadable)?,
        mode: if shared { AdvisoryMode::Shared } else { AdvisoryMode::Exclusive },
        waiting,
        application_name: text(application_name)?.filter(|name| !name.is_empty()),
        user: text(user)?,
        client_address: text(client_address)?,
        state: text(state)?,
    })
}

/// A clock that was set back may say that the wait begins in the future.
fn wait(waits_for: Value, waited: &Value) -> Result<AdvisoryWait, Unreadable> {
    let waits_for = text(waits_for)?.unwrap_or_default();
    let pids = waits_for.split_whitespace().map(str::parse);
    let milliseconds = number(waited)?.map(|waited| u64::try_from(waited).unwrap_or(0));
    Ok(AdvisoryWait {
        waits_for: pids.collect::<Result<_, _>>().map_err(|_| Unreadable)?,
        waited: milliseconds.map(Duration::from_millis),
    })
}
