//! What only advisory locks need of the driver without a server.

use pglock_core::{
    Advisory, AdvisoryKey, AdvisoryMode, AdvisoryPlace, AdvisoryRequest, AskError, Call, Command,
    Event, Instant, LockId, LossCause, OwnerId, Row, ServerError, SessionId, Severity, Statement,
    Value, Wait,
};

pub(crate) use crate::common::{Door, Rig, error, failed, millis, secs};

pub(crate) const EXCLUSIVE: AdvisoryMode = AdvisoryMode::Exclusive;
pub(crate) const SHARED: AdvisoryMode = AdvisoryMode::Shared;

/// Two owners.
pub(crate) const ANN: Option<OwnerId> = Some(OwnerId::new(1));
pub(crate) const BOB: Option<OwnerId> = Some(OwnerId::new(2));

/// An acquire, written down as a test thinks of it.
pub(crate) fn request(
    owner: Option<OwnerId>,
    key: impl Into<AdvisoryKey>,
    mode: AdvisoryMode,
    wait: Wait,
) -> AdvisoryRequest {
    let mut request = AdvisoryRequest::new(key);
    (request.owner, request.mode, request.wait) = (owner, mode, wait);
    request
}

impl Rig {
    pub(crate) fn request(&mut self, request: AdvisoryRequest) -> Result<LockId, AskError> {
        let lock = self.client.acquire_advisory(request, self.now)?;
        self.last = Some(lock);
        Ok(lock)
    }

    pub(crate) fn ask_as(
        &mut self,
        owner: Option<OwnerId>,
        key: i64,
        mode: AdvisoryMode,
        wait: Wait,
    ) -> LockId {
        self.request(request(owner, key, mode, wait)).unwrap()
    }

    /// Asks for an exclusive lock on behalf of nobody else.
    pub(crate) fn ask(&mut self, key: i64, wait: Wait) -> LockId {
        self.ask_as(None, key, EXCLUSIVE, wait)
    }

    /// The one command since, which is this call.
    pub(crate) fn expect(&mut self, call: Call) -> Command {
        let command = self.command();
        assert_eq!(call_of(&command), call);
        command
    }

    /// Lets time pass until there is a command, which is this call.
    pub(crate) fn until(&mut self, call: Call) -> Command {
        let command = self.until_command();
        assert_eq!(call_of(&command), call);
        command
    }

    /// What is answered if a lock was taken or not, or something else is so or not.
    pub(crate) fn say(&mut self, command: &Command, yes: bool) {
        let answer = match (call_of(command).takes(), yes) {
            (Some(_), true) => Value::Int8(0),
            (Some(_), false) => Value::Int8(Call::BUSY),
            (None, yes) => Value::Bool(yes),
        };
        self.rows(command, vec![Row(vec![answer])]);
    }

    /// The lock is another's, and its bell rings.
    pub(crate) fn say_rings(&mut self, command: &Command) {
        self.rows(command, vec![Row(vec![Value::Int8(Call::RINGS)])]);
    }

    pub(crate) fn null(&mut self, command: &Command) {
        self.rows(command, vec![Row(vec![Value::Null])]);
    }

    /// Lets time pass until a new session is marked, and finds it as it should be.
    pub(crate) fn enter(&mut self) -> Command {
        let enter = self.until(Call::Enter);
        self.rows(&enter, vec![bools(&[true, true, true])]);
        enter
    }

    /// What is sent in line fails so often that the next waits. Answers until when.
    pub(crate) fn fails_until_it_rests(&mut self, key: i64) -> Option<Instant> {
        for _ in 0..3 {
            let command = self.until(take(key, EXCLUSIVE));
            self.answer(&command, failed("57014"));
            let command = self.expect(unlock(key, EXCLUSIVE));
            self.say(&command, false);
        }
        self.drain().at
    }

    /// Expects this call and grants it, or finds it done.
    pub(crate) fn grant(&mut self, call: Call) -> Command {
        let command = self.expect(call);
        self.say(&command, true);
        command
    }

    /// Acquires a lock on a session that is still to be opened.
    pub(crate) fn first_as(
        &mut self,
        owner: Option<OwnerId>,
        key: i64,
        mode: AdvisoryMode,
    ) -> LockId {
        let lock = self.ask_as(owner, key, mode, Wait::ForEver);
        self.enter();
        self.grant(try_(key, mode));
        self.acquired(&[lock]);
        lock
    }

    pub(crate) fn first(&mut self, key: i64) -> LockId {
        self.first_as(None, key, EXCLUSIVE)
    }

