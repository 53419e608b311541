//! The process of one client: the core, its clock, and the loop that drives it as any adapter does: the
//! moment is read before a command is sent, and after a reply has arrived.

use pglock_core::bugs::{Bug, made};
use pglock_core::{
    Client, Command, Event, Identity, Instant, LockId, Outcome, Output, Owner, ServerError,
    SessionId, Wake,
};

use crate::chronicle::{Fact, Told, shown};
use crate::clock::{Clock, Style};
use crate::coincidence::Coincidence;
use crate::oracle::{Verdict, broken};
use crate::patience::Patience;
use crate::server::starting_up;
use crate::workload::User;
use crate::world::{Happening, World};

#[derive(Clone, Debug)]
pub(crate) struct Process {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    /// Which incarnation it is, among those of all clients.
    pub(crate) who: usize,
    pub(crate) running: bool,
    pub(crate) paused_until: u64,
    /// What is on its way to the server or back arrives no sooner.
    pub(crate) clogged_until: u64,
    pub(crate) users: Vec<User>,
    /// The clock is so near its end that locks are refused.
    pub(crate) clock_ends: bool,
    sessions: Vec<(SessionId, usize)>,
    turn: u64,
    pub(crate) last_reading: Instant,
    /// When it last read its clock, at true time.
    read_at: u64,
    /// When the last reply was handled, on its clock.
    heard: Instant,
    identity: Identity,
    pub(crate) patience: Patience,
}

impl Process {
    /// Whether it still waits for the wake-up that was planned at its `turn`.
    pub(crate) const fn awaits_wake(&self, turn: u64) -> bool {
        self.running && self.turn == turn
    }

    /// Whether a user of the incarnation `who` still waits to do what was planned at its `turn`.
    pub(crate) fn awaits_user(&self, who: usize, user: usize, turn: u32) -> bool {
        self.running && self.who == who && self.users[user].awaits(turn)
    }
}

/// More outputs in a row than any moment needs.
const TOO_MANY_OUTPUTS: u32 = 200;

impl World {
    /// Starts the process of a client that was never there before, though it may have the same name.
    pub(crate) fn start(&mut self, client: usize) {
        let who = self.oracle.lives.born();
        let mut identity = [0x5A; 16];
        identity[..8].copy_from_slice(&(who as u64).to_le_bytes());
        self.start_as(client, who, Identity::new(identity));
    }

    fn start_as(&mut self, client: usize, who: usize, identity: Identity) {
        let clock_ends = self.tape.hit(self.plan.near_end_of_clock);
        let offset = match self.tape.below(3) {
            _ if clock_ends => u64::MAX - self.tape.below(self.plan.lease * 32),
            0 => 0,
            1 => self.tape.below(self.plan.lease * 4),
            _ => self.tape.below(u64::MAX / 2),
        };
        if self.plan.breach {
            self.meet(Coincidence::ClockBeyondBound);
        }
        let style = self.tape.pick(&[Style::Fine, Style::Steps, Style::Jitter]);
        let rate = self.plan.rate(&mut self.tape);
        let clock = Clock::new(self.now, offset, rate, self.plan.granularity, style);
        let seed = if self.plan.one_seed { 7 } else { who as u64 };
        let mut config = self.plan.config.clone();
        config.owner = Owner::new(&format!("client {client}")).unwrap_or_default();
        let Ok(core) = Client::new(config, identity, seed) else { return };
        let facts = (who, client, offset, rate);
        self.trace.note(self.now, facts, || format!("w{who} starts as client {client}, {clock:?}"));
        self.trace.keep(self.now, || Fact::Starts { who, client });
        if clock_ends {
            self.trace.keep(self.now, || Fact::ClockEnds { who });
        }
        let users = (0..self.plan.users).map(|_| User::default()).collect();
        let process = Process {
            client: core,
            clock,
            who,
            running: true,
            paused_until: 0,
            clogged_until: 0,
            users,
            clock_ends,
            sessions: Vec::new(),
            turn: 0,
            last_reading: Instant::default(),
            read_at: self.now,
            heard: Instant::default(),
            identity,
            patience: Patience::new(self.names.len(), self.now),
        };
        match self.processes.get_mut(client) {
            Some(place) => *place = process,
            None => self.processes.push(process),
        }
        for user in 0..self.plan.users {
            self.think(client, user);
        }
    }

