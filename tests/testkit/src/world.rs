//! One history: what happens, in the order of true time, to a server, the network and the processes
//! of some clients. After each event the oracles look.

use pglock_core::{Instant, LockName, Outcome, RenewalVerdict, Row, Statement, Value};

use crate::chronicle::{Fact, Written};
use crate::coincidence::Coincidences;
use crate::network::{Flight, Link};
use crate::oracle::{Cause, Holder, Oracle, Verdict, broken};
use crate::plan::{Faults, Options, Plan, Scenario};
use crate::process::Process;
use crate::queue::Queue;
use crate::server::{Server, too_many};
use crate::tape::Tape;
use crate::trace::Trace;
use crate::weather::{Foreigner, Weather};

pub(crate) struct World {
    pub(crate) tape: Tape,
    pub(crate) plan: Plan,
    pub(crate) faults: Faults,
    pub(crate) now: u64,
    pub(crate) queue: Queue<Happening>,
    pub(crate) names: Vec<LockName>,
    pub(crate) server: Server,
    pub(crate) server_up_at: u64,
    /// The server as it was after each change, if it may fall back.
    pub(crate) past: Vec<(u64, Server)>,
    /// A stranger has locked the table.
    pub(crate) table_locked: bool,
    pub(crate) links: Vec<Link>,
    pub(crate) flights: Vec<Flight>,
    /// Statements that wait for a row which a stranger has locked.
    pub(crate) parked: Vec<usize>,
    pub(crate) processes: Vec<Process>,
    pub(crate) foreigners: Vec<Foreigner>,
    pub(crate) oracle: Oracle,
    pub(crate) trace: Trace,
    pub(crate) reached: Coincidences,
    /// What the oracles said while a statement was run.
    verdict: Verdict,
    pub(crate) healed: bool,
    pub(crate) healed_at: u64,
    pub(crate) over: bool,
    pub(crate) steps: u64,
}

/// Something that is going to happen.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Happening {
    Wake {
        client: usize,
        turn: u64,
    },
    Connected {
        link: usize,
    },
    Refused {
        link: usize,
        /// Too many clients are connected already; otherwise it is silent about its reason.
        full: bool,
    },
    Broken {
        link: usize,
    },
    Arrive {
        flight: usize,
    },
    Unpark {
        flight: usize,
    },
    Reply {
        flight: usize,
    },
    /// A reply is handled whose moment was read before its process stood still.
    Handle {
        flight: usize,
        reading: Instant,
    },
    User {
        client: usize,
        who: usize,
        user: usize,
        turn: u32,
    },
    Weather(Weather),
    /// A notification.
    Notice {
        link: usize,
        payload: String,
    },
    Heal,
    Deadline,
    AllQuiet,
    ShutDownDeadline,
}

/// More events than any history needs: something goes round in circles.
const TOO_MANY_STEPS: u64 = 200_000;

impl World {
    pub(crate) fn new(
        scenario: Scenario,
        mut tape: Tape,
        options: Options,
        with_log: bool,
    ) -> Self {
        let mut plan = Plan::draw(scenario, &mut tape);
        plan.clients = options.clients.unwrap_or(plan.clients);
        let names = ["invoice", "mail", "ledger", "cron"].iter().take(plan.names);
        let names: Vec<_> = names.filter_map(|name| LockName::new(name).ok()).collect();
        let mut world = Self {
            faults: plan.faults,
            now: 0,
            queue: Queue::new(),
            names,
            server: Server::with_table(),
            server_up_at: 0,
            past: Vec::new(),
            table_locked: false,
            links: Vec::new(),
            flights: Vec::new(),
            parked: Vec::new(),
            processes: Vec::new(),
            foreigners: Vec::new(),
            oracle: Oracle::new(&plan),
            trace: Trace::new(with_log),
            reached: Coincidences::default(),
            verdict: Ok(()),
            healed: false,
            healed_at: u64::MAX,
            over: false,
            steps: 0,
            tape,
            plan,
        };
        world.remember();
        world.trace.note(0, (), || format!("{:?}", world.plan));
        for client in 0..world.plan.clients {
            world.start(client);
        }
        if let Some(spoilt) = world.spoilt().and_then(|name| world.index_of(name)) {
            world.oracle.ledger.disturb(spoilt);
        }
        world.forecast();
        world.queue.plan(world.plan.faulty_for, Happening::Heal);
        world
    }

