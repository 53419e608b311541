//! What happens to everybody by chance: processes stand still or crash, clocks change their pace, the
//! server restarts, strangers lock rows, operators meddle, Go clients come by.

use std::time::Duration;

use pglock_core::bugs::{Bug, made};
use pglock_core::{Evict, Outcome, Owner, Rvn, Statement, Token};

use crate::chronicle::{Fact, Written};
use crate::coincidence::Coincidence;
use crate::oracle::{Cause, Verdict};
use crate::plan::{Scenario, nanos};
use crate::world::{Happening, World};

/// What happens by chance.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) enum Weather {
    Pause {
        client: usize,
    },
    SpuriousPoll {
        client: usize,
    },
    RateChange {
        client: usize,
    },
    Crash {
        client: usize,
    },
    Restart {
        client: usize,
    },
    /// Nothing passes between a client and the server.
    Clog {
        client: usize,
    },
    ServerCrash,
    LockRow,
    UnlockRow {
        name: usize,
    },
    LockTable,
    UnlockTable,
    Meddle,
    ForeignArrival,
    ForeignBeat {
        foreigner: usize,
    },
    FailOver,
}

/// A client of the Go library on a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreigner {
    name: usize,
    rvn: Rvn,
    beats_left: u64,
    dies: bool,
}

impl World {
    /// Plans what will happen by chance.
    pub(crate) fn forecast(&mut self) {
        for client in 0..self.plan.clients {
            self.again(Weather::Pause { client });
            self.again(Weather::SpuriousPoll { client });
            self.again(Weather::RateChange { client });
            self.again(Weather::Crash { client });
            self.again(Weather::Clog { client });
        }
        self.again(Weather::ServerCrash);
        self.again(Weather::FailOver);
        self.again(Weather::LockRow);
        self.again(Weather::LockTable);
        self.again(Weather::Meddle);
        self.again(Weather::ForeignArrival);
    }

    /// Plans something for about its gap from now.
    fn again(&mut self, weather: Weather) {
        let gap = self.gap(weather);
        if let Some(after) = self.tape.again(gap) {
            self.queue.plan(self.now + after, Happening::Weather(weather));
        }
    }

    /// About how long it takes until it happens (again).
    const fn gap(&self, weather: Weather) -> u64 {
        let gap = &self.faults.gap;
        match weather {
            Weather::Pause { .. } => gap.pause,
            Weather::SpuriousPoll { .. } => gap.spurious_poll,
            Weather::RateChange { .. } => gap.rate_change,
            Weather::Crash { .. } => gap.crash,
            Weather::Clog { .. } => gap.clog,
            Weather::ServerCrash => gap.server_crash,
            Weather::FailOver => gap.fail_over,
            Weather::LockRow => gap.row_locked,
            Weather::LockTable => gap.table_locked,
            Weather::Meddle => gap.meddling,
            Weather::ForeignArrival => gap.foreign,
            Weather::Restart { .. }
            | Weather::UnlockRow { .. }
            | Weather::UnlockTable
            | Weather::ForeignBeat { .. } => 0,
        }
    }

    pub(crate) fn change_weather(&mut self, weather: Weather) -> Verdict {
        let recurs = self.gap(weather) > 0;
        self.again(weather);
        match weather {
            Weather::Pause { client } if recurs => return self.stand_still(client),
            Weather::SpuriousPoll { client } if recurs && self.processes[client].running => {
                return self.drain(client);
            }
            Weather::RateChange { client } if recurs => return self.change_rate(client),
            Weather::Crash { client } if recurs && self.processes[client].running => {
                self.crash(client);
                let after = self.tape.log_uniform(self.plan.lease / 64, self.plan.lease * 4);
                let restart = Happening::Weather(Weather::Restart { client });
                self.queue.plan(self.now + after, restart);
            }
            Weather::Clog { client } if recurs => self.clog(client),
            Weather::ServerCrash if recurs => self.crash_server(),
            Weather::FailOver if recurs => return self.fail_over(),
            Weather::LockRow if recurs => self.lock_row(),
            Weather::LockTable if recurs => self.lock_table(),
            Weather::Meddle if recurs => return self.meddle(),
            Weather::ForeignArrival if recurs => return self.foreigner_comes(),
            Weather::Restart { client } if !self.healed => self.start(client),
            Weather::UnlockRow { name } => self.unlock_row(name),
            Weather::UnlockTable => self.unlock_table(),
            Weather::ForeignBeat { foreigner } => return self.foreigner_beats(foreigner),
            Weather::Pause { .. }
            | Weather::SpuriousPoll { .. }
            | Weather::RateChange { .. }
            | Weather::Crash { .. }
            | Weather::Clog { .. }
            | Weather::ServerCrash
            | Weather::FailOver
            | Weather::LockRow
            | Weather::LockTable
            | Weather::Meddle
            | Weather::ForeignArrival
            | Weather::Restart { .. } => {}
        }
        Ok(())
    }

