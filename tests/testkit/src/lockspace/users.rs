//! What the users of a client do: ask for locks in every way there is, hold them, give them back, or change their
//! minds.

use pglock_core::{AdvisoryRequest, AskError, Client, Instant, LockId, OwnerId, Wait};

use super::met::Coincidence;
use super::person::{Doing, Life, Stage};
use super::world::{Happening, World};
use crate::oracle::{Verdict, broken};

impl World {
    /// A user will want a lock in a while, or not before all is healed.
    pub(super) fn think(&mut self, client: usize, user: usize) {
        let rests = !self.healed && self.tape.below(256) == 0;
        let person = &mut self.processes[client].users[user];
        person.doing = if person.satisfied { Doing::Gone } else { Doing::Thinking };
        person.turn += 1;
        if !rests {
            let longest = self.plan.silence / if self.healed { 16 } else { 1 };
            let after = self.tape.log_uniform(self.plan.silence / 1_024, longest);
            self.plan_act(client, user, after);
        }
    }

    pub(super) fn plan_act(&mut self, client: usize, user: usize, after: u64) {
        let process = &mut self.processes[client];
        let person = &mut process.users[user];
        person.turn += 1;
        let (who, turn) = (process.who, person.turn);
        self.queue.plan(self.now + after, Happening::User { client, who, user, turn });
    }

    pub(super) fn user_acts(&mut self, client: usize, user: usize) -> Verdict {
        match self.processes[client].users[user].doing {
            Doing::Thinking => return self.ask(client, user),
            Doing::Asking(lock) => self.end_lock(client, user, lock, Client::cancel)?,
            Doing::Holding(lock) => self.end_lock(client, user, lock, Client::release)?,
            Doing::Ending(_) | Doing::Gone => return Ok(()),
        }
        self.drain(client)
    }

    fn end_lock(
        &mut self,
        client: usize,
        user: usize,
        lock: LockId,
        end: fn(&mut Client, LockId, Instant) -> Result<(), AskError>,
    ) -> Verdict {
        let reading = self.read_clock(client);
        let process = &mut self.processes[client];
        let who = process.who;
        self.trace.note(self.now, (who, lock), || format!("w{who} lets go of {lock:?}"));
        let process = &mut self.processes[client];
        process.users[user].doing = Doing::Ending(lock);
        // It may have ended without its user's knowing yet.
        if end(&mut process.client, lock, reading).is_ok()
            && let Some(life) = process.lives.locks.get_mut(&lock)
        {
            life.stage = Stage::Ending;
        }
        if process.client.release(lock, reading).is_ok() {
            return broken("O7", format!("{lock:?} was given back twice"));
        }
        Ok(())
    }

    fn ask(&mut self, client: usize, user: usize) -> Verdict {
        let request = self.draw_request();
        let life = Life::asked(user, &request);
        let reading = self.read_clock(client);
        let process = &mut self.processes[client];
        let who = process.who;
        let answer = process.client.acquire_advisory(request.clone(), reading);
        self.trace.note(self.now, (who, &request, &answer), || {
            let AdvisoryRequest { key, mode, wait, owner, in_line, .. } = &request;
            let way = if *in_line { " in line" } else { "" };
            format!("w{who} asks{way} for {key}, {mode:?}, {wait:?}, {owner:?}: {answer:?}")
        });
        let process = &mut self.processes[client];
        process.users[user].satisfied |= self.healed;
        match &answer {
            Err(AskError::NameClash { .. }) => self.reached.met(Coincidence::NameClash),
            Err(AskError::Upgrade(_)) => self.reached.met(Coincidence::UpgradeRefused),
            Ok(_) | Err(_) => {}
        }
        let Ok(lock) = answer else {
            self.think(client, user);
            return self.drain(client);
        };
        process.users[user].doing = Doing::Asking(lock);
        let is_there = |lock| process.client.valid_until(lock).is_some();
        process.lives.asked(lock, life, is_there)?;
        if process.lives.below(lock).any(is_there) {
            if !is_there(lock) {
                return broken("O7", format!("{lock:?} does not stack on what its owner has"));
            }
            self.reached.met(Coincidence::Stacked);
        }
        if self.tape.below(5) == 4 {
            let after = self.tape.log_uniform(self.plan.silence / 16_384, self.plan.silence * 2);
            self.plan_act(client, user, after);
        } else {
            process.users[user].turn += 1;
        }
        self.drain(client)
    }

    fn draw_request(&mut self) -> AdvisoryRequest {
        let tape = &mut self.tape;
        let key = self.plan.keys[tape.index(self.plan.keys.len())].clone();
        let mut request = AdvisoryRequest::new(key);
        if tape.below(2) == 1 {
            request.mode = pglock_core::AdvisoryMode::Shared;
        }
        let silence = self.plan.silence;
        request.wait = match tape.below(6) {
            0 | 1 => Wait::ForEver,
            2 | 3 => {
                let span = tape.log_uniform(silence / 64, silence * 8);
                Wait::AtMost(std::time::Duration::from_nanos(span))
            }
            4 => Wait::Try,
            _ => Wait::Probe,
        };
        let owner = tape.below(self.plan.owners + 1);
        request.owner = owner.checked_sub(1).map(OwnerId::new);
        request.in_line = tape.below(2) == 1;
        request
    }
}
