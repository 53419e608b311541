//! One client with its user and its connections. Every step is checked: each acquire has one end (S4), and what is
//! believed is what may be believed (S2, S5).

use std::time::Duration;

use pglock_core::{
    Client, Command, CommandId, Config, Event, Identity, Instant, LockId, LockName, Outcome,
    Output, Request, SessionId, Statement, Value,
};

use super::message::{Reply, Who};
use super::not_possible;
use crate::oracle::{Broken, Verdict, broken};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Person {
    pub(super) who: Who,
    client: Client,
    wish: Wish,
    lines: Vec<Line>,
    /// Until when it believes in its lock.
    pub(super) until: Option<Instant>,
    pub(super) wakes: Option<Instant>,
}

/// What its user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wish {
    Nothing,
    Asks(LockId),
    Holds(LockId),
    /// Has let it go.
    Leaves(LockId),
}

/// An open connection, and what it is to answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Line {
    session: SessionId,
    awaited: Option<Awaited>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Awaited {
    command: CommandId,
    /// The lock that was held when it was sent.
    lock: Option<LockId>,
}

/// What happens to a client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Touch<'a> {
    Wake,
    /// Its user asks for the lock.
    Ask(&'a LockName),
    /// Its user gives it back, or asks no longer.
    LetGo,
    Reply(&'a Reply),
    /// A connection breaks.
    Break(SessionId),
}

/// What a client did.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) person: Person,
    pub(super) commands: Vec<Command>,
    pub(super) events: Vec<Event>,
}

/// More outputs in a row than any moment needs.
const TOO_MANY_OUTPUTS: u32 = 100;

const SEED: u64 = 7;

impl Person {
    /// A client that was never there before; it shares its seed with all, its identity with nobody.
    pub(super) fn new(who: Who, config: Config) -> Result<Self, Broken> {
        let mut identity = [0x5A; 16];
        identity[0] = u8::try_from(who.client).unwrap_or(u8::MAX);
        identity[1] = who.life;
        match Client::new(config, Identity::new(identity), SEED) {
            Ok(client) => {
                let wish = Wish::Nothing;
                Ok(Self { who, client, wish, lines: Vec::new(), until: None, wakes: None })
            }
            Err(error) => Err(not_possible(error)),
        }
    }

    pub(super) const fn wish(&self) -> Wish {
        self.wish
    }

    /// The connections on which a reply is awaited.
    pub(super) fn waiting_on(&self) -> impl Iterator<Item = SessionId> {
        self.lines.iter().filter(|line| line.awaited.is_some()).map(|line| line.session)
    }

    pub(super) fn open(&self) -> impl Iterator<Item = SessionId> {
        self.lines.iter().map(|line| line.session)
    }

    /// Its clock, which shows `now`, is set back.
    pub(super) fn rebase(&mut self, now: Instant, span: Duration) {
        self.client.rebase(now, span);
        let earlier = |moment: Instant| {
            let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
            Instant::from_nanos(moment.as_nanos().saturating_sub(span))
        };
        self.wakes = self.wakes.map(|at| earlier(at).max(now));
        self.until = self.until.map(earlier);
    }

    /// What it does when touched, until it wants to wait.
    pub(super) fn touch(&self, touch: Touch<'_>, now: Instant) -> Result<Done, Broken> {
        let mut done = Done { person: self.clone(), commands: Vec::new(), events: Vec::new() };
        let lost = match touch {
            Touch::Reply(reply) => self.hears_of_loss(reply),
            Touch::Wake | Touch::Ask(_) | Touch::LetGo | Touch::Break(_) => None,
        };
        done.person.feel(touch, now)?;
        done.drain(now)?;
        done.person.look(lost, now)?;
        Ok(done)
    }

    fn feel(&mut self, touch: Touch<'_>, now: Instant) -> Verdict {
        match touch {
            Touch::Wake => self.client.handle_timeout(now),
            Touch::Ask(name) => match self.client.acquire(Request::new(name.clone()), now) {
                Ok(lock) => self.wish = Wish::Asks(lock),
                Err(error) => return broken("S4", format!("an acquire was refused: {error}")),
            },
            Touch::LetGo => match self.wish {
                // It may have ended just now, which its user is about to hear.
                Wish::Asks(lock) | Wish::Holds(lock) if self.client.cancel(lock, now).is_ok() => {
                    self.wish = Wish::Leaves(lock);
                }
                Wish::Nothing | Wish::Asks(_) | Wish::Holds(_) | Wish::Leaves(_) => {}
            },
            Touch::Reply(reply) => {
                for line in &mut self.lines {
                    line.awaited.take_if(|awaited| awaited.command == reply.command);
                }
                self.client.handle_outcome(reply.command, reply.outcome.clone(), now);
            }
            Touch::Break(session) => {
                if let Some(place) = self.lines.iter().position(|line| line.session == session)
                    && let Some(awaited) = self.lines.remove(place).awaited
                {
                    self.client.handle_outcome(awaited.command, Outcome::Lost, now);
                }
                self.client.handle_disconnected(session, None, now);
            }
        }
        Ok(())
    }

