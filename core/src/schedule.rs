//! When which thing falls due: a set of keys, each with at most one moment. Knows no clock.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// Keys in the order of their moments; every operation takes logarithmic time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Schedule<K> {
    moments: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Clone> Schedule<K> {
    pub(crate) const fn new() -> Self {
        Self { moments: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Gives `key` another moment, or none.
    pub(crate) fn set(&mut self, key: &K, moment: Option<Instant>) {
        if self.moments.get(key).copied() == moment {
            return;
        }
        if let Some(old) = self.moments.remove(key) {
            self.order.remove(&(old, key.clone()));
        }
        if let Some(moment) = moment {
            self.moments.insert(key.clone(), moment);
            self.order.insert((moment, key.clone()));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The earliest moment.
    pub(crate) fn first(&self) -> Option<Instant> {
        self.order.first().map(|(moment, _)| *moment)
    }

    /// Takes the earliest key out if its moment is not after `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (moment, _) = self.order.first()?;
        if *moment > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.moments.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_in_the_order_of_their_moments() {
        let at = Instant::from_nanos;
        let mut schedule = Schedule::new();
        schedule.set(&'a', Some(at(30)));
        schedule.set(&'b', Some(at(10)));
        schedule.set(&'c', Some(at(20)));
        schedule.set(&'a', Some(at(5)));
        schedule.set(&'c', None);
        assert_eq!(schedule.first(), Some(at(5)));
        assert_eq!(schedule.pop_due(at(4)), None);
        assert_eq!(schedule.pop_due(at(10)), Some('a'));
        assert_eq!(schedule.pop_due(at(10)), Some('b'));
        assert_eq!(schedule.first(), None);
    }
}
