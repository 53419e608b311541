//! What lies between a client and the rows: connections, statements and replies on their way, and
//! the server's sessions, each of which runs one statement at a time.
//!
//! Closing a connection does not stop what is under way on it.

use std::collections::VecDeque;
use std::time::Duration;

use pglock_core::{Command, CommandId, Instant, Outcome, SessionId, Severity, Statement};

use crate::chronicle::{Fact, Gist};
use crate::coincidence::Coincidence;
use crate::oracle::Holder;
use crate::server::{Record, error, failed};
use crate::world::{Happening, World};

/// One connection: the client's end of it, and the server's session.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) who: usize,
    pub(crate) session: SessionId,
    /// The client may use it.
    pub(crate) open: bool,
    /// Commands that the client waits for.
    pub(crate) awaited: Vec<CommandId>,
    /// The server's session runs what arrives.
    alive: bool,
    standby: bool,
    requests_vanish: bool,
    replies_vanish: bool,
    last_arrival: u64,
    last_reply: u64,
    backlog: VecDeque<usize>,
    busy: bool,
    /// The server's session is told of releases.
    listening: bool,
}

/// A statement on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) link: usize,
    pub(crate) command: CommandId,
    pub(crate) statement: Statement,
    pub(crate) sent: u64,
    /// When it left its client, on that client's clock.
    pub(crate) left: Instant,
    /// The locks it renews.
    pub(crate) renews: Vec<Holder>,
    pub(crate) outcome: Option<Outcome>,
    /// Waiting for a row that a stranger has locked; with what the statement saw when it began.
    parked: Option<Option<Record>>,
    cut_after: bool,
}

/// Errors that have nothing to do with the rows.
pub(crate) const STRAY_ERRORS: [&str; 14] = [
    "40001", "40P01", "55P03", "57014", "53300", "53200", "26000", "25006", "42P01", "40003",
    "57P01", "57P02", "57P05", "08006",
];

/// Whether an error ends its session; then it also leaves open what became of the statement.
pub(crate) fn ends_session(code: &str) -> bool {
    matches!(code, "57P01" | "57P02" | "57P05")
}

/// Whether an error leaves open what became of the statement, though its session goes on.
pub(crate) fn says_nothing(code: &str) -> bool {
    matches!(code, "40003" | "08006")
}

impl World {
    pub(crate) fn connect(&mut self, client: usize, session: SessionId) {
        let link = self.links.len();
        let who = self.processes[client].who;
        let standby = self.tape.hit(self.faults.standby);
        self.links.push(Link {
            client,
            who,
            session,
            open: true,
            awaited: Vec::new(),
            alive: false,
            standby,
            requests_vanish: false,
            replies_vanish: false,
            last_arrival: 0,
            last_reply: 0,
            backlog: VecDeque::new(),
            busy: false,
            listening: false,
        });
        let at = self.now + self.delay() + self.delay();
        if self.tape.hit(self.faults.connect_hangs) {
            self.trace.note(self.now, (who, session), || {
                format!("w{who} connects {session:?}, no answer")
            });
        } else if self.tape.hit(self.faults.connect_refused) {
            let full = self.tape.below(2) == 1;
            self.queue.plan(at, Happening::Refused { link, full });
        } else {
            self.queue.plan(at, Happening::Connected { link });
        }
    }

    /// Whether the server takes the connection.
    pub(crate) fn accept(&mut self, link: usize) -> bool {
        let up = self.now >= self.server_up_at;
        self.links[link].alive = up;
        up
    }

    /// The client closes a connection. What is on its way may still be applied, at any later time.
    pub(crate) fn close(&mut self, link: usize) {
        let survives = self.healed || self.tape.below(2) == 1;
        let link = &mut self.links[link];
        link.open = false;
        link.alive &= survives || link.busy;
        link.awaited.clear();
    }

    /// The connection breaks for the client; what it waits for has no outcome.
    pub(crate) fn broken(&mut self, link: usize) -> Vec<CommandId> {
        let link = &mut self.links[link];
        link.open = false;
        std::mem::take(&mut link.awaited)
    }

