//! What the oracles see when a client has come to rest: its belief against what its session really holds.

use pglock_core::{AdvisoryMode, AdvisoryPlace, Instant, LockId};

use super::network::session;
use super::person::Life;
use super::server::Kind;
use super::world::{Happening, World};
use crate::oracle::{Verdict, broken};

/// More than a client needs for all that it may do before.
const ROUND_TRIPS: u64 = 64;

impl World {
    pub(super) fn look(&mut self, client: usize) -> Verdict {
        let process = &self.processes[client];
        let mut held = 0;
        for (lock, life) in process.lives.held() {
            let Some(until) = process.client.valid_until(lock) else {
                return broken("O3", format!("{lock:?} has ended, and nobody was told"));
            };
            held += 1;
            self.check_claim(client, lock, life, until)?;
        }
        if process.client.held_advisory().count() != held {
            return broken("O3", format!("w{} holds what nobody was told of", process.who));
        }
        let config = &self.plan.config;
        if process.sessions.len() > 1 + config.lines + usize::from(config.hints) {
            return broken("O5", format!("w{} has more connections than it may have", process.who));
        }
        Ok(())
    }

    /// What a client believes to hold, its session holds, as long as there is one; and then not for much longer.
    fn check_claim(&self, client: usize, lock: LockId, life: &Life, until: Instant) -> Verdict {
        let process = &self.processes[client];
        let who = process.who;
        if until <= process.last_reading {
            return broken("O3", format!("w{who} believes in {lock:?} after {until:?}"));
        }
        let carrier = process.carriers.get(&life.place()).copied();
        let is_open = |link: &usize| process.sessions.iter().any(|(_, open)| open == link);
        let Some(link_number) = carrier.filter(is_open) else {
            return broken("O3", format!("w{who} believes in {lock:?} without a session"));
        };
        let link = &self.links[link_number];
        if !link.is_genuine() || self.plan.kind != Kind::Real {
            return self.check_fake(who, lock, life);
        }
        if link.told_robbed {
            return broken("O3", format!("w{who} believes in {lock:?} after a definite loss"));
        }
        if let Some(ended) = link.ended {
            let last = process.clock.surely_reaches(until);
            if last > ended.saturating_add(self.plan.slowest(self.plan.silence)) {
                return broken("O3", format!("A12: w{who} believes in {lock:?} for too long"));
            }
            return Ok(());
        }
        let count = self.server.count(session(link_number), life.place(), life.mode);
        match count {
            1 => Ok(()),
            0 if link.robbed => Ok(()),
            _ => broken(
                "O7",
                format!("w{who} believes in {lock:?}, which its session holds {count} times"),
            ),
        }
    }

    /// Where nothing goes wrong, whoever is notified of an unlock makes use of it, long before it would have looked again.
    pub(super) fn expect_prompt(&mut self, place: AdvisoryPlace) {
        let since = self.now;
        let all_well = self.plan.is_calm() && self.plan.kind == Kind::Real;
        if all_well && self.server.is_free(place) {
            let soon = since + self.plan.faults.usual_delay * ROUND_TRIPS;
            self.queue.plan(soon + self.plan.granularity, Happening::Prompt { place, since });
        }
    }

    pub(super) fn check_prompt(&self, place: AdvisoryPlace, since: u64) -> Verdict {
        let taken = self.taken.get(&place).is_some_and(|at| *at >= since);
        let rings = |link| self.server.count(session(link), place.bell(), AdvisoryMode::Shared) > 0;
        if !taken && (0..self.links.len()).any(rings) {
            return broken("O5", format!("L1: {place} is free, and who waits for it sleeps"));
        }
        Ok(())
    }

    fn check_fake(&self, who: usize, lock: LockId, life: &Life) -> Verdict {
        if self.plan.kind == Kind::Stub {
            return broken(
                "O3",
                format!("w{who} believes in {lock:?}, of a server that has no locks"),
            );
        }
        if self.plan.kind == Kind::Real {
            return broken("O3", format!("A10: w{who} believes in {lock:?}, which a standby gave"));
        }
        for other in self.processes.iter().filter(|other| other.running && other.who != who) {
            for (_, theirs) in other.lives.held() {
                let conflict = theirs.place() == life.place() && theirs.mode.conflicts(life.mode);
                if conflict {
                    return broken(
                        "O1",
                        format!("w{who} and w{} both believe in {}", other.who, life.key),
                    );
                }
            }
        }
        Ok(())
    }
}
