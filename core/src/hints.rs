//! Hints of releases, so that waiters need not wait for their next look: the session that listens for them.
//! No lock depends on a hint; whoever has none looks as often as ever, and stands in line only behind others.
//!
//! | stage     | what happens                     | becomes   |
//! |-----------|----------------------------------|-----------|
//! | quiet     | somebody waits for another client | asked, once there is a session |
//! | asked     | the server listens for us        | listening |
//! | asked     | refused, or no answer            | quiet, for a while |
//! | listening | the session is gone              | quiet     |

use crate::identity::Rvn;
use crate::output::SessionId;
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hints {
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Not to be tried again before this moment.
    Quiet(Instant),
    Asked,
    Listening(SessionId),
}

impl Hints {
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Quiet(Instant::default()) }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        if let Stage::Quiet(not_before) = &mut self.stage {
            change(not_before);
        }
    }

    /// Whether releases are heard of here.
    pub(crate) const fn are_heard(&self) -> bool {
        match self.stage {
            Stage::Listening(_) => true,
            Stage::Quiet(_) | Stage::Asked => false,
        }
    }

    /// From when on the server may be asked to tell.
    pub(crate) const fn due(&self) -> Option<Instant> {
        match self.stage {
            Stage::Quiet(not_before) => Some(not_before),
            Stage::Asked | Stage::Listening(_) => None,
        }
    }

    pub(crate) const fn ask(&mut self) {
        self.stage = Stage::Asked;
    }

    pub(crate) const fn listen(&mut self, session: SessionId) {
        self.stage = Stage::Listening(session);
    }

    /// There will be no hints before `moment`.
    pub(crate) const fn rest_until(&mut self, moment: Instant) {
        self.stage = Stage::Quiet(moment);
    }

    pub(crate) fn lost(&mut self, session: SessionId, now: Instant) {
        if self.stage == Stage::Listening(session) {
            self.stage = Stage::Quiet(now);
        }
    }
}

/// The ticket of whoever a lock has been handed over to, and the lock's name, as a notification tells them.
pub(crate) fn handed_over(payload: &str) -> Option<(Rvn, &str)> {
    let (ticket, name) = payload.split_once(' ')?;
    Some((Rvn::new(ticket.parse().ok()?), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_tells_a_ticket_and_a_name() {
        assert_eq!(handed_over("7 invoice 42"), Some((Rvn::new(7), "invoice 42")));
        for payload in ["invoice", " invoice", "7"] {
            assert_eq!(handed_over(payload), None, "{payload}");
        }
    }

    #[test]
    fn releases_are_heard_of_only_while_the_server_listens() {
        let mut hints = Hints::new();
        let (session, other) = (SessionId::new(1), SessionId::new(2));
        let now = Instant::from_nanos(5);
        assert_eq!((hints.are_heard(), hints.due()), (false, Some(Instant::default())));
        hints.ask();
        assert_eq!((hints.are_heard(), hints.due()), (false, None));
        hints.listen(session);
        assert_eq!((hints.are_heard(), hints.due()), (true, None));
        hints.lost(other, now);
        assert!(hints.are_heard());
        hints.lost(session, now);
        assert_eq!((hints.are_heard(), hints.due()), (false, Some(now)));
    }
}