    /// Puts a command on its way, `late` nanoseconds from now.
    pub(crate) fn send(&mut self, link: usize, command: &Command, late: u64) {
        let flight = self.flights.len();
        self.flights.push(Flight {
            link,
            command: command.id(),
            statement: command.statement().clone(),
            sent: self.now,
            left: self.processes[self.links[link].client].last_reading,
            renews: self.held_by(self.links[link].who, command.statement()),
            outcome: None,
            parked: None,
            cut_after: self.tape.hit(self.faults.reset_after),
        });
        self.links[link].awaited.push(command.id());
        let who = self.links[link].who;
        let statement = command.statement();
        let gist = || Gist::of(statement, &self.names);
        self.trace.keep(self.now, || Fact::Sends {
            who,
            flight,
            gist: gist(),
            statement: statement.clone(),
        });
        let now = self.now + late;
        if self.tape.hit(self.faults.reset_before) {
            self.links[link].alive = false;
            let at = now + self.delay();
            self.queue.plan(at, Happening::Broken { link });
            return;
        }
        let vanishes = self.tape.hit(self.faults.request_lost);
        let at = self.arrival(link, now);
        let link = &mut self.links[link];
        link.requests_vanish |= vanishes;
        if !link.requests_vanish {
            link.last_arrival = link.last_arrival.max(at);
            self.queue.plan(link.last_arrival, Happening::Arrive { flight });
        }
    }

    pub(crate) fn arrive(&mut self, flight: usize) {
        let link = &mut self.links[self.flights[flight].link];
        if !link.alive {
            return;
        }
        link.backlog.push_back(flight);
        if !link.busy {
            self.run_next(self.flights[flight].link);
        }
    }

    fn run_next(&mut self, link: usize) {
        while !self.links[link].busy {
            let Some(flight) = self.links[link].backlog.pop_front() else { return };
            if self.links[link].alive {
                self.begin(flight);
            }
        }
    }

    fn begin(&mut self, flight: usize) {
        let link = self.flights[flight].link;
        if let Some(outcome) = self.stray_error(flight) {
            return self.reply(flight, outcome);
        }
        let statement = &self.flights[flight].statement;
        let seen = self.server.begin(statement);
        if self.links[link].standby || !self.must_wait(statement) {
            let outcome = self.run_statement(flight, seen);
            return self.reply(flight, outcome);
        }
        let timeout = lock_timeout(statement);
        self.flights[flight].parked = Some(seen);
        self.links[link].busy = true;
        self.parked.push(flight);
        self.queue.plan(self.now + timeout, Happening::Unpark { flight });
    }

    /// The wait for a locked row ends: it is free, or the lock time-out has passed.
    pub(crate) fn unpark(&mut self, flight: usize) {
        let Some(seen) = self.flights[flight].parked.take() else { return };
        self.parked.retain(|parked| *parked != flight);
        let link = self.flights[flight].link;
        self.links[link].busy = false;
        if self.links[link].alive {
            let outcome = if self.table_locked {
                failed("55P03", "canceling statement due to lock timeout")
            } else {
                self.run_statement(flight, seen)
            };
            if matches!(outcome, Outcome::Rows(_)) {
                self.meet(Coincidence::WaitedForRow);
            }
            self.reply(flight, outcome);
        }
        self.run_next(link);
    }

    /// A stranger's lock on a row is gone: those that wait for it go on, in turn.
    pub(crate) fn unlocked(&mut self) {
        let waiting = self.parked.clone();
        for flight in waiting {
            if !self.must_wait(&self.flights[flight].statement) {
                self.unpark(flight);
            }
        }
    }

    /// Whether a stranger has locked what the statement needs.
    fn must_wait(&self, statement: &Statement) -> bool {
        self.table_locked || self.server.waits_for(statement).is_some()
    }

    fn run_statement(&mut self, flight: usize, seen: Option<Record>) -> Outcome {
        let link = &self.links[self.flights[flight].link];
        self.server.set_read_only(link.standby);
        let twice = self.tape.hit(self.faults.twice);
        let statement = &self.flights[flight].statement;
        let mut outcome = self.server.finish(statement, seen);
        self.committed(flight, &outcome);
        if twice {
            self.meet(Coincidence::RunTwice);
            outcome = self.server.execute(&self.flights[flight].statement);
            self.committed(flight, &outcome);
        }
        self.server.set_read_only(false);
        let listens = matches!(self.flights[flight].statement, Statement::Listen);
        let link = &mut self.links[self.flights[flight].link];
        link.listening |= listens && matches!(outcome, Outcome::Rows(_));
        self.notify();
        outcome
    }

    /// What the server tells goes to all that listen; some of it is lost, some comes twice.
    pub(crate) fn notify(&mut self) {
        for payload in self.server.take_notifications() {
            self.trace.note(self.now, &payload, || format!("the server tells {payload:?}"));
            for link in 0..self.links.len() {
                if self.links[link].listening && self.links[link].alive {
                    self.notify_on(link, &payload);
                }
            }
        }
    }

