//! O3: each lock goes its way from asked to ended, with exactly one terminal event and nothing after it;
//! what the caller is told is what the client believes.

use std::collections::BTreeMap;
use std::time::Duration;

use pglock_core::{Event, Instant, LockId, LossCause};

use super::ledger::Ledger;
use super::{Holder, Verdict, broken};

#[derive(Clone, Debug, Default)]
pub(crate) struct Lives {
    people: Vec<Person>,
}

#[derive(Clone, Debug, Default)]
struct Person {
    /// Those that have not had their terminal event.
    locks: BTreeMap<LockId, Life>,
    ended: BTreeMap<LockId, Life>,
    dead: bool,
}

#[derive(Clone, Debug)]
struct Life {
    asked: Asked,
    stage: Stage,
    granted: bool,
    /// Until when the caller was told that the lock is valid.
    told: Option<Instant>,
}

/// An acquire as its caller asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) name: usize,
    /// At true time.
    pub(crate) at: u64,
    /// Since when, at true time, its clock cannot tell that a question came before it.
    pub(crate) tick_since: u64,
    pub(crate) by_hand: bool,
    /// The reading at which it must have ended if it has not been granted.
    pub(crate) give_up: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Asked,
    Held,
    /// The caller gave it back or cancelled it.
    Ending,
    Ended,
}

impl Lives {
    pub(crate) fn born(&mut self) -> usize {
        self.people.push(Person::default());
        self.people.len() - 1
    }

    pub(crate) fn died(&mut self, who: usize) {
        self.people[who].dead = true;
    }

    pub(crate) fn is_dead(&self, who: usize) -> bool {
        self.people[who].dead
    }

    pub(crate) fn asked(&mut self, holder: Holder, asked: Asked) -> Verdict {
        let life = Life { asked, stage: Stage::Asked, granted: false, told: None };
        if self.life(holder).is_some() {
            return broken("O3", format!("{:?} was given out twice", holder.lock));
        }
        self.people[holder.who].locks.insert(holder.lock, life);
        Ok(())
    }

    /// The caller gives a lock back, or cancels.
    pub(crate) fn ending(&mut self, holder: Holder) {
        if let Some(life) = self.people[holder.who].locks.get_mut(&holder.lock) {
            life.stage = Stage::Ending;
        }
    }

    /// The client gives back everything and cancels the rest.
    pub(crate) fn all_ending(&mut self, who: usize) {
        self.people[who].locks.values_mut().for_each(|life| life.stage = Stage::Ending);
    }

    pub(crate) fn name_of(&self, holder: Holder) -> Option<usize> {
        self.life(holder).map(|life| life.asked.name)
    }

    pub(crate) fn is_held(&self, holder: Holder) -> bool {
        self.life(holder).is_some_and(|life| life.stage == Stage::Held)
    }

    pub(crate) fn is_by_hand(&self, holder: Holder) -> bool {
        self.life(holder).is_some_and(|life| life.asked.by_hand)
    }

    /// The lock of this name that `who` holds.
    pub(crate) fn holding(&self, who: usize, name: usize) -> Option<LockId> {
        let held = |life: &Life| life.stage == Stage::Held && life.asked.name == name;
        self.people[who].locks.iter().find(|(_, life)| held(life)).map(|(lock, _)| *lock)
    }

    /// Since when somebody has waited for this name.
    pub(crate) fn waiting_since(&self, who: usize, name: usize) -> Option<u64> {
        let waits = |life: &&Life| life.stage == Stage::Asked && life.asked.name == name;
        self.people[who].locks.values().filter(waits).map(|life| life.asked.at).min()
    }

    fn life(&self, holder: Holder) -> Option<&Life> {
        let person = self.people.get(holder.who)?;
        person.locks.get(&holder.lock).or_else(|| person.ended.get(&holder.lock))
    }

    /// The caller is told something at the reading `reading`, after a reply that was handled at `heard`.
    /// What happened before a lock was given back may still be told after that.
    pub(crate) fn told(
        &mut self,
        who: usize,
        event: &Event,
        reading: Instant,
        heard: Instant,
        ledger: &mut Ledger,
        careful: &Careful,
    ) -> Verdict {
        let Some(lock) = event.lock() else { return Ok(()) };
        let holder = Holder { who, lock };
        let person = &mut self.people[who];
        let Some(life) = person.locks.get_mut(&lock) else {
            let ended =
                if person.ended.contains_key(&lock) { "that has ended" } else { "unasked for" };
            return broken("O3", format!("{event:?} is about a lock {ended}"));
        };
        let verdict = life.told(event, holder, reading, heard, ledger, careful);
        if life.stage == Stage::Ended
            && let Some(life) = person.locks.remove(&lock)
        {
            person.ended.insert(lock, life);
        }
        verdict
    }

    /// A drained client holds a lock until `until`.
    pub(crate) fn check_held(&self, holder: Holder, until: Instant, reading: Instant) -> Verdict {
        let lock = holder.lock;
        match self.life(holder) {
            Some(Life { stage: Stage::Held, told, .. }) => {
                if until <= reading {
                    return broken(
                        "O3",
                        format!("{lock:?} is held at {reading:?} after {until:?}"),
                    );
                }
                if *told == Some(until) {
                    return Ok(());
                }
                broken("O3", format!("{lock:?} is held until {until:?} but told was {told:?}"))
            }
            life => broken("O3", format!("{lock:?} is held but stands as {life:?}")),
        }
    }

