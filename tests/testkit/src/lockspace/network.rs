//! What lies between a client and the lock table: connections, statements and replies on their way. Closing a
//! connection does not stop what is under way on it, and the server may be long in hearing of it.

use pglock_core::bugs::{Bug, made};
use pglock_core::{
    Advisory, AdvisoryMode, AdvisoryPlace, Call, Command, CommandId, Outcome, SessionId, Severity,
    Statement,
};

use super::met::Coincidence;
use super::server::{Kind, SLICE_PASSED, is_grant, pretend, stray};
use super::world::{Happening, World};
use crate::server::advisory::Session;

/// One connection: the client's end of it, and the server's session.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) client: usize,
    pub(super) who: usize,
    pub(super) id: SessionId,
    /// The client may use it.
    pub(super) open: bool,
    /// The command that the client waits for.
    pub(super) awaited: Option<CommandId>,
    /// The server's session runs what arrives; it is numbered as the link is.
    pub(super) alive: bool,
    /// Until when it was, at true time.
    pub(super) ended: Option<u64>,
    /// The session is not what it was when the client came, by the doing of somebody else.
    pub(super) robbed: bool,
    /// The client has been told so.
    pub(super) told_robbed: bool,
    /// The server's session is told of unlocks.
    pub(super) listening: bool,
    /// The flight whose statement waits in line at the server, and until when.
    pub(super) waits: Option<(usize, u64)>,
    /// The try that failed last, as long as nothing else was answered.
    pub(super) failed_try: Option<(AdvisoryPlace, AdvisoryMode)>,
    standby: bool,
    requests_vanish: bool,
    replies_vanish: bool,
    last_arrival: u64,
    last_reply: u64,
}

/// A statement on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) link: usize,
    pub(super) command: CommandId,
    pub(super) statement: Statement,
    pub(super) outcome: Option<Outcome>,
}

const STRAY_ERRORS: [&str; 10] =
    ["57014", "40001", "53200", "XX000", "42501", "26000", "40003", "57P01", "08006", "55P03"];

/// The two sessions of a pooler; no link has such a number.
const POOL: [Session; 2] = [Session::MAX, Session::MAX - 1];

impl Link {
    /// Whether what it holds is seen by others.
    pub(super) const fn is_genuine(&self) -> bool {
        !self.standby
    }
}

impl World {
    pub(super) fn connect(&mut self, client: usize, id: SessionId) {
        let link = self.links.len();
        let who = self.processes[client].who;
        let standby = self.tape.hit(self.faults.standby);
        self.links.push(Link {
            client,
            who,
            id,
            open: true,
            awaited: None,
            alive: false,
            ended: None,
            robbed: false,
            told_robbed: false,
            listening: false,
            waits: None,
            failed_try: None,
            standby,
            requests_vanish: false,
            replies_vanish: false,
            last_arrival: 0,
            last_reply: 0,
        });
        let at = self.now + self.delay() + self.delay();
        if self.tape.hit(self.faults.connect_hangs) {
            return;
        }
        if self.tape.hit(self.faults.connect_refused) {
            let full = self.tape.below(2) == 1;
            self.queue.plan(at, Happening::Refused { link, full });
        } else {
            self.queue.plan(at, Happening::Connected { link });
        }
    }

    /// The client closes a connection; the server hears of it, at some time.
    pub(super) fn close(&mut self, link: usize) {
        let lingers = self.tape.hit(self.faults.lingers);
        let late = if lingers { self.tape.below(self.plan.silence * 4) } else { self.delay() };
        let at = self.links[link].last_arrival.max(self.now + late);
        self.links[link].open = false;
        self.links[link].awaited = None;
        self.queue.plan(at, Happening::Ends { link });
    }

    /// The server hears that a connection was closed, unless it is busy with a statement that waits.
    pub(super) fn hang_up(&mut self, link: usize) {
        match self.links[link].waits {
            Some((_, until)) => self.queue.plan(until + 1, Happening::Ends { link }),
            None => self.end(link),
        }
    }

    /// The server's session ends, whatever the client knows.
    pub(super) fn end(&mut self, link: usize) {
        if self.links[link].waits.take().is_some() {
            self.reached.met(Coincidence::EndedInLine);
        }
        if std::mem::take(&mut self.links[link].alive) {
            self.links[link].ended = Some(self.now);
            self.server.end(session(link));
        }
    }

    /// The server's session ends, and the client hears of it if nothing prevents that.
    pub(super) fn terminate(&mut self, link: usize) {
        self.end(link);
        if self.links[link].open && !self.links[link].replies_vanish {
            let at = self.links[link].last_reply.max(self.now + self.delay());
            self.queue.plan(at, Happening::Broken { link });
        }
    }

    pub(super) fn send(&mut self, link: usize, command: &Command) {
        let flight = self.flights.len();
        let statement = command.statement().clone();
        self.flights.push(Flight { link, command: command.id(), statement, outcome: None });
        self.links[link].awaited = Some(command.id());
        if self.tape.hit(self.faults.reset_before) {
            return self.terminate(link);
        }
        let vanishes = self.tape.hit(self.faults.request_lost);
        let at = self.now + self.delay();
        let link = &mut self.links[link];
        link.requests_vanish |= vanishes;
        if !link.requests_vanish {
            link.last_arrival = link.last_arrival.max(at);
            self.queue.plan(link.last_arrival, Happening::Arrive { flight });
        }
    }

    pub(super) fn arrive(&mut self, flight: usize) {
        let link = self.flights[flight].link;
        if !self.links[link].alive {
            return;
        }
        let outcome = match self.tape.hit(self.faults.errors) {
            false => self.execute(flight),
            true => Some(self.fail(flight)),
        };
        match outcome {
            Some(outcome) => self.answer(flight, outcome),
            None => self.wait(flight),
        }
        self.notify();
    }

