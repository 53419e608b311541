//! The states of a world, in which most of what there is is known by its number.

mod choices;
mod mail;
mod steps;

use std::collections::HashSet;
use std::rc::Rc;

use pglock_core::{LockName, SessionId};

use super::books::Books;
use super::interned::{Interned, QuickMap};
use super::left::Left;
use super::message::{Message, Who};
use super::newcomer;
use super::person::{Person, Wish};
use super::ticks::{self, NEVER};
use super::{Bounds, MOST, not_possible};
use crate::oracle::{Broken, Verdict, broken};

/// All there is at one moment; what is large is known by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    processes: [u32; MOST],
    books: u32,
    mail: u32,
    pub(super) left: Left,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Choice {
    Tick,
    Touch(usize, Cause),
    /// A request reaches the server.
    Run(u32),
    /// A request or a reply is lost.
    Lose(u32),
    Crash(usize),
}

/// What touches a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Cause {
    Wake,
    Ask,
    LetGo,
    Reply(u32),
    /// A connection breaks on which a reply is awaited.
    Break(SessionId),
}

/// A client runs, or stands still for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Process {
    Running(Person),
    Still {
        who: Who,
        /// For how many ticks it still believes in its lock.
        until: u16,
    },
}

/// What is asked of a process again and again.
#[derive(Clone, Debug)]
struct Brief {
    who: Who,
    running: bool,
    wish: Wish,
    /// In how many ticks it is to wake up.
    wakes: u16,
    /// For how many ticks it believes in its lock.
    until: u16,
    open: Vec<SessionId>,
    waiting_on: Vec<SessionId>,
}

/// A process, and what it sent.
type Touched = (u32, Rc<[u32]>);

pub(super) struct World<'a> {
    bounds: &'a Bounds,
    name: LockName,
    first: State,
    processes: Interned<Process>,
    briefs: Vec<Brief>,
    messages: Interned<Message>,
    mail: Interned<Vec<u32>>,
    books: Interned<Books>,
    newborn: QuickMap<Who, u32>,
    /// By mail and message: the mail with it, and without it.
    put: QuickMap<(u32, u32), u32>,
    taken: QuickMap<(u32, u32), u32>,
    /// By process and cause, and whether the row is ripe.
    touched: QuickMap<(u32, Cause, bool), Touched>,
    /// By books and request: the books after it, and the reply.
    ran: QuickMap<(u32, u32), (u32, u32)>,
    /// What becomes of a process, or of books, in a tick.
    process_later: QuickMap<u32, u32>,
    books_later: QuickMap<u32, u32>,
    /// Books with which somebody new gets the lock.
    obtainable: HashSet<u32>,
}

impl<'a> World<'a> {
    pub(super) fn new(bounds: &'a Bounds) -> Result<Self, Broken> {
        let name = LockName::new("lock").map_err(not_possible)?;
        let mut books = Interned::new();
        let mut mail = Interned::new();
        let first = State {
            processes: [0; MOST],
            books: books.number(Books::open(&name)),
            mail: mail.number(Vec::new()),
            left: bounds.left,
        };
        let mut world = Self {
            bounds,
            name,
            first,
            processes: Interned::new(),
            briefs: Vec::new(),
            messages: Interned::new(),
            mail,
            books,
            newborn: QuickMap::default(),
            put: QuickMap::default(),
            taken: QuickMap::default(),
            touched: QuickMap::default(),
            ran: QuickMap::default(),
            process_later: QuickMap::default(),
            books_later: QuickMap::default(),
            obtainable: HashSet::new(),
        };
        for client in 0..bounds.rates.len() {
            world.first.processes[client] = world.born(Who { client, life: 0 })?;
        }
        Ok(world)
    }

    pub(super) const fn first(&self) -> State {
        self.first
    }

    fn born(&mut self, who: Who) -> Result<u32, Broken> {
        if let Some(process) = self.newborn.get(&who) {
            return Ok(*process);
        }
        let config = ticks::config(self.bounds.lease, self.bounds.polls);
        let process = self.number(Process::Running(Person::new(who, config)?));
        self.newborn.insert(who, process);
        Ok(process)
    }

    fn number(&mut self, process: Process) -> u32 {
        let brief = self.brief(&process);
        let number = self.processes.number(process);
        if self.briefs.len() < self.processes.len() {
            self.briefs.push(brief);
        }
        number
    }

    fn brief(&self, process: &Process) -> Brief {
        match process {
            Process::Running(person) => {
                let rate = self.bounds.rates[person.who.client];
                Brief {
                    who: person.who,
                    running: true,
                    wish: person.wish(),
                    wakes: person.wakes.map_or(NEVER, |at| rate.tick_of(at)),
                    until: person.until.map_or(0, |until| rate.tick_of(until)),
                    open: person.open().collect(),
                    waiting_on: person.waiting_on().collect(),
                }
            }
            Process::Still { who, until } => Brief {
                who: *who,
                running: false,
                wish: Wish::Nothing,
                wakes: NEVER,
                until: *until,
                open: Vec::new(),
                waiting_on: Vec::new(),
            },
        }
    }

    fn briefs(&self, state: &State) -> impl Iterator<Item = &Brief> {
        let processes = state.processes.iter().take(self.bounds.rates.len());
        processes.map(|process| &self.briefs[*process as usize])
    }

    /// S1: at most one client believes that it holds the lock.
    pub(super) fn check(&self, state: &State) -> Verdict {
        let mut believers = self.briefs(state).filter(|brief| brief.until > 0);
        match (believers.next(), believers.next()) {
            (Some(one), Some(other)) => {
                broken("S1", format!("{} and {} both hold the lock", one.who, other.who))
            }
            (Some(_) | None, _) => Ok(()),
        }
    }

    /// Where nothing can happen any more nobody waits for ever (L2), and somebody new gets the lock (L3).
    pub(super) fn check_end(&mut self, state: &State) -> Verdict {
        if let Some(Brief { who, wish, .. }) =
            self.briefs(state).find(|brief| brief.wish != Wish::Nothing)
        {
            return broken("L2", format!("{who} is left alone: {wish:?}"));
        }
        if self.obtainable.insert(state.books) {
            let books = self.books.get(state.books).clone();
            newcomer::check(books, &self.name, self.bounds)?;
        }
        Ok(())
    }

    pub(super) fn message(&self, message: u32) -> &Message {
        self.messages.get(message)
    }

    pub(super) fn who(&self, state: &State, client: usize) -> Who {
        self.briefs[state.processes[client] as usize].who
    }
}