    fn stand_still(&mut self, client: usize) -> Verdict {
        let pause = self.tape.below(self.faults.pause + 1);
        let process = &mut self.processes[client];
        process.paused_until = process.paused_until.max(self.now + pause);
        let (who, until) = (process.who, process.paused_until);
        self.trace.note(self.now, (who, pause), || format!("w{who} stands still for {pause}"));
        self.trace.keep(self.now, || Fact::StandsStill { who, until });
        if made(Bug::M28) {
            self.processes[client].clock.freeze(self.now, until);
            return self.deadlines_move(client);
        }
        Ok(())
    }

    /// Nothing passes between a client and the server for a while; then all of it does.
    fn clog(&mut self, client: usize) {
        let span = self.tape.log_uniform(self.plan.lease / 64, self.plan.lease * 2);
        let process = &mut self.processes[client];
        process.clogged_until = self.now + span;
        let who = process.who;
        self.meet(Coincidence::PathClogged);
        self.trace.note(self.now, (who, span), || format!("w{who} is cut off for {span}"));
    }

    fn change_rate(&mut self, client: usize) -> Verdict {
        let rate = self.plan.rate(&mut self.tape);
        let process = &mut self.processes[client];
        process.clock.set_rate(self.now, rate);
        if made(Bug::M27) {
            process.clock.set_back(self.now, self.plan.lease / 2);
        }
        let who = process.who;
        self.trace.note(self.now, (who, rate), || format!("w{who} has {:?}", process.clock));
        self.deadlines_move(client)
    }

    /// A clock shows another time than it would have shown: its deadlines are at other true moments.
    fn deadlines_move(&mut self, client: usize) -> Verdict {
        let process = &self.processes[client];
        let who = process.who;
        if process.running {
            self.keep_beliefs(client);
            let process = &self.processes[client];
            self.oracle.clock_changed(who, &process.clock, self.now)?;
        }
        Ok(())
    }

    fn lock_row(&mut self) {
        let calm = self.plan.scenario == Scenario::Calm;
        let name = if calm { 0 } else { self.tape.index(self.names.len()) };
        let span = self.tape.log_uniform(self.plan.lease / 64, self.plan.lease * 4);
        let facts = (name, span);
        self.trace.note(self.now, facts, || format!("a stranger locks row {name} for {span}"));
        let until = self.now + span;
        self.trace.keep(self.now, || Fact::RowLocked { name, until });
        self.server.lock_row(&self.names[name]);
        self.oracle.ledger.disturb(name);
        self.queue.plan(self.now + span, Happening::Weather(Weather::UnlockRow { name }));
    }

    fn unlock_row(&mut self, name: usize) {
        self.trace.note(self.now, name, || format!("row {name} is unlocked"));
        self.server.unlock_row(&self.names[name]);
        self.unlocked();
    }

    /// Somebody alters the table, which waits for nobody and lets nobody in.
    fn lock_table(&mut self) {
        let span = self.tape.log_uniform(self.plan.lease / 64, self.plan.lease * 2);
        self.trace.note(self.now, span, || format!("a stranger locks the table for {span}"));
        self.table_locked = true;
        self.meet(Coincidence::TableLocked);
        (0..self.names.len()).for_each(|name| self.oracle.ledger.disturb(name));
        self.queue.plan(self.now + span, Happening::Weather(Weather::UnlockTable));
    }

    pub(crate) fn unlock_table(&mut self) {
        self.trace.note(self.now, (), || "the table is unlocked".into());
        self.table_locked = false;
        self.unlocked();
    }

    fn meddle(&mut self) -> Verdict {
        let name = self.tape.index(self.names.len());
        match self.tape.below(4) {
            0 | 1 => self.delete(name),
            2 => self.evict(name),
            _ => (0..self.names.len()).try_for_each(|name| self.delete(name)),
        }
    }