    /// Lets the history happen, for `most` events.
    pub(crate) fn run(&mut self, most: u64) -> Verdict {
        while !self.over && self.steps < most {
            let Some((at, happening)) = self.queue.pop() else { break };
            self.now = at;
            if self.is_stale(&happening) {
                continue;
            }
            self.steps += 1;
            self.trace.mix((at, &happening));
            if self.steps > TOO_MANY_STEPS {
                return stuck("the history does not come to its end");
            }
            self.happen(happening)?;
        }
        Ok(())
    }

    /// Whether something else came first, so that nothing happens.
    fn is_stale(&self, happening: &Happening) -> bool {
        match *happening {
            Happening::Wake { client, turn } => !self.processes[client].awaits_wake(turn),
            Happening::User { client, who, user, turn } => {
                !self.processes[client].awaits_user(who, user, turn)
            }
            Happening::Connected { .. }
            | Happening::Refused { .. }
            | Happening::Broken { .. }
            | Happening::Arrive { .. }
            | Happening::Unpark { .. }
            | Happening::Reply { .. }
            | Happening::Handle { .. }
            | Happening::Weather(_)
            | Happening::Notice { .. }
            | Happening::Heal
            | Happening::Deadline
            | Happening::AllQuiet
            | Happening::ShutDownDeadline => false,
        }
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        if let Some(client) = self.recipient(&happening) {
            let until = self.processes[client].paused_until;
            if until > self.now {
                self.queue.plan(until, happening);
                return Ok(());
            }
        }
        match happening {
            Happening::Wake { client, .. } => self.drain(client),
            Happening::Connected { link } => self.connected(link),
            Happening::Refused { link, full } => self.refused(link, full.then(too_many)),
            Happening::Broken { link } => self.cut(link),
            Happening::Arrive { flight } => {
                self.arrive(flight);
                self.take_verdict()
            }
            Happening::Unpark { flight } => {
                self.unpark(flight);
                self.take_verdict()
            }
            Happening::Reply { flight } => self.replied(flight),
            Happening::Handle { flight, reading } => self.handle(flight, reading),
            Happening::User { client, user, .. } => self.user_acts(client, user),
            Happening::Notice { link, payload } => self.noticed(link, &payload),
            Happening::Heal => self.heal(),
            Happening::Deadline => self.check_all_served(),
            Happening::AllQuiet => self.check_nothing_stranded(),
            Happening::ShutDownDeadline => self.check_shut_down(),
            Happening::Weather(weather) => {
                self.change_weather(weather)?;
                self.take_verdict()
            }
        }
    }

    /// The process that handles it, which may be standing still.
    fn recipient(&self, happening: &Happening) -> Option<usize> {
        match happening {
            Happening::Wake { client, .. }
            | Happening::User { client, .. }
            | Happening::Weather(Weather::SpuriousPoll { client }) => Some(*client),
            Happening::Connected { link }
            | Happening::Refused { link, .. }
            | Happening::Broken { link }
            | Happening::Notice { link, .. } => Some(self.links[*link].client),
            Happening::Reply { flight } | Happening::Handle { flight, .. } => {
                Some(self.links[self.flights[*flight].link].client)
            }
            Happening::Arrive { .. }
            | Happening::Unpark { .. }
            | Happening::Weather(_)
            | Happening::Heal
            | Happening::Deadline
            | Happening::AllQuiet
            | Happening::ShutDownDeadline => None,
        }
    }

