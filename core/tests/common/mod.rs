//! A driver without a server: the test plays the server and the clock.

pub(crate) mod table;

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use pglock_core::{
    Client, Command, Config, Counters, Event, Identity, Instant, LockId, Outcome, Output, Row,
    ServerError, SessionId, Severity, SqlState, Wake,
};

/// What becomes of a connection that is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// It opens.
    Open,
    /// It is refused, perhaps with the server's words.
    Shut(Option<ServerError>),
    /// Nothing is heard.
    Silent,
}

/// One client, its clock, and what it has asked for since it was last looked at.
pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    pub(crate) commands: Vec<Command>,
    /// The connections that were asked for, and when.
    pub(crate) opened: Vec<(SessionId, Instant)>,
    pub(crate) closed: Vec<SessionId>,
    pub(crate) door: Door,
    /// The last lock that was asked for.
    pub(crate) last: Option<LockId>,
}

impl Rig {
    /// Without hints, which have tests of their own.
    pub(crate) fn new() -> Self {
        let mut config = Config::default();
        config.hints = false;
        Self::with(config)
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::seeded(config, 1)
    }

    pub(crate) fn seeded(config: Config, seed: u64) -> Self {
        Self {
            client: Client::new(config, Identity::new([7; 16]), seed).unwrap(),
            now: Instant::from_nanos(1_000_000_000),
            events: Vec::new(),
            commands: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            door: Door::Open,
            last: None,
        }
    }

    /// Drains the outputs; the door decides what becomes of connections that are asked for.
    pub(crate) fn drain(&mut self) -> Wake {
        for _ in 0..10_000 {
            match self.client.poll_output(self.now) {
                Output::Connect(session, _) => self.knock(session),
                Output::Disconnect(session) => self.closed.push(session),
                Output::Execute(command) => self.commands.push(command),
                Output::Event(event) => self.events.push(event),
                Output::Wait(wake) => {
                    assert!(wake.at.is_none_or(|at| at > self.now), "{wake:?} at {:?}", self.now);
                    return wake;
                }
            }
        }
        panic!("the client does not come to rest");
    }

    fn knock(&mut self, session: SessionId) {
        self.opened.push((session, self.now));
        match self.door.clone() {
            Door::Open => self.client.handle_connected(session, self.now),
            Door::Shut(error) => self.client.handle_disconnected(session, error, self.now),
            Door::Silent => {}
        }
    }

    pub(crate) fn pass(&mut self, span: Duration) -> Wake {
        self.now = self.now.checked_add(span).unwrap();
        self.drain()
    }

    /// Lets time pass, wake-up by wake-up, until there is a command.
    pub(crate) fn until_command(&mut self) -> Command {
        for _ in 0..1_000 {
            let wake = self.drain();
            if !self.commands.is_empty() {
                return self.command();
            }
            self.now = wake.at.unwrap();
        }
        panic!("the client asks for nothing");
    }

    /// Lets time pass, wake-up by wake-up, until something is told.
    pub(crate) fn until_event(&mut self) -> Event {
        for _ in 0..1_000 {
            let wake = self.drain();
            if !self.events.is_empty() {
                return self.event();
            }
            self.now = wake.at.unwrap();
        }
        panic!("the client tells nothing");
    }

    /// The one command that was sent since.
    pub(crate) fn command(&mut self) -> Command {
        self.drain();
        assert_eq!(self.commands.len(), 1, "{:?}", self.commands);
        self.commands.remove(0)
    }

    pub(crate) fn no_command(&mut self) {
        self.drain();
        assert_eq!(self.commands, []);
    }

    /// The events since.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        self.drain();
        std::mem::take(&mut self.events)
    }

    pub(crate) fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    pub(crate) fn answer(&mut self, command: &Command, outcome: Outcome) {
        self.client.handle_outcome(command.id(), outcome, self.now);
    }

    pub(crate) fn rows(&mut self, command: &Command, rows: Vec<Row>) {
        self.answer(command, Outcome::Rows(rows));
    }

    /// What the client does for some minutes from now on, each line with how long after the beginning. Its clock is
    /// set back after each step.
    pub(crate) fn history(
        &mut self,
        held: LockId,
        back: Duration,
        outcome: impl Fn(&Command, u32) -> Outcome,
    ) -> Vec<String> {
        let mut began = self.now;
        let mut lines = Vec::new();
        for step in 0..300 {
            let wake = self.drain();
            let after = self.now.since(began);
            for event in self.events() {
                let name = format!("{event:?}").split(' ').next().map(String::from);
                lines.push(format!("{after:?}: {name:?}, valid for {:?}", self.valid_for(held)));
            }
            let commands = std::mem::take(&mut self.commands);
            if commands.is_empty() {
                let Some(at) = wake.at else { break };
                self.now = at;
            }
            for command in commands {
                lines.push(format!("{after:?}: {:?}", command.statement()));
                let outcome = outcome(&command, step);
                self.answer(&command, outcome);
            }
            self.drain();
            self.set_back(back);
            began = earlier(began, back);
            assert_eq!(self.client.counters(), Counters::default());
        }
        lines
    }

    /// Lets the clock have begun later.
    pub(crate) fn set_back(&mut self, back: Duration) {
        self.client.rebase(self.now, back);
        self.now = earlier(self.now, back);
    }

    pub(crate) fn valid_for(&self, lock: LockId) -> Option<Duration> {
        self.client.valid_until(lock).map(|until| until.since(self.now))
    }
}

fn earlier(moment: Instant, span: Duration) -> Instant {
    Instant::from_nanos(moment.as_nanos() - u64::try_from(span.as_nanos()).unwrap())
}

/// An error that leaves the session as it was.
pub(crate) fn error(code: &str) -> ServerError {
    let sqlstate = SqlState::new(code);
    ServerError { severity: Severity::Error, sqlstate, message: "words".into() }
}

pub(crate) fn failed(code: &str) -> Outcome {
    Outcome::Failed(error(code))
}

pub(crate) fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Compares with a file of this name, or writes it anew.
pub(crate) fn check(file: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(file);
    if env::var_os("PGLOCK_BLESS").is_some() {
        fs::write(&path, now).unwrap();
    }
    let before = fs::read_to_string(&path).unwrap_or_default();
    assert!(before == now, "{file} has changed; bless it if that is meant:\n{now}");
}
