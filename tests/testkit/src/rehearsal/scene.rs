//! All that a rehearsal consists of but for the futures: what happens, in the order of true time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use futures::future::BoxFuture;
use pglock_core::LockName;
use pglock_driver::Hold;

use crate::chronicle::Fact;
use crate::oracle::{Verdict, broken};
use crate::plan::Faults;
use crate::queue::Queue;
use crate::server::Server;
use crate::tape::{Ppm, Tape};
use crate::trace::Trace;

use super::fault::Fault;
use super::network::{Flight, Link};
use super::process::{Process, Role, Seat};
use super::rules::Rules;
use super::tasks::Turn;
use super::timers::Timers;
use super::weather::Weather;

/// The scene, for whoever has to do with it. Never kept while a future runs.
#[derive(Clone)]
pub(super) struct House(Arc<Mutex<Scene>>);

pub(super) struct Scene {
    pub(super) settings: Settings,
    pub(super) tape: Tape,
    pub(super) faults: Faults,
    pub(super) met: BTreeMap<Fault, u64>,
    pub(super) now: u64,
    pub(super) queue: Queue<Happening>,
    pub(super) server: Server,
    pub(super) server_up_at: u64,
    /// In the order of their first asking.
    pub(super) names: Vec<LockName>,
    pub(super) links: Vec<Link>,
    pub(super) flights: Vec<Flight>,
    /// Statements that wait for a row which a stranger has locked.
    pub(super) parked: Vec<usize>,
    pub(super) seats: Vec<Seat>,
    pub(super) processes: Vec<Process>,
    pub(super) timers: Timers,
    pub(super) errands: Vec<Errand>,
    pub(super) rules: Rules,
    pub(super) trace: Trace,
    pub(super) healed: bool,
    pub(super) await_calm: Vec<Waker>,
    pub(super) over: bool,
    pub(super) steps: u64,
    identities: u64,
    /// All clients spread their waits alike.
    pub(super) one_seed: bool,
    /// Turns since time passed last.
    turns: u32,
    verdict: Verdict,
}

/// What holds for a whole rehearsal; spans in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) lease: u64,
    pub(super) ppm: u64,
    pub(super) granularity: u64,
    pub(super) patience: u64,
    pub(super) is_calm: bool,
}

/// Something that is going to happen.
#[derive(Clone, Debug, Hash)]
pub(super) enum Happening {
    Starts {
        seat: usize,
    },
    /// A process goes on that stood still.
    Resumes,
    Fires {
        timer: u64,
    },
    Connected {
        link: usize,
    },
    Refused {
        link: usize,
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
    UnlockRow {
        name: LockName,
    },
    Weather(Weather),
    Heal,
    Deadline,
    LastDeadline,
    Notice {
        link: usize,
        payload: String,
    },
}

/// What is to be done about futures once the scene is let go of.
pub(super) enum Errand {
    Start { seat: usize, who: usize },
    Spawn { who: usize, future: BoxFuture<'static, ()> },
    End { who: usize },
}

/// More turns in a row than any moment needs.
const TOO_MANY_TURNS: u32 = 20_000;

/// More events than any rehearsal needs.
const TOO_MANY_STEPS: u64 = 5_000_000;

impl House {
    pub(super) fn new(scene: Scene) -> Self {
        Self(Arc::new(Mutex::new(scene)))
    }

    pub(super) fn scene(&self) -> MutexGuard<'_, Scene> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("House")
    }
}

impl Scene {
    pub(super) fn new(
        settings: Settings,
        mut tape: Tape,
        seats: impl Iterator<Item = Role>,
        with_log: bool,
    ) -> Self {
        let mut faults = Faults::storm(settings.lease, &mut tape);
        let one_seed = tape.below(2) == 1;
        let faulty_for = settings.lease * (4 + tape.below(12));
        if settings.is_calm {
            faults = faults.healed();
        }
        let mut scene = Self {
            settings,
            tape,
            faults,
            met: BTreeMap::new(),
            now: 0,
            queue: Queue::new(),
            server: Server::without_table(),
            server_up_at: 0,
            names: Vec::new(),
            links: Vec::new(),
            flights: Vec::new(),
            parked: Vec::new(),
            seats: seats.map(Seat::new).collect(),
            processes: Vec::new(),
            timers: Timers::default(),
            errands: Vec::new(),
            rules: Rules::new(settings.ppm, settings.granularity),
            trace: Trace::new(with_log),
            healed: false,
            await_calm: Vec::new(),
            over: false,
            steps: 0,
            identities: 0,
            one_seed,
            turns: 0,
            verdict: Ok(()),
        };
        scene.trace.note(0, (), || format!("{settings:?}\n{faults:#?}"));
        for seat in 0..scene.seats.len() {
            if scene.seats[seat].role != Role::Last {
                scene.start(seat);
            }
        }
        scene.forecast();
        scene.queue.plan(faulty_for, Happening::Heal);
        scene
    }

