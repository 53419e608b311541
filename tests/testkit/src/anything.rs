//! One client and a driver that does to it whatever bytes choose, in whatever order: it answers twice, late or
//! with what fits no statement, speaks of what nobody has heard of, and turns the clock back. Knows the
//! promises that hold all the same, and nothing of other clients' locks.

mod draw;
mod step;
mod stranger;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use pglock_core::{
    Client, Command, Event, Identity, Instant, LockId, Outcome, Output, QuestionId, SessionId,
    Statement, Wake,
};

use crate::lockspace;
use crate::server::Server;
use crate::tape::Tape;
use step::Step;

/// More steps would make it longer, not stranger.
const MOST_STEPS: usize = 1_000;

/// More outputs than can be due at one moment.
const MOST_OUTPUTS: usize = 10_000;

/// A promise that a client has broken, and what its driver had done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Misdeed {
    /// Which promise and how, in words.
    pub words: String,
    /// What the driver did, a line each.
    pub log: Vec<String>,
}

impl fmt::Display for Misdeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.log {
            writeln!(f, "{line}")?;
        }
        f.write_str(&self.words)
    }
}

impl std::error::Error for Misdeed {}

type Promise = Result<(), String>;

/// Does to one client what bytes choose, shuts it down, and answers what it told. Any bytes will do; none at all
/// do nothing. The client must never panic, come to rest with a wake-up in the future, end every lock and
/// answer every question exactly once, hold nothing beyond a deadline, and ignore what is not its own.
///
/// # Errors
/// When it breaks a promise.
pub fn drive_bytes(bytes: &[u8]) -> Result<Vec<Event>, Box<Misdeed>> {
    let mut tape = Tape::from_bytes(bytes);
    let config = draw::config(&mut tape);
    let Ok(client) = Client::new(config, Identity::new([7; 16]), 1) else {
        return Ok(Vec::new());
    };
    let mut drive = Drive::new(client, tape);
    match drive.go() {
        Ok(()) => Ok(drive.told),
        Err(words) => {
            let log = drive.steps.iter().map(|step| format!("{step:?}")).collect();
            Err(Box::new(Misdeed { words, log }))
        }
    }
}

/// What becomes of a connection that is asked for.
#[derive(Clone, Copy, Debug, Default)]
enum Door {
    #[default]
    Open,
    Shut,
    Silent,
}

/// The client, its server, and what must be remembered to see whether promises are kept.
struct Drive {
    client: Client,
    server: Servers,
    tape: Tape,
    steps: Vec<Step>,
    now: Instant,
    /// The latest `now` the client was told.
    latest: Instant,
    door: Door,
    /// Commands without an answer, and those that have had one.
    open: Vec<Command>,
    answered: Vec<Command>,
    sessions: Vec<SessionId>,
    asked: Vec<LockId>,
    unanswered: BTreeSet<QuestionId>,
    ended: BTreeMap<LockId, Event>,
    told: Vec<Event>,
}

/// What stands for the server: one half for the rows, one for the advisory locks.
#[derive(Clone, Debug)]
struct Servers {
    rows: Server,
    locks: lockspace::Server,
}

impl Servers {
    fn execute(&mut self, command: &Command) -> Outcome {
        let session = u32::try_from(command.session().as_u64()).unwrap_or(u32::MAX);
        let statement = command.statement();
        if matches!(statement, Statement::Advisory(_)) {
            self.locks.execute(session, statement)
        } else {
            self.rows.execute(statement)
        }
    }
}

impl Drive {
    fn new(client: Client, mut tape: Tape) -> Self {
        let rows = if tape.below(8) == 7 { Server::without_table() } else { Server::with_table() };
        let server = Servers { rows, locks: lockspace::Server::default() };
        let now = if tape.below(8) == 7 { draw::nanos(&mut tape) } else { 1_000_000_000 };
        let now = Instant::from_nanos(now);
        Self {
            client,
            server,
            tape,
            steps: Vec::new(),
            now,
            latest: Instant::default(),
            door: Door::Open,
            open: Vec::new(),
            answered: Vec::new(),
            sessions: Vec::new(),
            asked: Vec::new(),
            unanswered: BTreeSet::new(),
            ended: BTreeMap::new(),
            told: Vec::new(),
        }
    }