    /// The process ends without a word; what is under way goes on.
    pub(crate) fn crash(&mut self, client: usize) {
        let who = self.processes[client].who;
        self.trace.note(self.now, who, || format!("w{who} crashes"));
        self.trace.keep(self.now, || Fact::Crashes { who });
        if self.holds_any(who) {
            self.meet(Coincidence::HolderCrashed);
        }
        self.processes[client].running = false;
        self.oracle.died(who, self.now);
        for index in 0..self.links.len() {
            if self.links[index].who == who && self.links[index].open {
                self.close(index);
            }
        }
    }

    /// The deliberate bug: the numbers of a client begin anew.
    pub(crate) fn restart_numbers(&mut self, client: usize) {
        if self.processes[client].running {
            let identity = self.processes[client].identity;
            self.crash(client);
            let who = self.oracle.lives.born();
            self.start_as(client, who, identity);
        }
    }

    pub(crate) fn read_clock(&mut self, client: usize) -> Instant {
        let process = &mut self.processes[client];
        let late = if process.clock.jitters() { self.tape.below(5) } else { 0 };
        let reading = process.clock.read(self.now, late);
        process.last_reading = process.last_reading.max(reading);
        process.read_at = self.now;
        reading
    }

    /// A process that stood still, or overslept, looks at its clock.
    pub(crate) fn rouse(&mut self, client: usize) {
        let process = &mut self.processes[client];
        process.paused_until = process.paused_until.min(self.now);
        let turn = process.turn;
        self.queue.plan(self.now, Happening::Wake { client, turn });
    }

    /// Does what the core wants until it wants to wait.
    pub(crate) fn drain(&mut self, client: usize) -> Verdict {
        for _ in 0..TOO_MANY_OUTPUTS {
            let reading = self.read_clock(client);
            let process = &mut self.processes[client];
            let output = process.client.poll_output(reading);
            // Readings may run backwards; the core counts with the latest.
            let reading = process.last_reading;
            match output {
                Output::Connect(session, _) => {
                    let link = self.links.len();
                    self.processes[client].sessions.push((session, link));
                    self.connect(client, session);
                }
                Output::Disconnect(session) => self.disconnect(client, session),
                Output::Execute(command) => {
                    let pauses = self.tape.hit(self.faults.pause_before_sending);
                    let pause = if pauses { self.pause(client) } else { 0 };
                    self.execute(client, &command, pause)?;
                    if pauses {
                        return self.look(client, reading);
                    }
                }
                Output::Event(event) => self.told(client, &event, reading)?,
                Output::Wait(wake) => {
                    self.rest(client, wake, reading)?;
                    return self.look(client, reading);
                }
            }
        }
        broken("O5", "the core never comes to rest")
    }

    /// The process stands still for a while, and goes on where it stopped.
    fn pause(&mut self, client: usize) -> u64 {
        let pause = self.tape.below(self.faults.pause + 1);
        let process = &mut self.processes[client];
        process.paused_until = self.now + pause;
        process.turn += 1;
        let (who, turn) = (process.who, process.turn);
        self.trace.note(self.now, (who, pause), || format!("w{who} stands still for {pause}"));
        let until = self.now + pause;
        self.trace.keep(self.now, || Fact::StandsStill { who, until });
        self.queue.plan(self.now + pause, Happening::Wake { client, turn });
        pause
    }

    fn disconnect(&mut self, client: usize, session: SessionId) {
        let process = &mut self.processes[client];
        let who = process.who;
        self.trace.note(self.now, (who, session), || format!("w{who} closes {session:?}"));
        self.trouble(client);
        let process = &mut self.processes[client];
        // It may have broken before the core could know.
        if let Some(place) = process.sessions.iter().position(|(open, _)| *open == session) {
            let (_, link) = process.sessions.swap_remove(place);
            if !self.links[link].awaited.is_empty() {
                self.meet(Coincidence::SessionGivenUp);
            }
            self.close(link);
        }
    }

