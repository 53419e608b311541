//! A statement that waits on the server for as long as it is told to.

use pglock_core::Param;

use super::broken::Broken;
use super::session::{Session, int};
use super::subject::{Subject, unique};

/// Waits for the gate, and passes through it.
pub(super) const PASS: &str = "SELECT CASE WHEN set_config('lock_timeout', '0', true) IS NOT NULL \
    THEN CASE WHEN pg_advisory_lock_shared($1::int8) IS NOT NULL THEN $2::int8 END END";

/// Closed until it is opened; opened also by the end of the session that keeps it.
pub(super) struct Gate<'a> {
    key: i64,
    keeper: &'a Session,
}

impl<'a> Gate<'a> {
    pub(super) async fn closed_by(keeper: &'a Session) -> Result<Self, Broken> {
        let key = unique().cast_signed();
        keeper.confirms("SELECT pg_advisory_lock($1::int8) IS NOT NULL", vec![int(key)]).await?;
        Ok(Self { key, keeper })
    }

    /// For [`PASS`], which then answers the number.
    pub(super) fn params(&self, number: i64) -> Vec<Param> {
        vec![int(self.key), int(number)]
    }

    /// Waits until somebody waits before the gate.
    pub(super) async fn has_waiter(&self, subject: &Subject, waiter: i64) -> Result<(), Broken> {
        let waits = async || self.is_awaited_by(waiter).await;
        subject.until("a statement that waits on the server", waits).await
    }

    pub(super) async fn is_awaited_by(&self, waiter: i64) -> Result<bool, Broken> {
        self.has(waiter, false).await
    }

    /// Opens the gate, and waits until somebody has passed.
    pub(super) async fn let_pass(&self, subject: &Subject, who: i64) -> Result<(), Broken> {
        self.open().await?;
        let passed = async || self.has(who, true).await;
        subject.until("a statement that was executed", passed).await
    }

    async fn has(&self, pid: i64, granted: bool) -> Result<bool, Broken> {
        let text = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' \
             AND pid = $1::int8 AND granted = $2::bool \
             AND (classid::int8 << 32 | objid::int8) = $3::int8)";
        self.keeper.holds(text, vec![int(pid), Param::Bool(granted), int(self.key)]).await
    }

    pub(super) async fn open(&self) -> Result<(), Broken> {
        self.keeper.confirms("SELECT pg_advisory_unlock($1::int8)", vec![int(self.key)]).await
    }
}