    fn go(&mut self) -> Promise {
        for _ in 0..MOST_STEPS {
            let Some(step) = Step::draw(&mut self.tape) else { break };
            self.steps.push(step.clone());
            self.take(step)?;
            if self.tape.below(4) == 3 {
                self.poll()?;
            } else {
                self.rest()?;
            }
            self.check_belief()?;
        }
        self.shut_down()
    }

    /// Takes one output, which need not be the last.
    fn poll(&mut self) -> Result<Option<Wake>, String> {
        self.latest = self.latest.max(self.now);
        match self.client.poll_output(self.now) {
            Output::Connect(session, _) => {
                self.sessions.push(session);
                match self.door {
                    Door::Open => self.client.handle_connected(session, self.now),
                    Door::Shut => self.client.handle_disconnected(session, None, self.now),
                    Door::Silent => {}
                }
            }
            Output::Disconnect(_) => {}
            Output::Execute(command) => self.open.push(command),
            Output::Event(event) => self.hear(event)?,
            Output::Wait(wake) if wake.at.is_some_and(|at| at <= self.latest) => {
                return Err(format!("{wake:?} is not after {:?}", self.latest));
            }
            Output::Wait(wake) => return Ok(Some(wake)),
        }
        Ok(None)
    }

    /// Takes all outputs that are due.
    fn rest(&mut self) -> Result<Wake, String> {
        for _ in 0..MOST_OUTPUTS {
            if let Some(wake) = self.poll()? {
                return Ok(wake);
            }
        }
        Err("it does not come to rest".into())
    }

    fn hear(&mut self, event: Event) -> Promise {
        if let Event::Answered { question, .. } = &event
            && !self.unanswered.remove(question)
        {
            return Err(format!("{question:?} is answered twice"));
        }
        if let Some(lock) = event.lock() {
            if let Some(end) = self.ended.get(&lock) {
                return Err(format!("{event:?} comes after {end:?}"));
            }
            if event.is_terminal() {
                self.ended.insert(lock, event.clone());
            }
        }
        self.told.push(event);
        Ok(())
    }

    /// The client has just been told the time.
    fn check_belief(&self) -> Promise {
        for lock in &self.asked {
            let Some(until) = self.client.valid_until(*lock) else { continue };
            if until <= self.latest {
                return Err(format!("{lock:?} is held at {:?}, past {until:?}", self.latest));
            }
            if self.ended.contains_key(lock) {
                return Err(format!("{lock:?} is held after its end"));
            }
        }
        match self.client.held().find(|(_, lock)| self.client.valid_until(*lock).is_none()) {
            Some((name, _)) => Err(format!("{name} is held without a deadline")),
            None => Ok(()),
        }
    }

    /// Shuts down without a server and waits as long as it takes, but in ever longer steps: to the end of the
    /// clock, if need be.
    fn shut_down(&mut self) -> Promise {
        self.now = self.latest;
        self.door = Door::Shut;
        self.client.shut_down(self.now);
        let mut step = Duration::from_millis(1);
        while let Some(at) = self.rest()?.at {
            self.check_belief()?;
            self.now = at.max(self.now.saturating_add(step));
            step = step.saturating_mul(2);
        }
        if let Some(lock) = self.asked.iter().find(|lock| !self.ended.contains_key(lock)) {
            return Err(format!("{lock:?} never ends"));
        }
        if let Some(question) = self.unanswered.first() {
            return Err(format!("{question:?} is never answered"));
        }
        if !self.client.is_shut_down() {
            return Err("it is not shut down, but waits for nothing".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::mem::discriminant;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn no_bytes_do_nothing() {
        assert_eq!(drive_bytes(&[]), Ok(vec![]));
    }

    /// Who never holds a lock keeps every promise.
    #[test]
    fn everything_that_can_be_told_is_told() {
        let mut rng = Rng::new(1);
        let mut kinds = HashSet::new();
        for _ in 0..500 {
            let bytes: Vec<u8> = (0..1_000).map(|_| rng.below(256) as u8).collect();
            kinds.extend(drive_bytes(&bytes).unwrap().iter().map(discriminant));
        }
        assert_eq!(kinds.len(), 14);
    }
}