    /// A statement was run: its changes go into the books.
    pub(crate) fn committed(&mut self, flight: usize, outcome: &Outcome) {
        let changes = self.server.take_changes();
        let Flight { link, statement, command, .. } = &self.flights[flight];
        let link = &self.links[*link];
        let (who, now) = (link.who, self.now);
        let facts = (who, command, statement, outcome);
        self.trace.note(now, facts, || format!("w{who} {command:?} {statement:?} -> {outcome:?}"));
        let zombie = !link.open || self.oracle.lives.is_dead(who);
        let wrote = || Written::of(&changes, &self.names);
        self.trace.keep(now, || Fact::Applied { flight, late: zombie, wrote: wrote() });
        for change in &changes {
            if self.verdict.is_ok()
                && let Some(name) = self.index_of(&change.name)
            {
                let waiting_since = self.waiting_since(flight, name);
                let Flight { sent, ref statement, .. } = self.flights[flight];
                let cause = Cause::Statement { now, who, sent, zombie, waiting_since, statement };
                self.verdict = self.oracle.changed(name, change, &cause, &self.plan);
            }
        }
        self.recognise_statement(flight, &changes, outcome, zombie);
        if !changes.is_empty() {
            self.remember();
        }
    }

    /// Keeps the server as it is now, to which it may fall back.
    pub(crate) fn remember(&mut self) {
        if self.faults.lost_tail > 0 {
            self.past.push((self.now, self.server.clone()));
        }
    }

    /// The locks of the client that the statement renews.
    pub(crate) fn held_by(&self, who: usize, statement: &Statement) -> Vec<Holder> {
        let holder = |name: &LockName| {
            let lock = self.oracle.lives.holding(who, self.index_of(name)?)?;
            Some(Holder { who, lock })
        };
        match statement {
            Statement::Renew(renew) => {
                renew.locks.iter().filter_map(|lock| holder(&lock.name)).collect()
            }
            Statement::Amend(amend) => holder(&amend.name).into_iter().collect(),
            Statement::Acquire(_)
            | Statement::Release(_)
            | Statement::Evict(_)
            | Statement::Read(_)
            | Statement::CreateTable
            | Statement::CheckTable
            | Statement::DropTable
            | Statement::Look(_)
            | Statement::LineUp(_)
            | Statement::Listen
            | Statement::AdvisoryHolders(_)
            | _ => Vec::new(),
        }
    }

    /// Locks whose loss the outcome of this flight tells beyond doubt.
    pub(crate) fn definite_losses(&self, flight: usize) -> Vec<Holder> {
        let Flight { renews, outcome: Some(Outcome::Rows(rows)), .. } = &self.flights[flight]
        else {
            return Vec::new();
        };
        let lost = Value::Text(RenewalVerdict::Lost.as_str().into());
        let is_lost = |name: &LockName| {
            let name = Value::Text(name.as_str().into());
            let says_lost = |row: &Row| row.0.first() == Some(&name) && row.0.get(1) == Some(&lost);
            rows.is_empty() || rows.iter().any(says_lost)
        };
        let is_over = |holder: &Holder| {
            let name = self.oracle.lives.name_of(*holder);
            name.is_some_and(|name| {
                is_lost(&self.names[name]) && self.oracle.ledger.has_ended(name, *holder)
            })
        };
        renews.iter().copied().filter(is_over).collect()
    }

    pub(crate) fn take_verdict(&mut self) -> Verdict {
        std::mem::replace(&mut self.verdict, Ok(()))
    }

    pub(crate) fn index_of(&self, name: &LockName) -> Option<usize> {
        self.names.iter().position(|own| own == name)
    }

    /// The name whose renewals all fail.
    pub(crate) fn spoilt(&self) -> Option<&LockName> {
        self.names.last().filter(|_| self.faults.spoilt_row && self.names.len() > 1)
    }
}

pub(crate) fn stuck(words: impl Into<String>) -> Verdict {
    broken("O5", words)
}
