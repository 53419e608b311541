//! One history: what happens, in the order of true time, to a server's lock table, the network and the processes
//! of some clients. After each event the oracles look.

use std::collections::BTreeMap;

use pglock_core::AdvisoryPlace;

use super::met::Coincidences;
use super::network::{Flight, Link, session};
use super::plan::{Faults, Plan};
use super::process::Process;
use super::server::Server;
use crate::oracle::{Verdict, broken};
use crate::queue::Queue;
use crate::server::advisory::{Command, Level, Session, Want};
use crate::server::too_many;
use crate::tape::Tape;
use crate::trace::Trace;

pub(super) struct World {
    pub(super) tape: Tape,
    pub(super) plan: Plan,
    pub(super) faults: Faults,
    pub(super) now: u64,
    pub(super) queue: Queue<Happening>,
    pub(super) server: Server,
    pub(super) links: Vec<Link>,
    pub(super) flights: Vec<Flight>,
    pub(super) processes: Vec<Process>,
    pub(super) trace: Trace,
    pub(super) reached: Coincidences,
    pub(super) born: usize,
    /// When each place was taken last.
    pub(super) taken: BTreeMap<AdvisoryPlace, u64>,
    pub(super) healed: bool,
    pub(super) over: bool,
    pub(super) steps: u64,
}

/// Something that is going to happen.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Happening {
    Wake {
        client: usize,
        turn: u64,
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
    Reply {
        flight: usize,
    },
    /// A notification.
    Notice {
        link: usize,
        place: AdvisoryPlace,
    },
    /// By now somebody must have taken a place that its waiters knew to be free.
    Prompt {
        place: AdvisoryPlace,
        since: u64,
    },
    /// A statement has waited in line as long as it was to.
    SlicePasses {
        flight: usize,
    },
    /// The server hears that a connection was closed.
    Ends {
        link: usize,
    },
    User {
        client: usize,
        who: usize,
        user: usize,
        turn: u32,
    },
    Weather(Weather),
    Heal,
    Deadline,
    AllQuiet,
    ShutDownDeadline,
}

/// What happens by chance.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Weather {
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
    ServerCrash,
    Meddle,
    /// Sessions of others, who know nothing of this library, take and free locks.
    Stranger,
}

const TOO_MANY_STEPS: u64 = 100_000;

/// Sessions of strangers; no link has such a number.
pub(super) const STRANGERS: [Session; 2] = [Session::MAX - 2, Session::MAX - 3];

impl World {
    pub(super) fn new(mut tape: Tape, with_log: bool) -> Self {
        let plan = Plan::draw(&mut tape);
        let mut world = Self {
            faults: plan.faults,
            now: 0,
            queue: Queue::new(),
            server: Server::default().with_room(plan.room),
            links: Vec::new(),
            flights: Vec::new(),
            processes: Vec::new(),
            trace: Trace::new(with_log),
            reached: Coincidences::default(),
            born: 0,
            taken: BTreeMap::new(),
            healed: false,
            over: false,
            steps: 0,
            tape,
            plan,
        };
        world.trace.note(0, (), || format!("{:?}", world.plan));
        for client in 0..world.plan.clients {
            world.start(client);
            world.again(Weather::Pause { client });
            world.again(Weather::SpuriousPoll { client });
            world.again(Weather::RateChange { client });
            world.again(Weather::Crash { client });
        }
        for weather in [Weather::ServerCrash, Weather::Meddle, Weather::Stranger] {
            world.again(weather);
        }
        world.queue.plan(world.plan.faulty_for, Happening::Heal);
        world
    }

    /// Lets the history happen, for `most` events.
    pub(super) fn run(&mut self, most: u64) -> Verdict {
        while !self.over && self.steps < most {
            let Some((at, happening)) = self.queue.pop() else { break };
            self.now = at;
            if self.is_stale(happening) {
                continue;
            }
            self.steps += 1;
            self.trace.mix((at, happening));
            if self.steps > TOO_MANY_STEPS {
                return broken("O5", "the history does not come to its end");
            }
            self.happen(happening)?;
            self.answer_woken();
        }
        Ok(())
    }

    /// Whether something else came first, so that nothing happens.
    fn is_stale(&self, happening: Happening) -> bool {
        match happening {
            Happening::Wake { client, turn } => !self.processes[client].awaits_wake(turn),
            Happening::User { client, who, user, turn } => {
                !self.processes[client].awaits_user(who, user, turn)
            }
            Happening::Connected { .. }
            | Happening::Refused { .. }
            | Happening::Broken { .. }
            | Happening::Arrive { .. }
            | Happening::Reply { .. }
            | Happening::Notice { .. }
            | Happening::Prompt { .. }
            | Happening::SlicePasses { .. }
            | Happening::Ends { .. }
            | Happening::Weather(_)
            | Happening::Heal
            | Happening::Deadline
            | Happening::AllQuiet
            | Happening::ShutDownDeadline => false,
        }
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        if let Some(client) = self.recipient(happening) {
            let until = self.processes[client].paused_until;
            if until > self.now {
                self.queue.plan(until, happening);
                return Ok(());
            }
        }
        match happening {
            Happening::Wake { client, .. } => self.drain(client),
            Happening::Connected { link } => self.connected(link),
            Happening::Refused { link, full } => self.lose_link(link, full.then(too_many)),
            Happening::Broken { link } => self.lose_link(link, None),
            Happening::Arrive { flight } => {
                self.arrive(flight);
                Ok(())
            }
            Happening::Reply { flight } => self.replied(flight),
            Happening::Notice { link, place } => self.noticed(link, place),
            Happening::Prompt { place, since } => self.check_prompt(place, since),
            Happening::SlicePasses { flight } => {
                self.slice_passes(flight);
                Ok(())
            }
            Happening::Ends { link } => {
                self.hang_up(link);
                Ok(())
            }
            Happening::User { client, user, .. } => self.user_acts(client, user),
            Happening::Weather(weather) => self.change_weather(weather),
            Happening::Heal => {
                self.heal();
                Ok(())
            }
            Happening::Deadline => self.check_all_served(),
            Happening::AllQuiet => self.check_nothing_stranded(),
            Happening::ShutDownDeadline => self.check_shut_down(),
        }
    }

