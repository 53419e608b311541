//! How a history ends: all is healed, everybody must be served within a bound, nothing stays held when nobody asks,
//! and every client shuts down.

use std::collections::BTreeSet;

use super::network::session;
use super::person::Doing;
use super::server::Kind;
use super::world::{Happening, STRANGERS, World};
use crate::oracle::{Verdict, broken};
use crate::server::advisory::Session;

impl World {
    /// Everything is well from now on. Whoever waits is served; whoever holds, gives back.
    pub(super) fn heal(&mut self) {
        self.trace.note(self.now, (), || "all is healed".into());
        self.healed = true;
        self.faults = self.faults.healed();
        for stranger in STRANGERS {
            self.server.end(stranger);
        }
        for client in 0..self.processes.len() {
            self.rouse(client);
            if !self.processes[client].running {
                self.start(client);
            }
            for user in 0..self.plan.users {
                match self.processes[client].users[user].doing {
                    Doing::Thinking | Doing::Holding(_) => {
                        let after = self.tape.below(self.plan.silence / 16);
                        self.plan_act(client, user, after);
                    }
                    Doing::Asking(_) => self.processes[client].users[user].satisfied = true,
                    Doing::Ending(_) | Doing::Gone => {}
                }
            }
        }
        self.queue.plan(self.now + self.bound(), Happening::Deadline);
    }

    /// How long it can take until the last of all users is served: sessions that linger end, others are opened,
    /// and then all take turns, each a poll after the other.
    fn bound(&self) -> u64 {
        let turns = (self.plan.clients * self.plan.users * 3 + 4) as u64;
        let turn = self.plan.silence / 2 + self.plan.faults.usual_delay * 16;
        let late = self.plan.faults.slow_delay * 4 + self.plan.silence * 8;
        late + self.plan.slowest(self.plan.silence * 12) + self.plan.slowest(turn * turns)
    }

    pub(super) fn check_all_served(&mut self) -> Verdict {
        for process in &self.processes {
            if let Some(user) = process.users.iter().find(|user| user.doing != Doing::Gone) {
                return broken(
                    "O5",
                    format!("w{} has not been served in time: {user:?}", process.who),
                );
            }
        }
        self.queue.plan(self.now + self.plan.slowest(self.plan.silence * 8), Happening::AllQuiet);
        Ok(())
    }

    /// No session holds anything when nobody asks.
    pub(super) fn check_nothing_stranded(&mut self) -> Verdict {
        let ours: BTreeSet<Session> = (0..self.links.len()).map(session).collect();
        let entries = self.server.table.entries();
        let left = entries.iter().find(|entry| ours.contains(&entry.session));
        if let Some(entry) = left.filter(|_| self.plan.kind == Kind::Real) {
            return broken("O5", format!("L3: nobody asks, and {entry:?} is held"));
        }
        for client in 0..self.processes.len() {
            let who = self.processes[client].who;
            if let Some(lock) = self.processes[client].lives.locks.keys().next() {
                return broken("O3", format!("w{who} {lock:?} has had no terminal event"));
            }
            if self.processes[client].sessions.len() > 1 + usize::from(self.plan.config.hints) {
                return broken("O5", format!("w{who} keeps connections that nobody needs"));
            }
            let reading = self.read_clock(client);
            self.processes[client].client.shut_down(reading);
            self.drain(client)?;
        }
        let at = self.now + self.plan.slowest(self.plan.silence * 8);
        self.queue.plan(at, Happening::ShutDownDeadline);
        Ok(())
    }

    pub(super) fn check_shut_down(&mut self) -> Verdict {
        self.over = true;
        match self.processes.iter().find(|process| !process.client.is_shut_down()) {
            Some(process) => broken("O5", format!("w{} does not come to its end", process.who)),
            None => Ok(()),
        }
    }
}
