//! O1: two clients never believe in one name at the same true moment, and no belief outlasts what the
//! row promises: others may take it over from then on.

use pglock_core::{Instant, LockId};

use super::ledger::{Ledger, Standing};
use super::{Holder, Verdict, overlapping};
use crate::clock::Clock;
use crate::plan::Plan;

#[derive(Clone, Debug)]
pub(crate) struct Beliefs {
    by_name: Vec<Vec<Belief>>,
    /// Clocks run beyond what clients count on, so that beliefs prove nothing.
    unsound: bool,
}

#[derive(Clone, Copy, Debug)]
struct Belief {
    holder: Holder,
    until: Instant,
    /// The first true moment at which the holder's clock cannot show less than `until`.
    end: u64,
}

impl Beliefs {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { by_name: vec![Vec::new(); plan.names], unsound: plan.breach }
    }

    /// A client holds a lock until `until` on its clock.
    pub(crate) fn believe(
        &mut self,
        name: usize,
        holder: Holder,
        until: Instant,
        clock: &Clock,
        now: u64,
        ledger: &Ledger,
    ) -> Verdict {
        let beliefs = &mut self.by_name[name];
        match beliefs.iter_mut().find(|belief| belief.holder == holder) {
            Some(belief) if belief.until == until => return Ok(()),
            Some(belief) => {
                belief.until = until;
                belief.end = clock.surely_reaches(until);
            }
            None => {
                beliefs.push(Belief { holder, until, end: clock.surely_reaches(until) });
            }
        }
        self.check_row(name, now, ledger)
    }

    /// Keeps only the beliefs of `who` that still stand.
    pub(crate) fn forget(&mut self, who: usize, now: u64, stands: impl Fn(LockId) -> bool) {
        for beliefs in &mut self.by_name {
            beliefs.retain(|belief| {
                let Holder { who: holder, lock } = belief.holder;
                if holder == who { stands(lock) } else { belief.end > now }
            });
        }
    }

    pub(crate) fn clock_changed(
        &mut self,
        who: usize,
        clock: &Clock,
        now: u64,
        ledger: &Ledger,
    ) -> Verdict {
        for name in 0..self.by_name.len() {
            for belief in self.by_name[name].iter_mut().filter(|belief| belief.holder.who == who) {
                belief.end = clock.surely_reaches(belief.until);
            }
            self.check_row(name, now, ledger)?;
        }
        Ok(())
    }

    /// Checks all beliefs in a name against each other and the row.
    pub(crate) fn check_row(&self, name: usize, now: u64, ledger: &Ledger) -> Verdict {
        if self.unsound {
            return Ok(());
        }
        let mut earlier: Option<&Belief> = None;
        for belief in self.by_name[name].iter().filter(|belief| belief.end > now) {
            let Holder { who, lock } = belief.holder;
            match ledger.standing(name, belief.holder) {
                Standing::Void => continue,
                Standing::Undone => {}
                Standing::Promised(promise) if belief.end <= promise => {}
                Standing::Promised(promise) => {
                    return overlapping(
                        promise,
                        belief.end,
                        format!(
                            "w{who} {lock:?} trusts its lease until {} but others may take it over \
                             from {promise} on: {} ns too long",
                            belief.end,
                            belief.end - promise
                        ),
                    );
                }
                Standing::Gone => {
                    return overlapping(
                        now,
                        belief.end,
                        format!(
                            "w{who} {lock:?} trusts its lease until {} but the row is somebody \
                             else's at {now}",
                            belief.end
                        ),
                    );
                }
            }
            if let Some(other) = earlier.replace(belief) {
                return overlapping(
                    now,
                    belief.end.min(other.end),
                    format!(
                        "w{} {:?} and w{who} {lock:?} both believe in one name at {now}",
                        other.holder.who, other.holder.lock
                    ),
                );
            }
        }
        Ok(())
    }
}