    /// As many locks are held as callers were told of.
    pub(crate) fn check_all_held(&self, who: usize, held: usize) -> Verdict {
        let lives = self.people[who].locks.values();
        let told = lives.filter(|life| life.stage == Stage::Held).count();
        if told == held {
            return Ok(());
        }
        broken("O3", format!("w{who} holds {held} locks, but its callers were told of {told}"))
    }

    /// No acquire goes on longer than its caller allowed.
    pub(crate) fn check_overdue(
        &self,
        who: usize,
        reading: Instant,
        granularity: Duration,
    ) -> Verdict {
        for (lock, life) in &self.people[who].locks {
            if life.stage == Stage::Asked
                && let Some(give_up) = life.asked.give_up
                && give_up.saturating_add(granularity) < reading
            {
                return broken("O5", format!("{lock:?} should have ended at {give_up:?}"));
            }
        }
        Ok(())
    }

    /// Locks that have not ended.
    pub(crate) fn unended(&self, who: usize) -> impl Iterator<Item = LockId> {
        self.people[who].locks.keys().copied()
    }
}

impl Life {
    fn told(
        &mut self,
        event: &Event,
        holder: Holder,
        reading: Instant,
        heard: Instant,
        ledger: &mut Ledger,
        careful: &Careful,
    ) -> Verdict {
        let name = self.asked.name;
        let stage = self.stage;
        let wrong = || broken("O3", format!("{event:?} came while the lock was {stage:?}"));
        match event {
            Event::Acquired { grant, .. } if !self.granted => {
                if grant.valid_until <= heard {
                    return broken("O3", format!("a success that came too late counts: {event:?}"));
                }
                if stage == Stage::Asked {
                    self.stage = Stage::Held;
                }
                self.granted = true;
                self.told = Some(grant.valid_until);
                ledger.claim(name, holder, grant)
            }
            Event::Waiting { .. } if !self.granted => Ok(()),
            Event::Renewed { valid_until, .. } if self.granted => {
                self.told = Some(*valid_until);
                Ok(())
            }
            Event::AtRisk { .. } if self.granted => careful.check_alarm(self, ledger, stage),
            Event::Amended { .. } | Event::AmendFailed { .. } if self.granted => Ok(()),
            Event::Busy { holder, .. } if stage == Stage::Asked => {
                self.stage = Stage::Ended;
                if holder.is_some() && ledger.was_free_since(name, self.asked.tick_since) {
                    return broken("O3", format!("{event:?}, but nobody has held the row"));
                }
                Ok(())
            }
            Event::TimedOut { .. } if stage == Stage::Asked => {
                self.stage = Stage::Ended;
                Ok(())
            }
            Event::Cancelled { .. } if stage == Stage::Ending => {
                self.stage = Stage::Ended;
                Ok(())
            }
            Event::Failed { .. } if matches!(stage, Stage::Asked | Stage::Ending) => {
                self.stage = Stage::Ended;
                Ok(())
            }
            Event::Released { confirmed, .. } if stage == Stage::Ending => {
                self.stage = Stage::Ended;
                if *confirmed && ledger.is_current(name, holder) {
                    return broken("O3", format!("{event:?}, but the row is not free"));
                }
                Ok(())
            }
            Event::Lost { cause, .. } if matches!(stage, Stage::Held | Stage::Ending) => {
                self.stage = Stage::Ended;
                careful.check_loss(self, *cause, reading, ledger, holder, stage)
            }
            Event::Acquired { .. }
            | Event::Waiting { .. }
            | Event::Renewed { .. }
            | Event::AtRisk { .. }
            | Event::Amended { .. }
            | Event::AmendFailed { .. }
            | Event::Busy { .. }
            | Event::TimedOut { .. }
            | Event::Cancelled { .. }
            | Event::Failed { .. }
            | Event::Released { .. }
            | Event::Lost { .. }
            | Event::Answered { .. }
            | _ => wrong(),
        }
    }
}

/// When losses are blamed on the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Careful {
    /// Nothing happens that may cost a holder its lock (L4).
    pub(crate) no_excuse: bool,
    /// Nor is the clock so coarse that a heartbeat may fall behind.
    pub(crate) no_alarm: bool,
}

impl Careful {
    fn check_alarm(self, life: &Life, ledger: &Ledger, stage: Stage) -> Verdict {
        if !self.no_alarm || stage == Stage::Ending || ledger.is_disturbed(life.asked.name) {
            return Ok(());
        }
        broken("O5", "L4: a lock was at risk though all went well")
    }

    fn check_loss(
        self,
        life: &Life,
        cause: LossCause,
        reading: Instant,
        ledger: &Ledger,
        holder: Holder,
        stage: Stage,
    ) -> Verdict {
        let lock = holder.lock;
        let excused = !self.no_excuse
            || stage == Stage::Ending
            || life.asked.by_hand
            || ledger.is_disturbed(life.asked.name);
        if !excused {
            return broken("O5", format!("L4: {lock:?} was lost though all went well: {cause:?}"));
        }
        match cause {
            LossCause::TakenOver if !ledger.has_ended(life.asked.name, holder) => {
                broken("O5", format!("L4: {lock:?} counts as taken over, but nobody took it"))
            }
            LossCause::Expired if life.told.is_some_and(|told| reading < told) => {
                broken("O5", format!("L4: {lock:?} counts as expired at {reading:?}"))
            }
            LossCause::TakenOver | LossCause::Expired | _ => Ok(()),
        }
    }
}