    /// An error says nothing about whether the lock was taken; only that a slice has passed means that it was not.
    fn fail(&mut self, flight: usize) -> Outcome {
        let code = self.tape.pick(&STRAY_ERRORS);
        let call = call(&self.flights[flight].statement);
        let says_all = code == SLICE_PASSED && matches!(call, Some(Call::Take(..)));
        if self.tape.below(2) == 1 && !says_all && self.execute(flight).is_none() {
            self.server.time_out(session(self.flights[flight].link));
        }
        Outcome::Failed(stray(code))
    }

    /// The statement waits in line until it is woken, or its slice has passed.
    fn wait(&mut self, flight: usize) {
        let Some(Call::Take(_, _, slice)) = call(&self.flights[flight].statement) else { return };
        let until = self.now + u64::try_from(slice.as_nanos()).unwrap_or_default();
        self.links[self.flights[flight].link].waits = Some((flight, until));
        self.queue.plan(until, Happening::SlicePasses { flight });
    }

    pub(super) fn slice_passes(&mut self, flight: usize) {
        let link = self.flights[flight].link;
        if self.links[link].waits.take_if(|(waiting, _)| *waiting == flight).is_some() {
            let outcome = self.server.time_out(session(link));
            self.answer(flight, outcome);
        }
    }

    /// Those who were handed what they waited for hear of it.
    pub(super) fn answer_woken(&mut self) {
        while let Some(woken) = self.server.pop_woken() {
            let link = (0..self.links.len()).find(|link| session(*link) == woken);
            let flight = link.and_then(|link| self.links[link].waits.take());
            if let Some((flight, _)) = flight {
                self.reached.met(Coincidence::HandedOver);
                let leaks = made(Bug::Leaks) && self.tape.below(2) == 0;
                let handed = self.server.handed(self.plan.config.advisory_tokens);
                let late = Outcome::Failed(stray(SLICE_PASSED));
                self.answer(flight, if leaks { late } else { handed });
            }
        }
    }

    fn answer(&mut self, flight: usize, outcome: Outcome) {
        let link = self.flights[flight].link;
        let call = call(&self.flights[flight].statement);
        let place = call.filter(|call| call.takes().is_some()).and_then(Call::place);
        if let Some(place) = place.filter(|_| is_grant(&outcome)) {
            self.taken.insert(place, self.now);
            if !self.links[link].open {
                self.reached.met(Coincidence::TakenLate);
            }
        }
        let fatal = matches!(&outcome, Outcome::Failed(error) if error.severity != Severity::Error);
        self.trace.note(self.now, (flight, &outcome), || {
            format!("{:?} on link {link} -> {outcome:?}", self.flights[flight].statement)
        });
        self.flights[flight].outcome = Some(outcome);
        let cut = self.tape.hit(self.faults.reset_after);
        let vanishes = self.tape.hit(self.faults.reply_lost);
        let at = self.now + self.delay();
        let to = &mut self.links[link];
        to.replies_vanish |= vanishes;
        if !to.replies_vanish && (!cut || fatal) {
            to.last_reply = to.last_reply.max(at);
            self.queue.plan(to.last_reply, Happening::Reply { flight });
        }
        if cut || fatal {
            self.terminate(link);
        }
    }

    /// `None` if it has to wait.
    fn execute(&mut self, flight: usize) -> Option<Outcome> {
        let Flight { link, statement, .. } = &self.flights[flight];
        let is_real = !self.links[*link].standby && self.plan.kind == Kind::Real;
        self.links[*link].listening |= is_real && *statement == Statement::Listen;
        if self.links[*link].standby {
            return Some(pretend(statement, false, true));
        }
        match self.plan.kind {
            Kind::Real => self.server.begin(session(*link), statement),
            Kind::Pooled => {
                let session = POOL[self.tape.index(POOL.len())];
                Some(self.server.execute(session, statement)).filter(|outcome| !passed(outcome))
            }
            Kind::Stub => Some(pretend(statement, true, false)),
        }
    }

    /// Those who listen are told; some of it is lost, some comes twice.
    fn notify(&mut self) {
        while let Some(place) = self.server.pop_told() {
            self.expect_prompt(place);
            for link in 0..self.links.len() {
                if self.links[link].listening && self.links[link].alive {
                    self.notify_on(link, place);
                }
            }
        }
    }

    fn notify_on(&mut self, link: usize, place: AdvisoryPlace) {
        let lost_or_twice = self.tape.hit(self.faults.notice_lost);
        let times = if lost_or_twice { self.tape.below(3) } else { 1 };
        for _ in 0..times {
            let at = self.now + self.delay();
            let to = &mut self.links[link];
            if !to.replies_vanish {
                to.last_reply = to.last_reply.max(at);
                self.queue.plan(to.last_reply, Happening::Notice { link, place });
            }
        }
    }

    pub(super) fn delay(&mut self) -> u64 {
        self.faults.delay(&mut self.tape)
    }
}

/// Whether a wait was in vain.
pub(super) fn passed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Failed(error) if error.sqlstate.as_str() == SLICE_PASSED)
}

/// The number of a link's session at the server.
pub(super) fn session(link: usize) -> Session {
    Session::try_from(link).unwrap_or(Session::MAX / 2)
}

/// What a statement asks of a place.
pub(super) const fn call(statement: &Statement) -> Option<Call> {
    if let Statement::Advisory(Advisory { call, .. }) = statement { Some(*call) } else { None }
}
