//! Time counted from another origin: nothing that a client does depends on where its clock began.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Client, Counters};
use crate::name::LockName;
use crate::schedule::Schedule;
use crate::time::Instant;

impl Client {
    /// Forgets what makes no difference to what the client will do: what it has counted, which reading of its
    /// clock was the latest, and where that clock began. It shows `now`, and is set back by `span`.
    ///
    /// For searches through all states of a client, which are fewer then. Every event must have been told.
    pub fn rebase(&mut self, now: Instant, span: Duration) {
        let mut shift = |moment: &mut Instant| *moment = moment.saturating_sub(span);
        self.sessions.forget_retry(now);
        self.rows.values_mut().for_each(|row| row.each_moment(&mut shift));
        self.questions.each_moment(&mut shift);
        self.sessions.each_moment(&mut shift);
        self.hints.each_moment(&mut shift);
        self.advisory.each_moment(&mut shift);
        self.now = Instant::default();
        self.counters = Counters::default();
        self.timers = Schedule::new();
        self.urgent = Schedule::new();
        self.work = Schedule::new();
        self.renewals = Schedule::new();
        self.remembered = Schedule::new();
        let names: Vec<LockName> = self.rows.keys().cloned().collect();
        names.iter().for_each(|name| self.reschedule(name));
    }
}
