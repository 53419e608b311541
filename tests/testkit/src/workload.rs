//! What the users of a client do: ask for locks in every way there is, hold them, change them, give them
//! back, or change their minds.

use std::time::Duration;

use pglock_core::{Amendment, AskError, Event, Heartbeat, LockId, Request, Wait};

use crate::chronicle::Fact;
use crate::coincidence::Coincidence;
use crate::oracle::{Asked, Holder, Verdict, broken};
use crate::plan::Scenario;
use crate::world::{Happening, World};

/// Somebody who wants one lock at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    doing: Doing,
    turn: u32,
    /// It has asked once more since everything was healed.
    satisfied: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Thinking,
    Asking(LockId),
    Holding {
        lock: LockId,
        by_hand: bool,
        until: u64,
    },
    Ending(LockId),
    Gone,
}

impl User {
    pub(crate) const fn awaits(&self, turn: u32) -> bool {
        self.turn == turn
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.doing == Doing::Gone
    }
}

impl World {
    /// A user will want a lock in a while, or not before all is healed: whoever chooses nothing rests, or the
    /// most benign history would be one of the longest.
    pub(crate) fn think(&mut self, client: usize, user: usize) {
        let rests = !self.healed && self.tape.below(256) == 0;
        let person = &mut self.processes[client].users[user];
        person.doing = if person.satisfied { Doing::Gone } else { Doing::Thinking };
        if rests {
            person.turn += 1;
            return;
        }
        let longest = self.plan.lease / if self.healed { 16 } else { 1 };
        let after = self.tape.log_uniform(self.plan.lease / 1_024, longest);
        self.plan_act(client, user, after);
    }

    fn plan_act(&mut self, client: usize, user: usize, after: u64) {
        let process = &mut self.processes[client];
        let person = &mut process.users[user];
        person.turn += 1;
        let (who, turn) = (process.who, person.turn);
        self.queue.plan(self.now + after, Happening::User { client, who, user, turn });
    }

    pub(crate) fn user_acts(&mut self, client: usize, user: usize) -> Verdict {
        match self.processes[client].users[user].doing {
            Doing::Thinking => self.ask(client, user)?,
            Doing::Asking(lock) => self.cancel(client, user, lock),
            Doing::Holding { lock, by_hand, until } => {
                self.work_on(client, user, lock, by_hand, until)?;
            }
            Doing::Ending(_) | Doing::Gone => return Ok(()),
        }
        self.drain(client)
    }

    fn ask(&mut self, client: usize, user: usize) -> Verdict {
        let (request, asked_for) = self.draw_request();
        let reading = self.read_clock(client);
        let process = &mut self.processes[client];
        let who = process.who;
        let wait = request.wait;
        let by_hand = request.heartbeat == Some(Heartbeat::ByHand);
        let answer = process.client.acquire(request, reading);
        self.trace.note(self.now, (who, reading, asked_for, wait, &answer), || {
            format!("w{who} at {} asks for {asked_for}, {wait:?}: {answer:?}", reading.as_nanos())
        });
        let Ok(lock) = answer else {
            let exhausted = matches!(answer, Err(AskError::ClockExhausted));
            if exhausted {
                self.meet(Coincidence::ClockExhausted);
            }
            let gone = exhausted || self.healed;
            let process = &mut self.processes[client];
            process.clock_ends |= exhausted;
            if exhausted {
                self.trace.keep(self.now, || Fact::ClockEnds { who });
            }
            let process = &mut self.processes[client];
            process.users[user].satisfied |= gone;
            self.think(client, user);
            return Ok(());
        };
        let process = &mut self.processes[client];
        process.users[user].satisfied |= self.healed;
        process.users[user].doing = Doing::Asking(lock);
        let give_up = match wait {
            Wait::AtMost(span) => Some(reading.saturating_add(span)),
            Wait::ForEver | Wait::Try | Wait::Probe => None,
        };
        self.trace.keep(self.now, || Fact::Asks { who, lock: lock.as_u64(), name: asked_for });
        let tick_since = self.now.saturating_sub(self.plan.slowest(self.plan.granularity * 2));
        let asked = Asked { name: asked_for, at: self.now, tick_since, by_hand, give_up };
        self.oracle.lives.asked(Holder { who, lock }, asked)?;
        if self.tape.below(5) == 4 {
            let after = self.tape.log_uniform(self.plan.lease / 16_384, self.plan.lease * 2);
            self.plan_act(client, user, after);
        } else {
            self.processes[client].users[user].turn += 1;
        }
        Ok(())
    }

    fn draw_request(&mut self) -> (Request, usize) {
        let name = self.tape.index(self.names.len());
        let lease = self.plan.lease;
        let tape = &mut self.tape;
        let mut request = Request::new(self.names[name].clone());
        request.wait = match tape.below(6) {
            0 | 1 => Wait::ForEver,
            2 | 3 => Wait::AtMost(Duration::from_nanos(tape.log_uniform(lease / 64, lease * 8))),
            4 => Wait::Try,
            _ => Wait::Probe,
        };
        if self.plan.mixed_leases && tape.below(2) == 1 {
            let lease = self.plan.other_lease(tape);
            let fits = self.plan.config.timing(Some(lease), None).is_ok();
            request.lease = fits.then_some(lease);
        }
        if tape.below(8) == 7 {
            request.heartbeat = Some(Heartbeat::ByHand);
        }
        if tape.below(4) == 3 {
            let data = tape.below(256).to_le_bytes();
            request.data = Some(data[..1].into());
            request.replace_data = tape.below(2) == 1;
            request.keep_data = tape.below(2) == 1;
        }
        (request, name)
    }