    fn evict(&mut self, name: usize) -> Verdict {
        let Some(token) = self.server.row(&self.names[name]).and_then(|row| row.token) else {
            return Ok(());
        };
        let (name, token) = (self.names[name].clone(), Token::new(token));
        let evict = Evict { name, token, lock_timeout: Duration::ZERO };
        let outcome = self.server.execute(&Statement::Evict(evict));
        self.trace
            .note(self.now, &outcome, || format!("an operator evicts the holder: {outcome:?}"));
        if matches!(&outcome, Outcome::Rows(rows) if !rows.is_empty()) {
            self.meet(Coincidence::HolderEvicted);
        }
        self.stranger_wrote()
    }

    fn delete(&mut self, name: usize) -> Verdict {
        self.trace.note(self.now, name, || format!("an operator deletes row {name}"));
        if self.server.row(&self.names[name]).is_some_and(|row| row.rvn.is_some()) {
            self.meet(Coincidence::HeldRowDeleted);
        }
        self.server.delete(&self.names[name]);
        self.stranger_wrote()?;
        self.unlocked();
        if made(Bug::M11) {
            (0..self.processes.len()).for_each(|client| self.restart_numbers(client));
        }
        Ok(())
    }

    fn foreigner_comes(&mut self) -> Verdict {
        let name = self.tape.index(self.names.len());
        let free = self.server.row(&self.names[name]).is_none_or(|row| row.rvn.is_none());
        if !free {
            return Ok(());
        }
        let beats_left = self.tape.below(12);
        let dies = self.tape.below(2) == 1;
        let Some(rvn) = self.foreign_write(name) else { return Ok(()) };
        self.stranger_wrote()?;
        let foreigner = self.foreigners.len();
        self.foreigners.push(Foreigner { name, rvn, beats_left, dies });
        let beat = nanos(self.plan.config.foreign.heartbeat);
        self.queue.plan(self.now + beat, Happening::Weather(Weather::ForeignBeat { foreigner }));
        Ok(())
    }

    fn foreigner_beats(&mut self, foreigner: usize) -> Verdict {
        let Foreigner { name, rvn, beats_left, dies } = self.foreigners[foreigner];
        let holds = self.server.row(&self.names[name]).is_some_and(|row| row.rvn == Some(rvn));
        if !holds || (beats_left == 0 && dies) {
            return Ok(());
        }
        if beats_left == 0 || self.healed {
            self.server.foreign_release(&self.names[name], rvn);
            return self.stranger_wrote();
        }
        if let Some(rvn) = self.foreign_write(name) {
            self.foreigners[foreigner] = Foreigner { name, rvn, beats_left: beats_left - 1, dies };
        }
        let beat = nanos(self.plan.config.foreign.heartbeat);
        self.queue.plan(self.now + beat, Happening::Weather(Weather::ForeignBeat { foreigner }));
        self.stranger_wrote()
    }

    fn foreign_write(&mut self, name: usize) -> Option<Rvn> {
        self.trace.note(self.now, name, || format!("a Go client writes row {name}"));
        let owner = Owner::new("go").unwrap_or_default();
        self.server.foreign_write(&self.names[name], &owner)
    }

    /// The server crashes, or a standby is promoted in its place; the last commits may be lost.
    fn fail_over(&mut self) -> Verdict {
        self.crash_server();
        let tail = self.tape.below(self.faults.lost_tail + 1);
        let promoted = self.tape.below(2) == 0;
        let last = self.now.saturating_sub(tail);
        let since = self.past.partition_point(|(at, _)| *at <= last);
        let left = self.past.drain(..since).next_back();
        self.past.clear();
        let replica = left.map_or_else(|| self.server.clone(), |(_, server)| server);
        if promoted {
            self.server.fail_over(&replica);
        } else {
            self.server.lose_tail(&replica);
        }
        let timeline = self.server.timeline();
        self.trace.note(self.now, (tail, timeline), || {
            format!("what was committed in the last {tail} is lost; timeline {timeline}")
        });
        self.rewritten(Cause::LostTail { now: self.now })
    }

    fn stranger_wrote(&mut self) -> Verdict {
        self.rewritten(Cause::Stranger { now: self.now })
    }

    /// Rows were changed by no statement of a client.
    fn rewritten(&mut self, cause: Cause<'_>) -> Verdict {
        let changes = self.server.take_changes();
        self.remember();
        self.notify();
        let wrote = || Written::of(&changes, &self.names);
        self.trace.keep(self.now, || Fact::StrangerWrites { wrote: wrote() });
        for change in &changes {
            if let Some(name) = self.index_of(&change.name) {
                self.oracle.changed(name, change, &cause, &self.plan)?;
            }
        }
        Ok(())
    }
}
