//! Drives one client of the core over its connections: all that a runtime of one's own has to do.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use pglock_core::{
    Client, CommandId, Config, Event, Identity, LockId, Output, Question, Request, SessionId,
};
use pglock_driver::{BootClock, Clock, Instant};
use pglock_examples::{Answer, Connection, ServerUrl, Told};
use rustix::event::{PollFd, PollFlags, Timespec};

pub(crate) struct Driver {
    name: &'static str,
    server: ServerUrl,
    client: Client,
    connections: BTreeMap<SessionId, Carrier>,
    /// When there is something to do, whatever comes from outside.
    wake: Option<Instant>,
}

struct Carrier {
    connection: Connection,
    command: Option<CommandId>,
}

fn now() -> Instant {
    BootClock.now()
}

type Asked<T> = Result<T, Box<dyn std::error::Error>>;

impl Driver {
    pub(crate) fn new(name: &'static str, server: &ServerUrl) -> Asked<Self> {
        let mut identity = [0; 16];
        getrandom::fill(&mut identity)?;
        let [a, b, c, d, e, f, g, h, ..] = identity;
        let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let client = Client::new(Config::default(), Identity::new(identity), seed)?;
        let (server, connections) = (server.clone(), BTreeMap::new());
        Ok(Self { name, server, client, connections, wake: None })
    }

    pub(crate) fn ask(&mut self, question: Question) -> Asked<()> {
        let now = self.wakes_now();
        self.client.ask(question, now)?;
        Ok(())
    }

    pub(crate) fn acquire(&mut self, request: Request) -> Asked<LockId> {
        let now = self.wakes_now();
        Ok(self.client.acquire(request, now)?)
    }

    pub(crate) fn release(&mut self, lock: LockId) -> Asked<()> {
        let now = self.wakes_now();
        Ok(self.client.release(lock, now)?)
    }

    pub(crate) fn shut_down(&mut self) {
        let now = self.wakes_now();
        self.client.shut_down(now);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.client.is_shut_down()
    }

    /// Whatever is asked may be something to do at once.
    fn wakes_now(&mut self) -> Instant {
        *self.wake.insert(now())
    }

    /// Brings in what has come, carries out what is to be done, and says what has happened.
    pub(crate) fn work(&mut self) -> io::Result<Vec<Event>> {
        self.take_in();
        let mut events = Vec::new();
        loop {
            // Read before the command is handed over: a lock counts from here.
            let now = now();
            match self.client.poll_output(now) {
                Output::Connect(session, _) => match Connection::open(&self.server) {
                    Ok(connection) => {
                        self.connections.insert(session, Carrier { connection, command: None });
                    }
                    Err(_) => self.client.handle_disconnected(session, None, now),
                },
                Output::Disconnect(session) => drop(self.connections.remove(&session)),
                Output::Execute(command) => {
                    // The end of one that is gone has been told.
                    if let Some(carrier) = self.connections.get_mut(&command.session()) {
                        carrier.command = Some(command.id());
                        carrier.connection.send(&command.query())?;
                    }
                }
                Output::Event(event) => {
                    println!("{}: {event:?}", self.name);
                    events.push(event);
                }
                Output::Wait(wake) => {
                    self.wake = wake.at;
                    return Ok(events);
                }
            }
        }
    }

    fn take_in(&mut self) {
        let mut ended = Vec::new();
        for (session, carrier) in &mut self.connections {
            for told in carrier.connection.turn() {
                // Read after the answer has arrived: whoever watches another holder counts from here.
                let now = now();
                match told {
                    Told::Connected => self.client.handle_connected(*session, now),
                    Told::Notified(news) => self.client.handle_notification(*session, &news, now),
                    Told::Answered(answer) => {
                        if let Some(command) = carrier.command.take() {
                            self.client.handle_outcome(command, Answer::outcome(answer), now);
                        }
                    }
                    Told::Ended(error) => {
                        self.client.handle_disconnected(*session, error, now);
                        ended.push(*session);
                    }
                }
            }
        }
        self.connections.retain(|session, _| !ended.contains(session));
    }
}

/// Until a socket is ready or a client wants to be woken.
pub(crate) fn wait_for_sockets(drivers: [&Driver; 2]) -> io::Result<()> {
    let connections = || drivers.into_iter().flat_map(|driver| driver.connections.values());
    let mut sockets: Vec<PollFd<'_>> = connections()
        .map(|Carrier { connection, .. }| {
            let writes = connection.has_more_to_say();
            let out = if writes { PollFlags::OUT } else { PollFlags::empty() };
            PollFd::new(connection, PollFlags::IN | out)
        })
        .collect();
    let wake = drivers.iter().filter_map(|driver| driver.wake).min();
    let rest = wake.map(|wake| wake.since(now()).min(LONGEST)).unwrap_or(LONGEST);
    let rest =
        Timespec { tv_sec: rest.as_secs().cast_signed(), tv_nsec: rest.subsec_nanos().into() };
    match rustix::event::poll(&mut sockets, Some(&rest)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The system's timers stand still during suspend, the clock does not.
const LONGEST: Duration = Duration::from_secs(1);