    fn cancel(&mut self, client: usize, user: usize, lock: LockId) {
        let reading = self.read_clock(client);
        let process = &mut self.processes[client];
        let who = process.who;
        if process.client.cancel(lock, reading).is_ok() {
            self.trace.note(self.now, (who, lock), || format!("w{who} cancels {lock:?}"));
            self.trace.keep(self.now, || Fact::LetsGo { who, lock: lock.as_u64() });
            process.users[user].doing = Doing::Ending(lock);
            self.oracle.lives.ending(Holder { who, lock });
        }
    }

    /// A user who holds a lock works, beats by hand, changes something, or gives it back.
    fn work_on(
        &mut self,
        client: usize,
        user: usize,
        lock: LockId,
        by_hand: bool,
        until: u64,
    ) -> Verdict {
        if self.now >= until || self.healed {
            return self.give_back(client, user, lock);
        }
        let reading = self.read_clock(client);
        let choice = if by_hand { 0 } else { self.tape.below(4) };
        let amendment = (choice == 1).then(|| self.draw_amendment());
        let process = &mut self.processes[client];
        let who = process.who;
        let answer = match amendment {
            Some(amendment) => process.client.amend(lock, amendment, reading),
            None => process.client.heartbeat(lock, reading),
        };
        let facts = (who, lock, &answer);
        self.trace.note(self.now, facts, || format!("w{who} beats or amends {lock:?}: {answer:?}"));
        self.plan_work(client, user, by_hand, until);
        Ok(())
    }

    fn draw_amendment(&mut self) -> Amendment {
        let tape = &mut self.tape;
        let lease = self.plan.other_lease(tape);
        let calm = self.plan.scenario == Scenario::Calm;
        let wanted = tape.below(2) == 1 && !calm;
        let data = match tape.below(3) {
            0 => None,
            1 => Some(None),
            _ => Some(Some(tape.below(256).to_le_bytes()[..1].into())),
        };
        Amendment { lease: wanted.then_some(lease), data }
    }

    fn give_back(&mut self, client: usize, user: usize, lock: LockId) -> Verdict {
        let reading = self.read_clock(client);
        let by_cancel = self.tape.below(4) == 3;
        let process = &mut self.processes[client];
        let who = process.who;
        let answer = if by_cancel {
            process.client.cancel(lock, reading)
        } else {
            process.client.release(lock, reading)
        };
        let facts = (who, lock, &answer);
        self.trace.note(self.now, facts, || format!("w{who} gives {lock:?} back: {answer:?}"));
        if answer.is_ok() {
            self.trace.keep(self.now, || Fact::LetsGo { who, lock: lock.as_u64() });
            self.processes[client].users[user].doing = Doing::Ending(lock);
            self.oracle.lives.ending(Holder { who, lock });
            self.keep_belief(client, lock);
            if self.processes[client].client.valid_until(lock).is_some() {
                return broken("O3", format!("w{who} {lock:?} is believed while it is released"));
            }
        }
        Ok(())
    }

    /// A user is told what became of its wish.
    pub(crate) fn user_hears(&mut self, client: usize, event: &Event) {
        let Some(lock) = event.lock() else { return };
        let users = &self.processes[client].users;
        let Some(user) = users.iter().position(|user| user.concerns(lock)) else { return };
        if event.is_terminal() {
            return self.think(client, user);
        }
        if let Event::Acquired { .. } = event {
            let who = self.processes[client].who;
            let by_hand = self.oracle.lives.is_by_hand(Holder { who, lock });
            let longest = self.plan.lease * 4 / if self.healed { 256 } else { 1 };
            let until = self.now + self.tape.log_uniform(self.plan.lease / 1_024, longest);
            self.processes[client].users[user].doing = Doing::Holding { lock, by_hand, until };
            self.plan_work(client, user, by_hand, until);
        }
    }

    /// Plans the next thing a holder does.
    fn plan_work(&mut self, client: usize, user: usize, by_hand: bool, until: u64) {
        let left = until.saturating_sub(self.now);
        let after = if by_hand {
            self.plan.lease / 8
        } else if self.tape.below(3) == 2 {
            self.tape.below(left + 1)
        } else {
            left
        };
        self.plan_act(client, user, after.min(left));
    }

    /// From now on users give back what they hold and ask once more, and then no more.
    pub(crate) fn hurry_users(&mut self) {
        for client in 0..self.processes.len() {
            for user in 0..self.processes[client].users.len() {
                match self.processes[client].users[user].doing {
                    Doing::Thinking | Doing::Holding { .. } => {
                        let after = self.tape.log_uniform(1_000, self.plan.lease / 16);
                        self.plan_act(client, user, after);
                    }
                    Doing::Asking(_) | Doing::Ending(_) | Doing::Gone => {}
                }
            }
        }
    }
}

impl User {
    fn concerns(&self, other: LockId) -> bool {
        match self.doing {
            Doing::Asking(lock) | Doing::Holding { lock, .. } | Doing::Ending(lock) => {
                lock == other
            }
            Doing::Thinking | Doing::Gone => false,
        }
    }
}
