//! Futures that wait for a reading of their process's clock.

use std::collections::BTreeMap;
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeMap<u64, Alarm>,
    count: u64,
}

#[derive(Debug)]
struct Alarm {
    who: usize,
    due: u64,
    waker: Waker,
}

impl Timers {
    /// Sets an alarm for `due`, at true time, instead of `old`. Answers its number, and whether it is a new one.
    pub(super) fn set(
        &mut self,
        who: usize,
        due: u64,
        waker: &Waker,
        old: Option<u64>,
    ) -> (u64, bool) {
        if let Some(number) = old
            && let Some(alarm) = self.set.get_mut(&number)
            && alarm.due == due
        {
            alarm.waker.clone_from(waker);
            return (number, false);
        }
        old.into_iter().for_each(|old| self.unset(old));
        self.count += 1;
        self.set.insert(self.count, Alarm { who, due, waker: waker.clone() });
        (self.count, true)
    }

    pub(super) fn unset(&mut self, number: u64) {
        self.set.remove(&number);
    }

    pub(super) fn fire(&mut self, number: u64) {
        if let Some(alarm) = self.set.remove(&number) {
            alarm.waker.wake();
        }
    }

    /// Wakes all who wait on a clock, so that they look at it again.
    pub(super) fn rouse(&self, who: usize) {
        let of_who = self.set.values().filter(|alarm| alarm.who == who);
        of_who.for_each(|alarm| alarm.waker.wake_by_ref());
    }
}
