//! The process of one client: the core, its clock, and the loop that drives it as any adapter does.

use std::collections::BTreeMap;

use pglock_core::{
    AdvisoryPlace, Call, Client, Command, Event, Failure, Identity, Instant, LossCause, Outcome,
    Output, ServerError, SessionId, Unfit, Value, Wake,
};

use super::met::Coincidence;
use super::network::{call, passed};
use super::person::{Doing, Lives, User};
use super::server::Kind;
use super::world::{Happening, World};
use crate::clock::{Clock, Style};
use crate::oracle::{Verdict, broken};

#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) client: Client,
    pub(super) clock: Clock,
    /// Which incarnation it is, among those of all clients.
    pub(super) who: usize,
    pub(super) running: bool,
    pub(super) paused_until: u64,
    pub(super) users: Vec<User>,
    pub(super) lives: Lives,
    pub(super) sessions: Vec<(SessionId, usize)>,
    /// The link on which each place was granted last.
    pub(super) carriers: BTreeMap<AdvisoryPlace, usize>,
    turn: u64,
    pub(super) last_reading: Instant,
}

impl Process {
    /// Whether it still waits for the wake-up that was planned at its `turn`.
    pub(super) const fn awaits_wake(&self, turn: u64) -> bool {
        self.running && self.turn == turn
    }

    pub(super) fn awaits_user(&self, who: usize, user: usize, turn: u32) -> bool {
        self.running && self.who == who && self.users[user].turn == turn
    }
}

/// More outputs in a row than any moment needs.
const TOO_MANY_OUTPUTS: u32 = 400;

