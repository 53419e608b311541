//! A driver without a server: the test plays the server and the clock.

use std::time::Duration;

use pglock_core::{
    Acquire, Client, Command, Config, Event, Holder, Identity, Instant, LockId, LockName, Outcome,
    Output, Read, Release, Renew, Request, Row, Rvn, ServerError, SessionId, Severity, SqlState,
    Statement, Token, Value, Wait, Wake,
};

/// How long a lock is valid from the sending, at the defaults.
pub(crate) const VALID: Duration = Duration::from_nanos(19_601_980_198);

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
    last: Option<LockId>,
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

    pub(crate) fn last(&self) -> LockId {
        self.last.unwrap()
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

    /// Shows the same holder to every look until the lock is asked for.
    pub(crate) fn until_acquire(&mut self, rvn: Rvn, lease_ms: i64) -> Command {
        loop {
            let command = self.until_command();
            if matches!(command.statement(), Statement::Acquire(_)) {
                return command;
            }
            assert_eq!(command.statement(), &Statement::Read(Read::One(name_of("a"))));
            self.rows(&command, vec![held_row(rvn, lease_ms)]);
        }
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

    /// The lock is held since just now, by a grant without data.
    pub(crate) fn acquired(&mut self, lock: LockId, token: i64) {
        let Event::Acquired { lock: told, grant } = self.event() else { panic!() };
        assert_eq!((told, grant.token.as_i64(), grant.data), (lock, token, None));
        assert_eq!(Some(grant.valid_until), self.now.checked_add(VALID));
        assert_eq!(self.client.valid_until(lock), Some(grant.valid_until));
    }

    /// Who waits, and for whom.
    pub(crate) fn waiting(&mut self) -> (LockId, Seen) {
        match self.event() {
            Event::Waiting { lock, holder } => (lock, Seen::of(holder)),
            other => panic!("{other:?}"),
        }
    }

    /// Who does not wait, and for whom.
    pub(crate) fn busy(&mut self) -> (LockId, Option<Seen>) {
        match self.event() {
            Event::Busy { lock, holder } => (lock, holder.map(Seen::of)),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn answer(&mut self, command: &Command, outcome: Outcome) {
        self.client.handle_outcome(command.id(), outcome, self.now);
    }

    pub(crate) fn rows(&mut self, command: &Command, rows: Vec<Row>) {
        self.answer(command, Outcome::Rows(rows));
    }

    pub(crate) fn ask(&mut self, name: &str, wait: Wait) -> LockId {
        let mut request = Request::new(name_of(name));
        request.wait = wait;
        let lock = self.client.acquire(request, self.now).unwrap();
        self.last = Some(lock);
        lock
    }

    /// Acquires a lock at once; its events are swallowed.
    pub(crate) fn hold(&mut self, name: &str) -> LockId {
        let lock = self.ask(name, Wait::ForEver);
        let command = self.command();
        self.rows(&command, vec![granted(&command, 1)]);
        self.acquired(lock, 1);
        lock
    }

    pub(crate) fn valid_for(&self, lock: LockId) -> Option<Duration> {
        self.client.valid_until(lock).map(|until| until.since(self.now))
    }
}

/// A holder, in a form that a test can write down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) owner: Option<String>,
    pub(crate) token: Option<i64>,
    pub(crate) lease: Duration,
    pub(crate) unchanged_for: Duration,
}

impl Seen {
    pub(crate) fn of(holder: Holder) -> Self {
        let Holder { owner, token, lease, unchanged_for, .. } = holder;
        Self { owner, token: token.map(Token::as_i64), lease, unchanged_for }
    }
}

/// The holder that [`refused`] and [`held_row`] show, seen so long ago.
pub(crate) fn other(lease: Duration, unchanged_for: Duration) -> Seen {
    Seen { owner: Some("other".into()), token: Some(9), lease, unchanged_for }
}

pub(crate) fn name_of(name: &str) -> LockName {
    LockName::new(name).unwrap()
}

pub(crate) fn acquire(command: &Command) -> &Acquire {
    match command.statement() {
        Statement::Acquire(acquire) => acquire,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn release_of(command: &Command) -> &Release {
    match command.statement() {
        Statement::Release(release) => release,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn renew(command: &Command) -> &Renew {
    match command.statement() {
        Statement::Renew(renew) => renew,
        other => panic!("{other:?}"),
    }
}

fn int(number: i64) -> Value {
    Value::Int8(number)
}

/// The row of a grant.
pub(crate) fn granted(command: &Command, token: i64) -> Row {
    let acquire = acquire(command);
    let lease = i64::try_from(acquire.lease.as_millis()).unwrap();
    let owner = Value::Text(acquire.owner.as_str().into());
    Row(vec![
        Value::Bool(true),
        int(acquire.new.as_i64()),
        owner,
        int(lease),
        Value::Null,
        int(token),
    ])
}

/// The row of a refusal: held by somebody with this number and a lease of so many milliseconds.
pub(crate) fn refused(rvn: Rvn, lease_ms: i64) -> Row {
    let mut row = held_row(rvn, lease_ms);
    row.0.remove(0);
    row.0.insert(0, Value::Bool(false));
    row
}

/// A row that a look shows.
pub(crate) fn held_row(rvn: Rvn, lease_ms: i64) -> Row {
    let owner = Value::Text("other".into());
    Row(vec![Value::Text("a".into()), int(rvn.as_i64()), owner, int(lease_ms), Value::Null, int(9)])
}

/// A refusal by a row that is free.
pub(crate) fn free() -> Row {
    Row(vec![
        Value::Bool(false),
        Value::Null,
        Value::Text(String::new()),
        Value::Null,
        Value::Null,
        Value::Null,
    ])
}

/// A verdict on a renewal.
pub(crate) fn verdict(name: &str, verdict: &str) -> Row {
    let lease = if verdict == "renewed" { int(20_000) } else { Value::Null };
    Row(vec![Value::Text(name.into()), Value::Text(verdict.into()), lease])
}

/// A number of ours that this client did not draw.
pub(crate) fn foreign(number: i64) -> Rvn {
    Rvn::new(Rvn::MARK + number)
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