    /// The lock that an awaited reply tells is lost, beyond doubt.
    fn hears_of_loss(&self, reply: &Reply) -> Option<LockId> {
        let Outcome::Rows(rows) = &reply.outcome else { return None };
        let says_lost = |value: &Value| *value == Value::Text("lost".into());
        rows.iter().find(|row| row.0.get(1).is_some_and(says_lost))?;
        let awaited = self.lines.iter().filter_map(|line| line.awaited);
        awaited.filter(|awaited| awaited.command == reply.command).find_map(|awaited| awaited.lock)
    }

    fn held(&self) -> Option<LockId> {
        match self.wish {
            Wish::Holds(lock) => Some(lock),
            Wish::Nothing | Wish::Asks(_) | Wish::Leaves(_) => None,
        }
    }

    fn hear(&mut self, event: &Event, now: Instant) -> Verdict {
        let believed = self.until.is_some_and(|until| now < until);
        let fresh = |until: &Instant| now < *until;
        self.wish = match (event, self.wish) {
            (Event::Acquired { lock, grant }, Wish::Asks(asks)) if *lock == asks => {
                if !fresh(&grant.valid_until) {
                    return broken("S4", "a success that came too late counts");
                }
                Wish::Holds(asks)
            }
            (Event::Renewed { lock, valid_until, .. }, Wish::Holds(mine) | Wish::Leaves(mine))
                if *lock == mine =>
            {
                if !believed || !fresh(valid_until) {
                    return broken("S4", "a lock that had expired is back");
                }
                self.wish
            }
            // What happened before a lock was let go may be told after that.
            (Event::AtRisk { lock, .. }, Wish::Holds(mine) | Wish::Leaves(mine))
                if *lock == mine =>
            {
                self.wish
            }
            (Event::Waiting { lock, .. }, Wish::Asks(asks)) if *lock == asks => self.wish,
            (Event::Lost { lock, .. }, Wish::Holds(mine) | Wish::Leaves(mine))
            | (Event::Released { lock, .. } | Event::Cancelled { lock }, Wish::Leaves(mine))
                if *lock == mine =>
            {
                Wish::Nothing
            }
            (event, wish) => {
                return broken("S4", format!("{event:?} came while its user {wish:?}"));
            }
        };
        Ok(())
    }

    /// What is believed is true of its own clock, and of what it has heard.
    fn look(&mut self, lost: Option<LockId>, now: Instant) -> Verdict {
        let lock = match self.wish {
            Wish::Holds(lock) | Wish::Leaves(lock) => Some(lock),
            Wish::Nothing | Wish::Asks(_) => None,
        };
        self.until = lock.and_then(|lock| self.client.valid_until(lock));
        if lost.is_some() && lost == self.held() {
            return broken("S5", format!("{lost:?} is believed in after a definite loss"));
        }
        if self.client.held().map(|(_, lock)| lock).ne(self.held()) {
            return broken("S4", format!("its user {:?}, the client holds another", self.wish));
        }
        if self.held().is_some() && self.until.is_none_or(|until| until <= now) {
            return broken("S2", "a lock is held beyond its deadline");
        }
        Ok(())
    }
}

impl Done {
    fn drain(&mut self, now: Instant) -> Verdict {
        for _ in 0..TOO_MANY_OUTPUTS {
            match self.person.client.poll_output(now) {
                Output::Connect(session, _) => {
                    self.person.lines.push(Line { session, awaited: None });
                    self.person.client.handle_connected(session, now);
                }
                Output::Disconnect(session) => {
                    self.person.lines.retain(|line| line.session != session);
                }
                Output::Execute(command) => self.send(command)?,
                Output::Event(event) => {
                    self.person.hear(&event, now)?;
                    self.events.push(event);
                }
                Output::Wait(wake) => {
                    self.person.wakes = wake.at;
                    return Ok(());
                }
            }
        }
        broken("L5", "the core never comes to rest")
    }

    fn send(&mut self, command: Command) -> Verdict {
        let renews = matches!(command.statement(), Statement::Renew(_));
        let lock = self.person.held().filter(|_| renews);
        let session = command.session();
        let lines = &mut self.person.lines;
        let Some(line) = lines.iter_mut().find(|line| line.session == session) else {
            return broken("S4", format!("{session:?} is not open"));
        };
        line.awaited = Some(Awaited { command: command.id(), lock });
        self.commands.push(command);
        Ok(())
    }
}
