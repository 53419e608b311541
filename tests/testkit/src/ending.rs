//! How a history ends: all is healed, everybody must be served within a bound, no row stays held when
//! nobody asks, and every client shuts down.

use pglock_core::{LockName, Rvn};

use crate::Record;
use crate::chronicle::Fact;
use crate::oracle::{Careful, Verdict, broken};
use crate::plan::{Scenario, nanos};
use crate::world::{Happening, World, stuck};

impl World {
    /// Whether a loss can be blamed on the client: never in a storm, until all is healed and the
    /// locks from before are gone.
    pub(crate) fn careful(&self) -> Careful {
        let no_excuse = self.plan.scenario == Scenario::Calm;
        let fine_clock = self.plan.granularity <= self.plan.lease / 256;
        Careful { no_excuse, no_alarm: no_excuse && fine_clock }
    }

    /// Everything is well from now on. Whoever waits is served; whoever holds, gives back.
    pub(crate) fn heal(&mut self) -> Verdict {
        self.trace.note(self.now, (), || "all is healed".into());
        self.trace.keep(self.now, || Fact::Healed);
        self.healed = true;
        self.healed_at = self.now;
        self.faults = self.faults.healed();
        self.processes.iter_mut().for_each(|process| process.clogged_until = 0);
        (0..self.processes.len()).for_each(|client| self.rouse(client));
        for name in 0..self.names.len() {
            self.server.unlock_row(&self.names[name]);
        }
        self.unlock_table();
        self.take_verdict()?;
        for client in 0..self.processes.len() {
            if !self.processes[client].running {
                self.start(client);
            }
        }
        self.hurry_users();
        let bound = self.bound();
        self.queue.plan(self.now + bound, Happening::Deadline);
        Ok(())
    }

    /// How long it can take until the last of all users is served: what is late arrives, sessions are
    /// opened, the dead are watched for a lease, and then all take turns, each a poll after the other.
    fn bound(&self) -> u64 {
        let config = &self.plan.config;
        let turn = nanos(config.poll * 2) + self.plan.lease / 8 + self.faults.usual_delay * 16;
        let turns = (self.plan.clients * self.plan.users * 2 + 2) as u64;
        let late = self.plan.faults.slow_delay * 4;
        late + self.settling() + self.plan.longest_watch() * 2 + self.plan.slowest(turn * turns)
    }

    /// How long it can take until all sessions are open and what was under way is over.
    fn settling(&self) -> u64 {
        let config = &self.plan.config;
        let span = config.connect_deadline + config.reply_deadline.min(config.longest_lease / 4);
        self.plan.slowest(nanos((span + config.backoff.longest) * 4))
    }

    pub(crate) fn check_all_served(&mut self) -> Verdict {
        for process in self.processes.iter().filter(|process| !process.clock_ends) {
            if let Some(user) = process.users.iter().find(|user| !user.is_gone()) {
                return stuck(format!(
                    "L1: w{} has not been served within {} of healing: {user:?}",
                    process.who,
                    self.bound()
                ));
            }
        }
        let lease = self.plan.longest_watch();
        self.queue.plan(self.now + lease * 3 + self.settling(), Happening::AllQuiet);
        Ok(())
    }

    /// No row stays held when nobody asks, unless its holder crashed or the grant came after everybody
    /// had turned away.
    pub(crate) fn check_nothing_stranded(&mut self) -> Verdict {
        for (index, name) in self.names.iter().enumerate() {
            let held = self.server.row(name).is_some_and(Record::is_held);
            self.check_nobody_waits(index, name)?;
            let Some(grant) = self.oracle.ledger.current(index).filter(|_| held) else { continue };
            let fresh = grant.committed > self.healed_at && !grant.zombie;
            if fresh && self.is_well(grant.who) {
                return stuck(format!(
                    "L3: row {name} stays held by w{} {:?}, who has let it go",
                    grant.who, grant.lock
                ));
            }
        }
        for client in 0..self.processes.len() {
            let who = self.processes[client].who;
            let clock_ends = self.processes[client].clock_ends;
            if let Some(lock) = self.oracle.lives.unended(who).next().filter(|_| !clock_ends) {
                return broken("O3", format!("w{who} {lock:?} has had no terminal event"));
            }
            for lock in self.oracle.lives.unended(who) {
                self.trace.keep(self.now, || Fact::LetsGo { who, lock: lock.as_u64() });
            }
            self.oracle.lives.all_ending(who);
            let reading = self.read_clock(client);
            self.processes[client].client.shut_down(reading);
            self.drain(client)?;
        }
        self.queue.plan(self.now + self.settling() * 2, Happening::ShutDownDeadline);
        Ok(())
    }

    /// No row's line keeps the ticket of a client that waits no more, and would be handed the lock.
    fn check_nobody_waits(&self, index: usize, name: &LockName) -> Verdict {
        let line = self.server.row(name).map_or(&[][..], |row| &row.waiters);
        let owner = |ticket: &Rvn| self.oracle.ledger.waits_in_line(index, *ticket, self.healed_at);
        match line.iter().filter_map(owner).find(|who| self.is_well(*who)) {
            Some(who) => {
                stuck(format!("L3: w{who} stays in the line of row {name}, but waits no more"))
            }
            None => Ok(()),
        }
    }

    /// Whether a process has not crashed, and its clock goes on.
    fn is_well(&self, who: usize) -> bool {
        self.processes.iter().any(|process| process.who == who && !process.clock_ends)
    }

    pub(crate) fn check_shut_down(&mut self) -> Verdict {
        self.over = true;
        for process in &self.processes {
            if !process.client.is_shut_down() && !process.clock_ends {
                return stuck(format!("w{} does not come to its end", process.who));
            }
        }
        self.trace.keep(self.now, || Fact::Over);
        Ok(())
    }
}
