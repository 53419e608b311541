//! A connection of our own, before the core has it: what its session is told, and whether it has one to itself.
//!
//! Advisory locks need a session that nobody else ever gets. Notifications tell: one that a second connection, the
//! witness, sends to the session reaches a client that rests only if the session is the client's own. A pooler that
//! shares its sessions lends none to a client that rests, and often gives itself away before: the witness finds itself
//! in the session, or the client in another than before.

use std::time::Duration;

use pglock_core::SessionKind;

/// Asked on the session: which process of the server answers, and a number that makes this call another than all others.
pub const CALL: &str = "LISTEN pglock_own; SELECT pg_backend_pid() || ' ' || random()";

/// How often it is tried before the session, never known to be our own, counts as shared.
pub const CALLS: usize = 20;

/// How long a notification may take that is on its way.
pub const ECHO: Duration = Duration::from_millis(250);

/// How long to wait for the witness. Where each client has a session to itself there may be no other to be had.
pub const WITNESS: Duration = Duration::from_secs(3);

/// Asked by the witness: whether it is in the very session that was called from. If not, the session is notified.
#[must_use]
pub fn answer(call: &str) -> String {
    format!(
        "SELECT pg_backend_pid() || '' = split_part('{call}', ' ', 1) \
         OR pg_notify('pglock_own', '{call}') IS NULL"
    )
}

/// Whether two calls came from one session.
#[must_use]
pub fn is_one_session(call: &str, other: &str) -> bool {
    call.split_once(' ').map(|(process, _)| process)
        == other.split_once(' ').map(|(process, _)| process)
}

/// Whether a session of this kind must be its client's own.
#[must_use]
pub const fn carries_advisory_locks(kind: SessionKind) -> bool {
    matches!(kind, SessionKind::Advisory | SessionKind::InLine)
}

/// What a session of this kind is told first, in one round trip. Behind a pooler that shares sessions a setting would be somebody
/// else's later, so that one whose statements have no names is told nothing, unless it is known to be our own.
///
/// Statements set how long they wait for a row, but before they begin they wait for the table, and that without end
/// where somebody rebuilds it: each would keep a session.
#[must_use]
pub fn setup(kind: SessionKind, prepared: bool, silence: Duration) -> Option<String> {
    const LOCK_TIMEOUT: &str = "SET lock_timeout = '2s'";
    if carries_advisory_locks(kind) {
        return Some(format!("UNLISTEN pglock_own; {LOCK_TIMEOUT}; {}", notice_silence(silence)));
    }
    prepared.then(|| LOCK_TIMEOUT.into())
}

/// Has the server notice that the client is gone, so that it frees the locks: not before the client counts them as
/// lost, and soon after. What the server does not know is left out, and what the user's own `options` say stays.
///
/// No `client_connection_check_interval`: it looks for the client while a statement runs, and none of ours outlasts its
/// slice.
fn notice_silence(silence: Duration) -> String {
    let third = seconds(silence / 3);
    let settings = [
        ("idle_session_timeout", 0),
        ("tcp_keepalives_idle", third.saturating_mul(2)),
        ("tcp_keepalives_interval", third),
        ("tcp_keepalives_count", 3),
        ("tcp_user_timeout", silence.as_millis().min(LONGEST)),
    ];
    let settings = settings.map(|(name, value)| format!("('{name}', '{value}')")).join(", ");
    format!(
        "SELECT set_config(name, value, false) FROM (VALUES {settings}) AS ours (name, value) \
         JOIN pg_catalog.pg_settings AS theirs USING (name) WHERE theirs.source <> 'client'"
    )
}

/// The most milliseconds that a setting takes.
const LONGEST: u128 = i32::MAX as u128;

/// Whole seconds, rounded up, and no more than an operating system takes.
fn seconds(span: Duration) -> u128 {
    span.as_millis().div_ceil(1_000).clamp(1, 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_session_of_its_own_is_told_anything_behind_a_pooler() {
        let silence = Duration::from_secs(15);
        assert_eq!(setup(SessionKind::Work, false, silence), None);
        assert!(setup(SessionKind::Work, true, silence).unwrap().contains("lock_timeout"));
        assert!(setup(SessionKind::Advisory, false, silence).unwrap().contains("tcp_user_timeout"));
    }

    #[test]
    fn the_server_waits_at_least_as_long_as_the_client() {
        for milliseconds in [1, 999, 15_000, 15_001, u64::MAX] {
            let silence = Duration::from_millis(milliseconds);
            let text = notice_silence(silence);
            let told = milliseconds.min(2_147_483_647);
            assert!(text.contains(&format!("('tcp_user_timeout', '{told}')")), "{text}");
            assert!(!text.contains("('tcp_keepalives_idle', '0')"), "{text}");
        }
    }

    #[test]
    fn calls_of_one_process_are_of_one_session() {
        assert!(is_one_session("17 0.5", "17 0.25"));
        assert!(!is_one_session("17 0.5", "18 0.5"));
    }
}