    fn notify_on(&mut self, link: usize, payload: &str) {
        let lost_or_twice = self.tape.hit(self.faults.notice_lost);
        let times = if lost_or_twice { self.tape.below(3) } else { 1 };
        for _ in 0..times {
            let at = self.arrival(link, self.now);
            let to = &mut self.links[link];
            if !to.replies_vanish {
                to.last_reply = to.last_reply.max(at);
                let payload = payload.to_owned();
                self.queue.plan(to.last_reply, Happening::Notice { link, payload });
            }
        }
    }

    /// An error that has nothing to do with the rows; if it says nothing about the statement, that may
    /// have been applied.
    fn stray_error(&mut self, flight: usize) -> Option<Outcome> {
        if self.hits_spoilt_row(flight) {
            return Some(failed("22000", "a trigger of this row fails"));
        }
        if !self.tape.hit(self.faults.errors) {
            return None;
        }
        let code = self.tape.pick(&STRAY_ERRORS);
        let fatal = ends_session(code);
        let unknown = fatal || says_nothing(code);
        if unknown && self.tape.below(2) == 1 {
            let seen = self.server.begin(&self.flights[flight].statement);
            if !self.must_wait(&self.flights[flight].statement) {
                let _unread = self.run_statement(flight, seen);
            }
        }
        self.flights[flight].cut_after |= fatal;
        let severity = if fatal { Severity::Fatal } else { Severity::Error };
        Some(Outcome::Failed(error(severity, code, "stray")))
    }

    fn hits_spoilt_row(&self, flight: usize) -> bool {
        let Some(spoilt) = self.spoilt() else { return false };
        let Statement::Renew(renew) = &self.flights[flight].statement else { return false };
        renew.locks.iter().any(|lock| lock.name == *spoilt)
    }

    fn reply(&mut self, flight: usize, outcome: Outcome) {
        let index = self.flights[flight].link;
        let vanishes = self.tape.hit(self.faults.reply_lost);
        let at = self.arrival(index, self.now);
        let cut = self.flights[flight].cut_after;
        let fatal = matches!(&outcome, Outcome::Failed(error) if error.severity != Severity::Error);
        self.flights[flight].outcome = Some(outcome);
        let link = &mut self.links[index];
        link.replies_vanish |= vanishes;
        if link.replies_vanish {
            return;
        }
        link.last_reply = link.last_reply.max(at);
        let at = link.last_reply;
        if !cut || fatal {
            self.queue.plan(at, Happening::Reply { flight });
        }
        if cut {
            link.alive = false;
            self.queue.plan(at, Happening::Broken { link: index });
        }
    }

    /// The server crashes and comes back without loss: all sessions end.
    pub(crate) fn crash_server(&mut self) {
        if self.processes.iter().any(|process| process.running && self.holds_any(process.who)) {
            self.meet(Coincidence::ServerCrashed);
        }
        self.trace.note(self.now, (), || "server crashes".into());
        self.trace.keep(self.now, || Fact::ServerCrashes);
        self.server_up_at = self.now + self.delay() * 2;
        for index in 0..self.links.len() {
            let link = &mut self.links[index];
            if std::mem::take(&mut link.alive) && link.open {
                let at = self.now + self.delay();
                self.queue.plan(at, Happening::Broken { link: index });
            }
        }
    }

    /// When what leaves at `now` arrives, over a path that may be clogged.
    fn arrival(&mut self, link: usize, now: u64) -> u64 {
        let at = now + self.delay();
        at.max(self.processes[self.links[link].client].clogged_until)
    }

    pub(crate) fn delay(&mut self) -> u64 {
        self.faults.delay(&mut self.tape)
    }
}

/// What an adapter sets for its sessions: so long do statements wait that set nothing themselves.
const SESSION_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long PostgreSQL lets a statement wait for a locked row.
pub(crate) fn lock_timeout(statement: &Statement) -> u64 {
    let span = match statement {
        Statement::Acquire(acquire) => acquire.lock_timeout,
        Statement::Release(release) => release.lock_timeout,
        Statement::Amend(amend) => amend.lock_timeout,
        Statement::Evict(evict) => evict.lock_timeout,
        Statement::LineUp(line_up) => line_up.lock_timeout,
        Statement::Renew(_)
        | Statement::Look(_)
        | Statement::Read(_)
        | Statement::CreateTable
        | Statement::CheckTable
        | Statement::DropTable
        | Statement::Listen
        | Statement::AdvisoryHolders(_)
        | _ => SESSION_LOCK_TIMEOUT,
    };
    // PostgreSQL counts in whole milliseconds, and zero would mean for ever.
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1) * 1_000_000
}
