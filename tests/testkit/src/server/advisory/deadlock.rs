//! Sessions that wait for each other. A session that waits behind one that does not hold the key yet can be
//! put before it; where that helps nobody has to fail.

use super::{Answer, Interruption, Lock, Reply, Session, Table, Waiter};
use pglock_core::AdvisoryPlace;

/// Whether a session waits for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "what the server's check may find")]
pub enum Deadlock {
    /// It does not.
    None,
    /// It does, but not if queues are put into another order. Who waits for whom: the session first, each for
    /// the next, the last for the first.
    Soft(Vec<Session>),
    /// It does, and one of these has to give up, in the same order.
    Hard(Vec<Session>),
}

/// A session waits for another that waits, too, only because that one is ahead in the queue.
#[derive(Clone, Copy)]
struct Edge {
    waiter: Session,
    ahead: Session,
}

/// Queues as they might be.
type Queues = Vec<(AdvisoryPlace, Vec<Waiter>)>;

/// A way back to the session it begins with.
#[derive(Default)]
struct Cycle {
    sessions: Vec<Session>,
    /// What could be put into another order.
    soft: Vec<Edge>,
}

impl Table {
    /// Whether a session waits for itself, which the server finds out when the session has waited for its
    /// `deadlock_timeout`. Of several cycles it is one.
    #[must_use]
    pub fn deadlock(&self, session: Session) -> Deadlock {
        match self.cycle(session, &Queues::new()) {
            None => Deadlock::None,
            Some(cycle) if self.solve(session, &mut Vec::new()).is_some() => {
                Deadlock::Soft(cycle.sessions)
            }
            Some(cycle) => Deadlock::Hard(cycle.sessions),
        }
    }

    /// The `deadlock_timeout` of a waiting session passes: the server puts queues into another order if that
    /// helps, else this one is the victim. Without a deadlock it goes on waiting. Where several orders help,
    /// the server may choose another, since it goes through the holders of a key as they came.
    pub fn check_deadlock(&mut self, session: Session) -> Reply {
        if self.awaited(session).is_none() {
            return Reply::of(Answer::Done);
        }
        let Some(queues) = self.solve(session, &mut Vec::new()) else {
            return self.interrupt(session, Interruption::Deadlock);
        };
        let mut woken = Vec::new();
        for (place, queue) in queues {
            if let Some(lock) = self.locks.get_mut(&place) {
                lock.queue = queue;
            }
            woken.extend(self.wake(place));
        }
        let answer = if woken.contains(&session) { Answer::Granted } else { Answer::Queued };
        woken.retain(|other| *other != session);
        Reply { answer, woken }
    }

    /// Other queues, in which the session does not wait for itself; none if they are right as they are. The
    /// pairs in `turned` are to be the other way round.
    fn solve(&self, session: Session, turned: &mut Vec<Edge>) -> Option<Queues> {
        let queues = self.reorder(turned)?;
        let mut soft = Vec::new();
        let concerned = turned.iter().flat_map(|edge| [edge.waiter, edge.ahead]);
        for start in concerned.chain([session]) {
            if let Some(cycle) = self.cycle(start, &queues) {
                if cycle.soft.is_empty() {
                    return None;
                }
                soft = cycle.soft;
            }
        }
        if soft.is_empty() {
            return Some(queues);
        }
        soft.into_iter().find_map(|edge| {
            turned.push(edge);
            let solved = self.solve(session, turned);
            turned.pop();
            solved
        })
    }

    /// The queues of those pairs, in the order closest to the present one in which each waiter comes before
    /// the one that was ahead of it.
    fn reorder(&self, turned: &[Edge]) -> Option<Queues> {
        let mut queues = Queues::new();
        for edge in turned.iter().rev() {
            let Some((place, lock)) = self.queue_of(edge.waiter) else { continue };
            if queues.iter().all(|(known, _)| *known != place) {
                queues.push((place, sorted(&lock.queue, turned)?));
            }
        }
        Some(queues)
    }

    /// A way from a session back to itself: who holds the key is asked before who is ahead in the queue.
    fn cycle(&self, start: Session, queues: &Queues) -> Option<Cycle> {
        self.way(start, start, queues, &mut Vec::new())
    }

    fn way(
        &self,
        from: Session,
        to: Session,
        queues: &Queues,
        seen: &mut Vec<Session>,
    ) -> Option<Cycle> {
        if seen.contains(&from) {
            return (from == to).then(Cycle::default);
        }
        seen.push(from);
        let (place, lock) = self.queue_of(from)?;
        let reordered = queues.iter().find(|(known, _)| *known == place);
        let queue = reordered.map_or(&lock.queue, |(_, queue)| queue);
        let mut holders = lock.holders_against(from);
        let hard = holders.find_map(|next| self.way(next, to, queues, seen));
        let mut waiters = lock.waiters_against(from, queue);
        let mut cycle = hard.or_else(|| {
            waiters.find_map(|ahead| {
                let mut cycle = self.way(ahead, to, queues, seen)?;
                cycle.soft.push(Edge { waiter: from, ahead });
                Some(cycle)
            })
        })?;
        cycle.sessions.insert(0, from);
        Some(cycle)
    }

    fn queue_of(&self, session: Session) -> Option<(AdvisoryPlace, &Lock)> {
        let place = self.awaited(session)?.place;
        Some((place, self.locks.get(&place)?))
    }
}

/// From the last to the first: of those that need not come before one that is left, the one that is last now.
fn sorted(queue: &[Waiter], turned: &[Edge]) -> Option<Vec<Waiter>> {
    let (mut left, mut sorted) = (queue.to_vec(), Vec::new());
    while !left.is_empty() {
        let is_left = |session| left.iter().any(|waiter| waiter.session == session);
        let held_back =
            |session| turned.iter().any(|edge| edge.waiter == session && is_left(edge.ahead));
        let last = left.iter().rposition(|waiter| !held_back(waiter.session))?;
        sorted.push(left.remove(last));
    }
    sorted.reverse();
    Some(sorted)
}
