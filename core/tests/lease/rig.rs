//! What only leases need of the driver without a server.

use std::time::Duration;

use pglock_core::{
    Acquire, Command, Event, Holder, LockId, LockName, Release, Renew, Request, Row, Rvn,
    Statement, Token, Value, Wait,
};

pub(crate) use crate::common::{Door, Rig, error, failed, millis, secs};

/// How long a lock is valid from the sending, at the defaults.
pub(crate) const VALID: Duration = Duration::from_nanos(19_601_980_198);

impl Rig {
    pub(crate) fn last(&self) -> LockId {
        self.last.unwrap()
    }

    /// Shows the same holder to every look until the lock is asked for.
    pub(crate) fn until_acquire(&mut self, rvn: Rvn, lease_ms: i64) -> Command {
        loop {
            let command = self.until_command();
            if matches!(command.statement(), Statement::Acquire(_)) {
                return command;
            }
            assert!(looks(&command));
            self.rows(&command, vec![held_row(rvn, lease_ms)]);
        }
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

pub(crate) fn looks(command: &Command) -> bool {
    matches!(command.statement(), Statement::Look(look) if look.name == name_of("a"))
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
    let mut row = entry_row(rvn, lease_ms);
    row.0[0] = Value::Bool(false);
    row
}

/// A row that somebody reads.
pub(crate) fn entry_row(rvn: Rvn, lease_ms: i64) -> Row {
    let owner = Value::Text("other".into());
    Row(vec![Value::Text("a".into()), int(rvn.as_i64()), owner, int(lease_ms), Value::Null, int(9)])
}

/// A row that a look shows, in whose line nobody waits.
pub(crate) fn held_row(rvn: Rvn, lease_ms: i64) -> Row {
    let mut row = entry_row(rvn, lease_ms);
    row.0.push(Value::Null);
    row
}

/// One in whose line somebody waits; we do so in this place, unless it is 0.
pub(crate) fn lined_up(rvn: Rvn, place: i64) -> Row {
    let mut row = held_row(rvn, 20_000);
    row.0[6] = int(place);
    row
}

/// A ticket of ours that this client did not draw.
pub(crate) fn foreign_ticket(number: i64) -> Rvn {
    Rvn::new(Rvn::TICKET + number)
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
