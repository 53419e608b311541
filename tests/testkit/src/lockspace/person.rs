//! What the users of a client do, and what they may expect: each lock goes its way from asked to ended, with
//! exactly one terminal event, in the order of their coming.

use std::collections::BTreeMap;

use pglock_core::{
    AdvisoryKey, AdvisoryMode, AdvisoryPlace, AdvisoryRequest, Event, LockId, OwnerId, Wait,
};

use crate::oracle::{Verdict, broken};

/// Somebody who wants one lock at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct User {
    pub(super) doing: Doing,
    pub(super) turn: u32,
    /// It has asked once more since everything was healed.
    pub(super) satisfied: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Doing {
    #[default]
    Thinking,
    Asking(LockId),
    Holding(LockId),
    Ending(LockId),
    Gone,
}

/// One lock of a client.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) user: usize,
    pub(super) key: AdvisoryKey,
    pub(super) mode: AdvisoryMode,
    pub(super) owner: Option<OwnerId>,
    pub(super) wait: Wait,
    pub(super) stage: Stage,
    /// It had company when it was asked for, or has had since, so that it may be busy for it.
    crowded: bool,
    /// Its owner had the place in some mode when it was asked for, so that it need not wait behind others.
    at_home: bool,
    /// The server has refused it since it was asked for.
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Asked,
    Held,
    Ending,
}

/// The locks of a client that have not ended, in the order of their coming.
#[derive(Clone, Debug, Default)]
pub(super) struct Lives {
    pub(super) locks: BTreeMap<LockId, Life>,
}

impl Life {
    pub(super) fn asked(user: usize, request: &AdvisoryRequest) -> Self {
        Self {
            user,
            key: request.key.clone(),
            mode: request.mode,
            owner: request.owner,
            wait: request.wait,
            stage: Stage::Asked,
            crowded: false,
            at_home: false,
            refused: false,
        }
    }

    pub(super) fn place(&self) -> AdvisoryPlace {
        self.key.place()
    }

    /// Whether two locks are of one taker.
    fn stacks_on(&self, other: &Self) -> bool {
        self.owner.is_some() && self.owner == other.owner
    }

    pub(super) fn waits_at(&self, place: AdvisoryPlace) -> bool {
        self.place() == place && self.stage == Stage::Asked
    }

    fn conflicts_with(&self, other: &Self) -> bool {
        self.place() == other.place() && !self.stacks_on(other) && self.mode.conflicts(other.mode)
    }
}

impl Lives {
    /// Somebody asks for a lock, while its client has those that `is_there` knows.
    pub(super) fn asked(
        &mut self,
        lock: LockId,
        mut life: Life,
        is_there: impl Fn(LockId) -> bool,
    ) -> Verdict {
        life.at_home = self.locks.iter().any(|(other_lock, other)| {
            other.place() == life.place() && life.stacks_on(other) && is_there(*other_lock)
        });
        for other in self.locks.values_mut() {
            let meets = life.conflicts_with(other);
            life.crowded |= meets || other.waits_at(life.place());
            other.crowded |= meets;
        }
        match self.locks.insert(lock, life) {
            None => Ok(()),
            Some(_) => broken("O3", format!("{lock:?} was given out twice")),
        }
    }

    /// The server has refused a place to this client.
    pub(super) fn refused(&mut self, place: AdvisoryPlace) {
        let here = self.locks.values_mut().filter(|life| life.place() == place);
        here.for_each(|life| life.refused = true);
    }

    pub(super) fn held(&self) -> impl Iterator<Item = (LockId, &Life)> {
        let held = |(_, life): &(&LockId, &Life)| life.stage == Stage::Held;
        self.locks.iter().filter(held).map(|(lock, life)| (*lock, life))
    }

    /// The locks that the owner has here in this mode already, so that one more costs nothing.
    pub(super) fn below(&self, lock: LockId) -> impl Iterator<Item = LockId> {
        let top = self.locks.get(&lock);
        let carries = move |life: &Life| {
            top.is_some_and(|top| {
                life.place() == top.place() && life.mode == top.mode && top.stacks_on(life)
            })
        };
        self.held().filter(move |(_, life)| carries(life)).map(|(lock, _)| lock)
    }

    /// Answers the lock's user, and whether the lock has ended.
    pub(super) fn told(&mut self, event: &Event) -> Result<Option<(usize, bool)>, crate::Broken> {
        let Some(lock) = event.lock() else { return Ok(None) };
        let Some(life) = self.locks.get(&lock) else {
            broken(
                "O3",
                format!("{event:?} is about a lock that has ended, or was never asked for"),
            )?;
            return Ok(None);
        };
        self.check(lock, life, event)?;
        let user = life.user;
        if event.is_terminal() {
            self.locks.remove(&lock);
        } else if let (Event::AdvisoryAcquired { .. }, Some(life)) =
            (event, self.locks.get_mut(&lock))
            && life.stage == Stage::Asked
        {
            life.stage = Stage::Held;
        }
        Ok(Some((user, event.is_terminal())))
    }

    fn check(&self, lock: LockId, life: &Life, event: &Event) -> Verdict {
        let stage = life.stage;
        let fits = match event {
            Event::AdvisoryAcquired { .. } => {
                if stage == Stage::Asked {
                    self.check_order(lock, life)?;
                }
                matches!(stage, Stage::Asked | Stage::Ending)
            }
            Event::Renewed { .. } | Event::AtRisk { .. } | Event::Lost { .. } => {
                matches!(stage, Stage::Held | Stage::Ending)
            }
            Event::Busy { .. } => {
                if !life.crowded && !life.refused {
                    return broken(
                        "O3",
                        format!("{lock:?} of {} counts as busy, but nobody has it", life.key),
                    );
                }
                stage == Stage::Asked && matches!(life.wait, Wait::Try | Wait::Probe)
            }
            Event::TimedOut { .. } => stage == Stage::Asked && matches!(life.wait, Wait::AtMost(_)),
            Event::Failed { .. } => stage == Stage::Asked,
            Event::Cancelled { .. } | Event::Released { .. } => stage == Stage::Ending,
            Event::Acquired { .. }
            | Event::Waiting { .. }
            | Event::Amended { .. }
            | Event::AmendFailed { .. }
            | Event::Answered { .. }
            | _ => false,
        };
        if fits {
            Ok(())
        } else {
            broken("O3", format!("{event:?} came while the lock was {stage:?}"))
        }
    }

    /// Nobody has what excludes it, and nobody is passed over who came before it.
    fn check_order(&self, lock: LockId, life: &Life) -> Verdict {
        for (other_lock, other) in &self.locks {
            if *other_lock == lock {
                continue;
            }
            let names_clash = other.key.clashes_with(&life.key) && other.stage == Stage::Held;
            if names_clash {
                return broken("O7", format!("{} and {} are held at once", life.key, other.key));
            }
            if !life.conflicts_with(other) {
                continue;
            }
            let passed_over = other.stage == Stage::Asked && *other_lock < lock && !life.at_home;
            if other.stage == Stage::Held || passed_over {
                return broken(
                    "O7",
                    format!("{lock:?} was granted though {other_lock:?} is {other:?}"),
                );
            }
        }
        Ok(())
    }
}