impl World {
    /// Starts the process of a client that was never there before.
    pub(super) fn start(&mut self, client: usize) {
        let who = self.born;
        self.born += 1;
        let mut identity = [0x5A; 16];
        identity[..8].copy_from_slice(&(who as u64).to_le_bytes());
        let config = self.plan.config.clone();
        let Ok(core) = Client::new(config, Identity::new(identity), who as u64) else { return };
        let offset = self.tape.below(self.plan.silence * 4);
        let style = self.tape.pick(&[Style::Fine, Style::Steps, Style::Jitter]);
        let rate = self.plan.rate(&mut self.tape);
        let clock = Clock::new(self.now, offset, rate, self.plan.granularity, style);
        self.trace.note(self.now, (who, client), || format!("w{who} starts as client {client}"));
        let process = Process {
            client: core,
            clock,
            who,
            running: true,
            paused_until: 0,
            users: vec![User::default(); self.plan.users],
            lives: Lives::default(),
            sessions: Vec::new(),
            carriers: BTreeMap::new(),
            turn: 0,
            last_reading: Instant::default(),
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
    pub(super) fn crash(&mut self, client: usize) {
        let who = self.processes[client].who;
        self.trace.note(self.now, who, || format!("w{who} crashes"));
        self.processes[client].running = false;
        for link in 0..self.links.len() {
            if self.links[link].who == who && self.links[link].open {
                self.close(link);
            }
        }
    }

    pub(super) fn read_clock(&mut self, client: usize) -> Instant {
        let process = &mut self.processes[client];
        let late = if process.clock.jitters() { self.tape.below(5) } else { 0 };
        let reading = process.clock.read(self.now, late);
        process.last_reading = process.last_reading.max(reading);
        reading
    }

    /// A process that stood still looks at its clock.
    pub(super) fn rouse(&mut self, client: usize) {
        let process = &mut self.processes[client];
        process.paused_until = process.paused_until.min(self.now);
        let turn = process.turn;
        self.queue.plan(self.now, Happening::Wake { client, turn });
    }

    /// Does what the core wants until it wants to wait.
    pub(super) fn drain(&mut self, client: usize) -> Verdict {
        for _ in 0..TOO_MANY_OUTPUTS {
            let reading = self.read_clock(client);
            match self.processes[client].client.poll_output(reading) {
                Output::Connect(id, _) => {
                    let link = self.links.len();
                    self.processes[client].sessions.push((id, link));
                    self.connect(client, id);
                }
                Output::Disconnect(id) => self.disconnect(client, id),
                Output::Execute(command) => self.carry(client, &command)?,
                Output::Event(event) => self.told(client, &event)?,
                Output::Wait(wake) => {
                    self.rest(client, wake)?;
                    return self.look(client);
                }
            }
        }
        broken("O5", "the core never comes to rest")
    }

    fn disconnect(&mut self, client: usize, id: SessionId) {
        let sessions = &mut self.processes[client].sessions;
        if let Some(place) = sessions.iter().position(|(open, _)| *open == id) {
            let (_, link) = sessions.swap_remove(place);
            self.trace.note(self.now, link, || format!("link {link} is closed"));
            self.close(link);
        }
    }

    fn carry(&mut self, client: usize, command: &Command) -> Verdict {
        let who = self.processes[client].who;
        let id = command.session();
        let link = self.processes[client].sessions.iter().find(|(open, _)| *open == id);
        let Some(link) = link.map(|(_, link)| *link).filter(|link| self.links[*link].open) else {
            return broken("O3", format!("w{who} sends on {id:?}, which is not open"));
        };
        let statement = command.statement();
        self.trace.note(self.now, (who, statement), || {
            format!("w{who} sends {statement:?} on link {link}")
        });
        self.send(link, command);
        Ok(())
    }

    fn told(&mut self, client: usize, event: &Event) -> Verdict {
        let who = self.processes[client].who;
        self.trace.note(self.now, (who, event), || format!("w{who} is told {event:?}"));
        if let Event::Lost { lock, .. } = event
            && self.plan.is_calm()
            && self.plan.kind == Kind::Real
        {
            return broken("O5", format!("{lock:?} was lost though all went well"));
        }
        if let Event::AdvisoryAcquired { lock, token } = event
            && token.is_some() != self.plan.config.advisory_tokens
            && self.plan.kind == Kind::Real
            && self.plan.faults.standby.0 == 0
        {
            return broken("O7", format!("{lock:?} was granted with {token:?}"));
        }
        if let Some(met) = recognised(event) {
            self.reached.met(met);
        }
        let Some((user, ended)) = self.processes[client].lives.told(event)? else { return Ok(()) };
        let Some(lock) = event.lock() else { return Ok(()) };
        if ended {
            let doing = self.processes[client].users[user].doing;
            if [Doing::Asking(lock), Doing::Holding(lock), Doing::Ending(lock)].contains(&doing) {
                self.think(client, user);
            }
        } else if self.processes[client].users[user].doing == Doing::Asking(lock)
            && matches!(event, Event::AdvisoryAcquired { .. })
        {
            self.processes[client].users[user].doing = Doing::Holding(lock);
            let span = self.tape.log_uniform(self.plan.silence / 1_024, self.longest_hold());
            self.plan_act(client, user, span);
        }
        Ok(())
    }

    fn longest_hold(&self) -> u64 {
        if self.healed { self.plan.silence / 64 } else { self.plan.silence * 2 }
    }

    fn rest(&mut self, client: usize, wake: Wake) -> Verdict {
        let stalls = self.tape.hit(self.faults.stall);
        let stall = if stalls { self.tape.below(self.plan.silence) } else { 0 };
        let process = &mut self.processes[client];
        process.turn += 1;
        let Some(at) = wake.at else { return Ok(()) };
        if at <= process.last_reading {
            return broken("O5", format!("the core wants to wake at {at:?}, which is past"));
        }
        let due = process.clock.wakes(at, self.now);
        let turn = process.turn;
        self.queue.plan(due.saturating_add(stall), Happening::Wake { client, turn });
        Ok(())
    }

    pub(super) fn connected(&mut self, link: usize) -> Verdict {
        let Some(client) = self.listener(link) else { return Ok(()) };
        self.links[link].alive = true;
        let reading = self.read_clock(client);
        let id = self.links[link].id;
        self.processes[client].client.handle_connected(id, reading);
        self.drain(client)
    }

    /// The connection breaks for the client, or could not be opened; what it waits for has no outcome.
    pub(super) fn lose_link(&mut self, link: usize, error: Option<ServerError>) -> Verdict {
        let Some(client) = self.listener(link) else { return Ok(()) };
        self.links[link].open = false;
        let awaited = self.links[link].awaited.take();
        if let Some(command) = awaited.filter(|_| self.tape.below(2) == 0) {
            let reading = self.read_clock(client);
            self.processes[client].client.handle_outcome(command, Outcome::Lost, reading);
        }
        let reading = self.read_clock(client);
        let id = self.links[link].id;
        let process = &mut self.processes[client];
        process.sessions.retain(|(open, _)| *open != id);
        self.trace.note(self.now, (link, &error), || format!("link {link} breaks: {error:?}"));
        self.processes[client].client.handle_disconnected(id, error, reading);
        self.drain(client)
    }

    /// The process at the other end, if it still has the connection.
    fn listener(&self, link: usize) -> Option<usize> {
        let link = &self.links[link];
        let process = &self.processes[link.client];
        (link.open && process.running && process.who == link.who).then_some(link.client)
    }

    pub(super) fn replied(&mut self, flight: usize) -> Verdict {
        let link = self.flights[flight].link;
        let client = self.links[link].client;
        if self.listener(link).is_none() {
            let process = &self.processes[client];
            let there = process.running && process.who == self.links[link].who;
            if !there || !self.tape.hit(self.faults.late_reply) {
                return Ok(());
            }
        }
        let Some(outcome) = self.flights[flight].outcome.clone() else { return Ok(()) };
        let command = self.flights[flight].command;
        let call = call(&self.flights[flight].statement);
        let reading = self.read_clock(client);
        let awaited = self.links[link].awaited.take_if(|awaited| *awaited == command).is_some();
        match call.filter(|_| awaited) {
            Some(call) => self.note_answer(client, link, call, &outcome),
            None => self.reached.met(Coincidence::ReplyTooLate),
        }
        self.processes[client].client.handle_outcome(command, outcome, reading);
        self.drain(client)
    }

    pub(super) fn noticed(&mut self, link: usize, place: AdvisoryPlace) -> Verdict {
        let Some(client) = self.listener(link) else { return Ok(()) };
        let reading = self.read_clock(client);
        let id = self.links[link].id;
        let process = &mut self.processes[client];
        let (who, sent) = (process.who, process.client.counters().commands);
        self.trace.note(self.now, (who, place), || format!("w{who} is told of {place}"));
        process.client.handle_notification(id, &place.notification(), reading);
        self.drain(client)?;
        if self.processes[client].client.counters().commands > sent {
            self.reached.met(Coincidence::WokenByUnlock);
        }
        Ok(())
    }

    /// What an answer tells the client beyond doubt.
    fn note_answer(&mut self, client: usize, link: usize, call: Call, outcome: &Outcome) {
        let failed_before = self.links[link].failed_try.take();
        if said(outcome) == Some(&Value::Null) {
            self.reached.met(Coincidence::MarkGone);
            self.links[link].told_robbed = true;
        }
        match call {
            Call::Try(place, mode)
            | Call::Ring(place, mode)
            | Call::RingOn(place, mode)
            | Call::Take(place, mode, _) => match said(outcome) {
                Some(Value::Int8(0..)) => self.note_grant(client, link, place),
                Some(Value::Int8(answer)) => {
                    self.reached.met(Coincidence::Refused);
                    self.processes[client].lives.refused(place);
                    if *answer == Call::RINGS {
                        self.reached.met(Coincidence::Rung);
                    }
                }
                None if passed(outcome) => self.reached.met(Coincidence::SlicePassed),
                None => self.links[link].failed_try = Some((place, mode)),
                Some(_) => {}
            },
            Call::Unlock(place, mode) => {
                let Some(Value::Bool(was_held)) = said(outcome) else { return };
                if failed_before == Some((place, mode)) {
                    let found =
                        if *was_held { Coincidence::FoundTaken } else { Coincidence::FoundFree };
                    self.reached.met(found);
                } else if !was_held && !self.plan.has_errors() {
                    self.reached.met(Coincidence::LockGone);
                    self.links[link].told_robbed |= self.links[link].robbed;
                }
            }
            Call::Quiet(_) => match said(outcome) {
                Some(Value::Bool(true)) => self.reached.met(Coincidence::Quieted),
                Some(Value::Bool(false)) if !self.plan.has_errors() => {
                    self.links[link].told_robbed |= self.links[link].robbed;
                }
                Some(_) | None => {}
            },
            Call::Enter | Call::Look => {}
        }
    }

    fn note_grant(&mut self, client: usize, link: usize, place: AdvisoryPlace) {
        self.processes[client].carriers.insert(place, link);
        let lives = &self.processes[client].lives;
        let wanted = lives.locks.values().any(|life| life.waits_at(place));
        self.reached.met(Coincidence::Granted);
        if !wanted {
            self.reached.met(Coincidence::GrantUnwanted);
        }
    }
}

/// The first value of an answer, if it was one.
fn said(outcome: &Outcome) -> Option<&Value> {
    match outcome {
        Outcome::Rows(rows) => rows.first()?.0.first(),
        Outcome::Failed(_) | Outcome::Lost => None,
    }
}

fn recognised(event: &Event) -> Option<Coincidence> {
    Some(match event {
        Event::AtRisk { .. } => Coincidence::AtRisk,
        Event::Lost { cause: LossCause::Robbed, .. } => Coincidence::LostRobbed,
        Event::Lost { .. } => Coincidence::LostSession,
        Event::Released { confirmed: true, .. } => Coincidence::Released,
        Event::Released { confirmed: false, .. } => Coincidence::ReleasedUnconfirmed,
        Event::Busy { .. } => Coincidence::Busy,
        Event::TimedOut { .. } => Coincidence::TimedOut,
        Event::Cancelled { .. } => Coincidence::Cancelled,
        Event::Failed { failure: Failure::LockTableFull(_), .. } => Coincidence::LockTableFull,
        Event::Failed { failure: Failure::Unfit(Unfit::Standby), .. } => {
            Coincidence::StandbyRefused
        }
        Event::Failed { failure: Failure::Unfit(Unfit::SharedSession), .. } => {
            Coincidence::PoolerRefused
        }
        Event::Failed { failure: Failure::Unfit(Unfit::NoLocks), .. } => Coincidence::StubRefused,
        Event::Failed { failure: Failure::Server(_), .. } => Coincidence::FailedByServer,
        Event::Failed { failure: Failure::Unreachable(_), .. } => Coincidence::FailedUnreachable,
        Event::Acquired { .. }
        | Event::AdvisoryAcquired { .. }
        | Event::Waiting { .. }
        | Event::Renewed { .. }
        | Event::Amended { .. }
        | Event::AmendFailed { .. }
        | Event::Failed { .. }
        | Event::Answered { .. }
        | _ => return None,
    })
}