    fn execute(&mut self, client: usize, command: &Command, late: u64) -> Verdict {
        let process = &self.processes[client];
        let who = process.who;
        let session = command.session();
        let facts = (who, session, command.id(), command.statement());
        self.trace
            .note(self.now, facts, || format!("w{who} sends {:?} on {session:?}", command.id()));
        match process.sessions.iter().find(|(open, _)| *open == session) {
            Some((_, link)) if self.links[*link].open => {
                let link = *link;
                self.send(link, command, late);
                Ok(())
            }
            _ => broken("O3", format!("w{who} sends on {session:?}, which is not open")),
        }
    }

    fn told(&mut self, client: usize, event: &Event, reading: Instant) -> Verdict {
        let Process { who, heard, .. } = self.processes[client];
        let facts = (who, reading, event);
        self.trace.note(self.now, facts, || format!("w{who} at {}: {event:?}", reading.as_nanos()));
        if let Some(lock) = event.lock() {
            let clock = &self.processes[client].clock;
            let what = || Told::by(event, clock);
            self.trace.keep(self.now, || Fact::Told { who, lock: lock.as_u64(), what: what() });
        }
        let careful = self.careful();
        let oracle = &mut self.oracle;
        oracle.lives.told(who, event, reading, heard, &mut oracle.ledger, &careful)?;
        self.recognise_event(client, event);
        self.user_hears(client, event);
        Ok(())
    }

    fn rest(&mut self, client: usize, wake: Wake, reading: Instant) -> Verdict {
        let stalls = self.tape.hit(self.faults.stall);
        let stall = if stalls { self.tape.below(self.plan.lease) } else { 0 };
        let process = &mut self.processes[client];
        process.turn += 1;
        let Some(at) = wake.at else { return Ok(()) };
        if at <= reading {
            return broken("O5", format!("the core wants to wake at {at:?}, which is past"));
        }
        let due = process.clock.wakes(at, self.now);
        let turn = process.turn;
        self.queue.plan(due.saturating_add(stall), Happening::Wake { client, turn });
        Ok(())
    }

    /// Keeps until when each lock of a client is believed in.
    pub(crate) fn keep_beliefs(&mut self, client: usize) {
        if self.trace.is_kept() {
            let held: Vec<_> = self.processes[client].client.held().map(|(_, lock)| lock).collect();
            held.into_iter().for_each(|lock| self.keep_belief(client, lock));
        }
    }

    /// Keeps until when a lock is believed in, if it is.
    pub(crate) fn keep_belief(&mut self, client: usize, lock: LockId) {
        let Process { client, clock, who, .. } = &self.processes[client];
        if let Some(until) = client.valid_until(lock) {
            let (lock, until) = (lock.as_u64(), clock.surely_reaches(until));
            self.trace.keep(self.now, || Fact::Trusts { who: *who, lock, until });
        }
    }

    fn look(&mut self, client: usize, reading: Instant) -> Verdict {
        self.keep_beliefs(client);
        let process = &self.processes[client];
        self.oracle.look(process.who, &process.client, &process.clock, reading, self.now)
    }

    pub(crate) fn connected(&mut self, link: usize) -> Verdict {
        let Some(client) = self.listener(link) else { return Ok(()) };
        if !self.accept(link) {
            return self.refused(link, Some(starting_up()));
        }
        self.trouble(client);
        let reading = self.read_clock(client);
        let session = self.links[link].session;
        self.processes[client].client.handle_connected(session, reading);
        self.drain(client)
    }

    pub(crate) fn refused(&mut self, link: usize, error: Option<ServerError>) -> Verdict {
        let Some(client) = self.listener(link) else { return Ok(()) };
        let _none = self.broken(link);
        self.lose_session(client, link, error)
    }

    pub(crate) fn cut(&mut self, link: usize) -> Verdict {
        let Some(client) = self.listener(link) else { return Ok(()) };
        let unanswered = self.broken(link);
        if !unanswered.is_empty() {
            self.meet(Coincidence::ReplyCutOff);
        }
        let commands_first = self.tape.below(2) == 0;
        if !commands_first {
            self.lose_session(client, link, None)?;
        }
        for command in unanswered {
            let reading = self.read_clock(client);
            self.processes[client].client.handle_outcome(command, Outcome::Lost, reading);
        }
        if commands_first { self.lose_session(client, link, None) } else { self.drain(client) }
    }