    /// Acquires a lock on the session that is open.
    pub(crate) fn hold_as(
        &mut self,
        owner: Option<OwnerId>,
        key: i64,
        mode: AdvisoryMode,
    ) -> LockId {
        let lock = self.ask_as(owner, key, mode, Wait::ForEver);
        self.grant(try_(key, mode));
        self.acquired(&[lock]);
        lock
    }

    pub(crate) fn hold(&mut self, key: i64) -> LockId {
        self.hold_as(None, key, EXCLUSIVE)
    }

    /// Waits for a lock that is another's until the client listens for its unlock. Answers the try that rings the bell.
    pub(crate) fn waits_and_listens(&mut self, key: i64) -> Command {
        self.ask_as(ANN, key, EXCLUSIVE, Wait::ForEver);
        self.enter();
        let try_ = self.expect(try_(key, EXCLUSIVE));
        self.say(&try_, false);
        let listen = self.command();
        assert_eq!(listen.statement(), &Statement::Listen);
        self.rows(&listen, vec![]);
        self.expect(Call::Ring(key.into(), EXCLUSIVE))
    }

    /// The session that listens, which was opened last.
    pub(crate) fn ears(&self) -> SessionId {
        self.opened.last().unwrap().0
    }

    pub(crate) fn hears(&mut self, payload: &str) {
        self.client.handle_notification(self.ears(), payload, self.now);
    }

    /// A rig whose session is open and holds nothing.
    pub(crate) fn open(mut self) -> Self {
        let lock = self.first(99);
        self.give_back(lock, 99, EXCLUSIVE);
        self
    }

    pub(crate) fn release(&mut self, lock: LockId) {
        self.client.release(lock, self.now).unwrap();
    }

    pub(crate) fn cancel(&mut self, lock: LockId) {
        self.client.cancel(lock, self.now).unwrap();
    }

    /// Releases the last lock of its key and mode.
    pub(crate) fn give_back(&mut self, lock: LockId, key: i64, mode: AdvisoryMode) {
        self.release(lock);
        self.grant(unlock(key, mode));
        assert_eq!(self.event(), released(lock));
    }

    /// These were told that they have their locks, and nothing else was told.
    pub(crate) fn acquired(&mut self, locks: &[LockId]) {
        let told: Vec<Event> =
            locks.iter().map(|lock| Event::AdvisoryAcquired { lock: *lock, token: None }).collect();
        assert_eq!(self.events(), told);
        for lock in locks {
            assert!(self.client.valid_until(*lock).is_some_and(|until| until > self.now));
        }
    }

    pub(crate) fn held(&self) -> Vec<(AdvisoryPlace, LockId)> {
        self.client.held_advisory().collect()
    }

    pub(crate) fn silent(&mut self) {
        assert_eq!(self.events(), []);
        assert_eq!(self.commands, []);
    }
}

pub(crate) fn advisory(command: &Command) -> Advisory {
    match command.statement() {
        Statement::Advisory(advisory) => *advisory,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn call_of(command: &Command) -> Call {
    advisory(command).call
}

pub(crate) fn try_(key: i64, mode: AdvisoryMode) -> Call {
    Call::Try(key.into(), mode)
}

/// With the usual slice.
pub(crate) fn take(key: i64, mode: AdvisoryMode) -> Call {
    Call::Take(key.into(), mode, millis(500))
}

pub(crate) fn unlock(key: i64, mode: AdvisoryMode) -> Call {
    Call::Unlock(key.into(), mode)
}

pub(crate) fn bools(values: &[bool]) -> Row {
    values.iter().map(|value| Value::Bool(*value)).collect()
}

pub(crate) fn released(lock: LockId) -> Event {
    Event::Released { lock, confirmed: true }
}

pub(crate) fn unconfirmed(lock: LockId) -> Event {
    Event::Released { lock, confirmed: false }
}

pub(crate) fn busy(lock: LockId) -> Event {
    Event::Busy { lock, holder: None }
}

pub(crate) fn timed_out(lock: LockId) -> Event {
    Event::TimedOut { lock, holder: None }
}

pub(crate) fn lost(lock: LockId) -> Event {
    Event::Lost { lock, cause: LossCause::SessionEnded }
}

pub(crate) fn robbed(lock: LockId) -> Event {
    Event::Lost { lock, cause: LossCause::Robbed }
}

/// An error that ends the session.
pub(crate) fn fatal(code: &str) -> ServerError {
    ServerError { severity: Severity::Fatal, ..error(code) }
}
