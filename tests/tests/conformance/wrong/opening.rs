//! What goes wrong when connections are opened, in any driver.

use pglock_core::Severity;
use pglock_driver::{ConnectError, SessionKind};

use super::bug::Bug;
use super::carry::made_up;

pub(super) fn known(bug: Bug, kind: SessionKind) -> Result<(), ConnectError> {
    match (bug, kind) {
        (Bug::KindUnknown, SessionKind::InLine) => Err(ConnectError::unreachable("what is that?")),
        _ => Ok(()),
    }
}

/// The error as it is told.
pub(super) fn told(bug: Bug, mut error: ConnectError) -> ConnectError {
    match bug {
        Bug::RefusalUntold => error.server = None,
        Bug::RefusalSoftened => {
            error.server.iter_mut().for_each(|server| server.severity = Severity::Error);
        }
        Bug::RefusalMadeUp => error.server = error.server.or_else(|| Some(made_up())),
        _ => {}
    }
    error
}
