//! Hints of releases, so that waiters need not wait for their next look: the session that listens for them.
//! Nothing depends on a hint; whoever has none looks as often as ever.
//!
//! | stage     | what happens                     | becomes   |
//! |-----------|----------------------------------|-----------|
//! | quiet     | somebody waits for another client | asked, once there is a session |
//! | asked     | the server listens for us        | listening |
//! | asked     | refused, or no answer            | quiet, for a while |
//! | listening | the session is gone              | quiet     |

use crate::identity::Identity;
use crate::output::SessionId;
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hints {
    id: i64,
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
    pub(crate) fn new(identity: Identity) -> Self {
        Self { id: identity.as_waiter(), stage: Stage::Quiet(Instant::default()) }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        if let Stage::Quiet(not_before) = &mut self.stage {
            change(not_before);
        }
    }

    /// What rows are marked with, so that their release is told here; `None` while nobody listens.
    pub(crate) const fn mark(&self) -> Option<i64> {
        match self.stage {
            Stage::Listening(_) => Some(self.id),
            Stage::Quiet(_) | Stage::Asked => None,
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

    /// The name that a notification is about, if it is for this client.
    pub(crate) fn name<'a>(&self, payload: &'a str) -> Option<&'a str> {
        let (waiter, name) = payload.split_once(' ')?;
        (waiter.parse() == Ok(self.id)).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn a_notification_is_for_the_waiter_that_it_names() {
        let hints = Hints::new(Identity::new([7; 16]));
        let (mine, other) = (hints.id, hints.id ^ 1);
        assert_eq!(hints.name(&format!("{mine} invoice 42")), Some("invoice 42"));
        for payload in
            [format!("{other} invoice"), "invoice".into(), " invoice".into(), mine.to_string()]
        {
            assert_eq!(hints.name(&payload), None, "{payload}");
        }
    }

    #[test]
    fn a_mark_is_given_only_while_the_server_listens() {
        let mut hints = Hints::new(Identity::new([7; 16]));
        let (session, other) = (SessionId::new(1), SessionId::new(2));
        let now = Instant::from_nanos(5);
        assert_eq!((hints.mark(), hints.due()), (None, Some(Instant::default())));
        hints.ask();
        assert_eq!((hints.mark(), hints.due()), (None, None));
        hints.listen(session);
        assert_eq!((hints.mark(), hints.due()), (Some(hints.id), None));
        hints.lost(other, now);
        assert_eq!(hints.mark(), Some(hints.id));
        hints.lost(session, now);
        assert_eq!((hints.mark(), hints.due()), (None, Some(now)));
    }
}