    /// A future is going to have its turn.
    pub(super) fn turn(&mut self, turn: Turn) -> Verdict {
        self.step()?;
        self.trace.mix(turn);
        self.turns += 1;
        if self.turns > TOO_MANY_TURNS {
            return broken("O5", format!("w{} never comes to rest at {}", turn.who, self.now));
        }
        Ok(())
    }

    /// Nobody wants to run: the next thing happens.
    pub(super) fn go_on(&mut self) -> Verdict {
        self.step()?;
        let Some(at) = self.queue.next_at() else {
            return broken("O5", "nothing happens any more");
        };
        if at > self.now {
            self.rules.settle(&self.processes, self.now)?;
            self.turns = 0;
        }
        let Some((at, happening)) = self.queue.pop() else { return Ok(()) };
        self.now = at;
        self.trace.mix((at, &happening));
        self.happen(happening)?;
        self.look()
    }

    fn step(&mut self) -> Verdict {
        self.steps += 1;
        if self.steps > TOO_MANY_STEPS {
            return broken("O5", "the rehearsal does not come to its end");
        }
        Ok(())
    }

    /// After each turn, and after whatever happens.
    pub(super) fn look(&mut self) -> Verdict {
        std::mem::replace(&mut self.verdict, Ok(()))?;
        self.rules.check(&self.server, &self.processes, &mut self.trace, self.now)
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        match happening {
            Happening::Starts { seat } => self.start(seat),
            Happening::Resumes => {}
            Happening::Fires { timer } => self.timers.fire(timer),
            Happening::Connected { link } => self.connected(link),
            Happening::Refused { link, full } => self.turned_away(link, full),
            Happening::Broken { link } => self.cut(link),
            Happening::Arrive { flight } => self.arrive(flight),
            Happening::Unpark { flight } => self.unpark(flight),
            Happening::Reply { flight } => self.replied(flight),
            Happening::UnlockRow { name } => {
                self.server.unlock_row(&name);
                self.unlocked();
            }
            Happening::Weather(weather) => self.change_weather(weather),
            Happening::Heal => self.heal(),
            Happening::Deadline => return self.check_all_done(),
            Happening::Notice { link, payload } => self.notified(link, payload),
            Happening::LastDeadline => {
                let words = self.last_words(Role::Last);
                return broken("O5", format!("L1: not every lock can be had: {words}"));
            }
        }
        Ok(())
    }
}

/// Programs.
impl Scene {
    /// Starts a program, unless it runs or has come to its end.
    fn start(&mut self, seat: usize) {
        if self.seats[seat].who.is_none() && !self.seats[seat].done {
            let who = self.born(seat);
            self.errands.push(Errand::Start { seat, who });
        }
    }

    /// A program has come to its end, or fails and is started anew.
    pub(super) fn ended(&mut self, who: usize, ended: Result<(), String>) {
        if !self.processes[who].alive {
            return;
        }
        let seat = self.processes[who].seat;
        self.trace.note(self.now, (who, &ended), || format!("w{who} ends: {ended:?}"));
        self.trace.keep(self.now, || Fact::Ends { who, how: ended.clone() });
        self.gone(who);
        match ended {
            Ok(()) => {
                self.seats[seat].done = true;
                self.one_is_done(seat);
            }
            Err(words) => {
                self.seats[seat].last_words = words;
                let pause = self.tape.log_uniform(self.settings.lease / 64, self.settings.lease);
                self.queue.plan(self.now + pause, Happening::Starts { seat });
            }
        }
    }

    fn one_is_done(&mut self, seat: usize) {
        match self.seats[seat].role {
            Role::Client if self.undone().next().is_none() => self.make_room(),
            Role::Client | Role::Service => {}
            Role::Last => self.over = true,
        }
    }

    fn undone(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.role == Role::Client && !seat.done)
    }