    pub(crate) fn noticed(&mut self, link: usize, payload: &str) -> Verdict {
        let Some(client) = self.listener(link) else { return Ok(()) };
        let reading = self.read_clock(client);
        let session = self.links[link].session;
        let process = &mut self.processes[client];
        let (who, sent) = (process.who, process.client.counters().commands);
        let facts = (who, session, payload);
        self.trace.note(self.now, facts, || format!("w{who} is told {payload:?}"));
        process.client.handle_notification(session, payload, reading);
        self.drain(client)?;
        if self.processes[client].client.counters().commands > sent {
            self.meet(Coincidence::WokenByRelease);
        }
        Ok(())
    }

    fn lose_session(&mut self, client: usize, link: usize, error: Option<ServerError>) -> Verdict {
        self.trouble(client);
        let session = self.links[link].session;
        let reading = self.read_clock(client);
        let process = &mut self.processes[client];
        process.sessions.retain(|(open, _)| *open != session);
        let who = process.who;
        let facts = (who, session, &error);
        self.trace.note(self.now, facts, || format!("w{who} loses {session:?} {error:?}"));
        process.client.handle_disconnected(session, error, reading);
        self.drain(client)
    }

    /// The process at the other end, if it still has the connection.
    fn listener(&self, link: usize) -> Option<usize> {
        let link = &self.links[link];
        let process = &self.processes[link.client];
        (link.open && process.running && process.who == link.who).then_some(link.client)
    }

    pub(crate) fn replied(&mut self, flight: usize) -> Verdict {
        let link = self.flights[flight].link;
        let client = self.links[link].client;
        if self.listener(link).is_none() {
            let process = &self.processes[client];
            let there = process.running && process.who == self.links[link].who;
            if !there || !self.tape.hit(self.faults.late_reply) {
                return Ok(());
            }
        }
        let known = self.processes[client].last_reading;
        let reading = if made(Bug::M66) { known } else { self.read_clock(client) };
        if self.tape.hit(self.faults.pause_after_reading) {
            let pause = self.tape.below(self.faults.pause + 1);
            let (who, until) = (self.links[link].who, self.now + pause);
            self.trace.keep(self.now, || Fact::StandsStill { who, until });
            // The core does not know of the reading yet.
            self.processes[client].last_reading = known;
            self.processes[client].paused_until = until;
            self.queue.plan(until, Happening::Handle { flight, reading });
            return Ok(());
        }
        self.handle(flight, reading)
    }

    pub(crate) fn handle(&mut self, flight: usize, reading: Instant) -> Verdict {
        let Some(outcome) = self.flights[flight].outcome.clone() else { return Ok(()) };
        let command = self.flights[flight].command;
        let link = &mut self.links[self.flights[flight].link];
        let (client, who) = (link.client, link.who);
        let process = &self.processes[client];
        if !process.running || process.who != who {
            return Ok(());
        }
        let awaited = link.awaited.contains(&command);
        link.awaited.retain(|other| *other != command);
        let losses = if awaited { self.definite_losses(flight) } else { Vec::new() };
        self.trace.note(self.now, (who, reading, command, awaited), || {
            format!("w{who} at {} hears of {command:?}, awaited: {awaited}", reading.as_nanos())
        });
        let Process { read_at, .. } = self.processes[client];
        let saw = || shown(&self.flights[flight].statement, &outcome, &self.names);
        self.trace.keep(self.now, || Fact::Hears {
            flight,
            read_at,
            saw: saw().filter(|_| awaited),
        });
        self.note_answer(client, flight);
        let process = &mut self.processes[client];
        process.last_reading = process.last_reading.max(reading);
        process.heard = process.last_reading;
        process.client.handle_outcome(command, outcome, reading);
        for holder in losses {
            let lock = holder.lock;
            self.trace.keep(self.now, || Fact::Denied { who, lock: lock.as_u64() });
            self.keep_belief(client, lock);
            let process = &self.processes[client];
            if process.client.valid_until(holder.lock).is_some() {
                return broken("O3", format!("w{who} {lock:?} is believed after a definite loss"));
            }
        }
        self.drain(client)?;
        if awaited {
            self.recognise_reply(flight, self.processes[client].heard);
        } else {
            self.meet(Coincidence::ReplyTooLate);
        }
        Ok(())
    }
}