    /// The process that handles it, which may be standing still.
    fn recipient(&self, happening: Happening) -> Option<usize> {
        match happening {
            Happening::Wake { client, .. }
            | Happening::User { client, .. }
            | Happening::Weather(Weather::SpuriousPoll { client }) => Some(client),
            Happening::Connected { link }
            | Happening::Refused { link, .. }
            | Happening::Notice { link, .. }
            | Happening::Broken { link } => Some(self.links[link].client),
            Happening::Reply { flight } => Some(self.links[self.flights[flight].link].client),
            Happening::Arrive { .. }
            | Happening::Prompt { .. }
            | Happening::SlicePasses { .. }
            | Happening::Ends { .. }
            | Happening::Weather(_)
            | Happening::Heal
            | Happening::Deadline
            | Happening::AllQuiet
            | Happening::ShutDownDeadline => None,
        }
    }

    // What happens by chance.

    fn again(&mut self, weather: Weather) {
        let gap = self.gap(weather);
        if let Some(after) = self.tape.again(gap) {
            self.queue.plan(self.now + after, Happening::Weather(weather));
        }
    }

    const fn gap(&self, weather: Weather) -> u64 {
        let gap = &self.faults.gap;
        match weather {
            Weather::Pause { .. } => gap.pause,
            Weather::SpuriousPoll { .. } => gap.spurious_poll,
            Weather::RateChange { .. } => gap.rate_change,
            Weather::Crash { .. } => gap.crash,
            Weather::Restart { .. } => 0,
            Weather::ServerCrash => gap.server_crash,
            Weather::Meddle => gap.meddling,
            Weather::Stranger => gap.stranger,
        }
    }

    fn change_weather(&mut self, weather: Weather) -> Verdict {
        let recurs = self.gap(weather) > 0;
        self.again(weather);
        match weather {
            Weather::Restart { client } if !self.processes[client].running => self.start(client),
            _ if !recurs => {}
            Weather::Restart { .. } => {}
            Weather::Pause { client } => {
                let pause = self.tape.below(self.plan.silence * 2);
                self.processes[client].paused_until = self.now + pause;
                self.trace.note(self.now, (client, pause), || {
                    format!("client {client} stands still for {pause}")
                });
            }
            Weather::SpuriousPoll { client } if self.processes[client].running => {
                return self.drain(client);
            }
            Weather::RateChange { client } => {
                let rate = self.plan.rate(&mut self.tape);
                self.processes[client].clock.set_rate(self.now, rate);
                self.rouse(client);
            }
            Weather::Crash { client } if self.processes[client].running => {
                self.crash(client);
                let after = self.tape.below(self.plan.silence);
                self.queue.plan(self.now + after, Happening::Weather(Weather::Restart { client }));
            }
            Weather::SpuriousPoll { .. } | Weather::Crash { .. } => {}
            Weather::ServerCrash => {
                self.trace.note(self.now, (), || "the server crashes".into());
                (0..self.links.len()).for_each(|link| {
                    if self.links[link].alive {
                        self.terminate(link);
                    }
                });
            }
            Weather::Meddle => self.meddle(),
            Weather::Stranger => self.stranger_acts(),
        }
        Ok(())
    }

    /// Somebody ends a session, resets it, or frees its locks.
    fn meddle(&mut self) {
        let alive: Vec<usize> =
            (0..self.links.len()).filter(|link| self.links[*link].alive).collect();
        if alive.is_empty() {
            return;
        }
        let link = alive[self.tape.index(alive.len())];
        let how = self.tape.below(3);
        self.trace
            .note(self.now, (link, how), || format!("somebody meddles with link {link}: {how}"));
        match how {
            0 => return self.terminate(link),
            // While it waits it does nothing else.
            _ if self.links[link].waits.is_some() => return self.terminate(link),
            1 => self.server.discard(session(link)),
            _ => self.server.unlock_all(session(link)),
        }
        self.links[link].robbed = true;
    }

    fn stranger_acts(&mut self) {
        let stranger = STRANGERS[self.tape.index(STRANGERS.len())];
        let place = self.plan.keys[self.tape.index(self.plan.keys.len())].place();
        let shared = self.tape.below(2) == 1;
        let mode = if shared {
            pglock_core::AdvisoryMode::Shared
        } else {
            pglock_core::AdvisoryMode::Exclusive
        };
        let want = Want { place, mode, level: Level::Session };
        let command = if self.tape.below(2) == 0 { Command::UnlockAll } else { Command::Try(want) };
        self.trace.note(self.now, (stranger, command), || format!("a stranger: {command:?}"));
        self.server.command(stranger, command);
        self.taken.insert(place, self.now);
    }
}