    /// Everything is well from now on.
    fn heal(&mut self) {
        if self.healed {
            return;
        }
        self.trace.note(self.now, (), || "all is healed".into());
        self.trace.keep(self.now, || Fact::Healed);
        self.healed = true;
        self.faults = self.faults.healed();
        self.server_up_at = self.now;
        self.rouse_all();
        for name in &self.names {
            self.server.unlock_row(name);
        }
        self.unlocked();
        for seat in 0..self.seats.len() {
            if self.seats[seat].role != Role::Last {
                self.start(seat);
            }
        }
        self.await_calm.drain(..).for_each(Waker::wake);
        self.queue.plan(self.now + self.settings.patience, Happening::Deadline);
    }

    fn check_all_done(&mut self) -> Verdict {
        if self.undone().next().is_some() {
            let words = self.last_words(Role::Client);
            return broken("O5", format!("L1: some have not come to their end: {words}"));
        }
        self.make_room();
        Ok(())
    }

    /// All must go, so that whoever comes last can have every lock.
    fn make_room(&mut self) {
        self.heal();
        for seat in 0..self.seats.len() {
            let Seat { role, who, done, .. } = &self.seats[seat];
            match (role, *who) {
                (Role::Last, None) if !done => {
                    self.start(seat);
                    let at = self.now + self.settings.patience;
                    self.queue.plan(at, Happening::LastDeadline);
                }
                (Role::Service, Some(who)) => {
                    self.seats[seat].done = true;
                    self.trace.keep(self.now, || Fact::Ends { who, how: Ok(()) });
                    self.gone(who);
                }
                (Role::Client | Role::Service | Role::Last, _) => {}
            }
        }
    }

    fn last_words(&self, role: Role) -> String {
        let seats = self.seats.iter().enumerate();
        let undone = seats.filter(|(_, seat)| seat.role == role && !seat.done);
        let words = undone.map(|(index, seat)| match seat.last_words.as_str() {
            "" => format!("client {index}"),
            words => format!("client {index}, which ended before with: {words}"),
        });
        words.collect::<Vec<_>>().join("; ")
    }

    pub(super) const fn next_identity(&mut self) -> u64 {
        self.identities += 1;
        self.identities
    }
}

/// Rules.
impl Scene {
    pub(super) fn granted(&mut self, who: usize, hold: &Hold) {
        let (name, token, until) = (hold.name(), hold.token(), hold.valid_until());
        self.trace.note(self.now, (who, name, token, until), || {
            format!("w{who} is granted {name} under token {token}")
        });
        if self.processes[who].alive {
            let name = self.number(name);
            let clock = &self.processes[who].clock;
            self.rules.granted(who, hold, name, clock, &mut self.trace, self.now);
        }
    }

    pub(super) fn begin_work(&mut self, who: usize, hold: &Hold) -> u64 {
        let (name, token) = (hold.name(), hold.token());
        self.trace.note(self.now, (who, name, token), || {
            format!("w{who} begins to work on {name} under token {token}")
        });
        let work = self.rules.begin_work(who, hold);
        let (name, token) = (self.number(name), token.as_i64());
        self.trace.keep(self.now, || Fact::Works { who, work, name, token });
        work
    }

    pub(super) fn act(&mut self, work: u64) {
        if self.verdict.is_ok() {
            self.verdict = self.rules.act(work, &self.processes, self.now);
        }
    }

    pub(super) fn end_work(&mut self, work: u64) {
        self.trace.note(self.now, work, || format!("work {work} ends"));
        if let Some(who) = self.rules.end_work(work) {
            self.trace.keep(self.now, || Fact::Rests { who, work });
        }
    }
}

/// Names.
impl Scene {
    pub(super) fn ask_for(&mut self, name: &LockName) {
        if !self.names.contains(name) {
            self.names.push(name.clone());
        }
    }

    /// Of a name that somebody has asked for.
    fn number(&self, name: &str) -> usize {
        self.names.iter().position(|own| own.as_str() == name).unwrap_or(usize::MAX)
    }
}

/// Chance.
impl Scene {
    pub(super) fn meet(&mut self, fault: Fault) {
        *self.met.entry(fault).or_default() += 1;
    }

    pub(super) fn hit(&mut self, chance: Ppm, fault: Fault) -> bool {
        let hit = self.tape.hit(chance);
        if hit {
            self.meet(fault);
        }
        hit
    }
}
