//! The states of a world and the steps between them. What a client does when something happens to it is asked of
//! the core once for each of its states, and remembered; so is what a statement does to the row.

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use pglock_core::{LockName, NameError, SessionId, Statement};

use super::books::Books;
use super::interned::{Interned, QuickMap};
use super::left::{Left, spend};
use super::message::{Message, Reply, Request, Who};
use super::newcomer;
use super::person::{Done, Person, Touch, Wish};
use super::ticks::{self, NEVER, Rate};
use super::{Bounds, MOST};
use crate::oracle::{Broken, Verdict, broken};

/// All there is at one moment; what is large is known by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    processes: [u32; MOST],
    books: u32,
    mail: u32,
    left: Left,
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
        /// Until which tick it believes in its lock.
        until: u16,
    },
}

/// What the search needs to know of a process again and again.
#[derive(Clone, Debug)]
struct Brief {
    who: Who,
    running: bool,
    wish: Wish,
    wakes: u16,
    until: u16,
    open: Vec<SessionId>,
    waiting_on: Vec<SessionId>,
}

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
    put: QuickMap<(u32, u32), u32>,
    taken: QuickMap<(u32, u32), u32>,
    /// By process and cause, and whether the row is ripe: the process after it, and what it sent.
    touched: QuickMap<(u32, Cause, bool), (u32, Rc<[u32]>)>,
    /// By books and request: the books after it, and the reply.
    run: QuickMap<(u32, u32), (u32, u32)>,
    later: QuickMap<u32, u32>,
    aged: QuickMap<u32, u32>,
    /// Books with which somebody new gets the lock.
    obtainable: HashSet<u32>,
}

impl<'a> World<'a> {
    pub(super) fn new(bounds: &'a Bounds) -> Result<Self, NameError> {
        let name = LockName::new("lock")?;
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
            run: QuickMap::default(),
            later: QuickMap::default(),
            aged: QuickMap::default(),
            obtainable: HashSet::new(),
        };
        for client in 0..bounds.rates.len() {
            world.first.processes[client] = world.born(Who { client, life: 0 });
        }
        Ok(world)
    }

    pub(super) const fn first(&self) -> State {
        self.first
    }

    fn born(&mut self, who: Who) -> u32 {
        if let Some(process) = self.newborn.get(&who) {
            return *process;
        }
        let config = ticks::config(self.bounds.lease, self.bounds.polls);
        let process =
            Person::new(who, config).map_or(Process::Still { who, until: 0 }, Process::Running);
        let process = self.number(process);
        self.newborn.insert(who, process);
        process
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

    /// All that can happen next.
    pub(super) fn choices(&self, state: &State, choices: &mut Vec<Choice>) {
        choices.clear();
        for message in self.mail.get(state.mail).iter() {
            match self.messages.get(*message) {
                Message::Request(_) => choices.push(Choice::Run(*message)),
                Message::Reply(reply) => {
                    choices.push(Choice::Touch(reply.who.client, Cause::Reply(*message)));
                }
            }
        }
        for (client, brief) in self.briefs(state).enumerate().filter(|(_, brief)| brief.running) {
            let mut touch = |cause| choices.push(Choice::Touch(client, cause));
            if brief.wakes == 0 {
                touch(Cause::Wake);
            }
            match brief.wish {
                Wish::Nothing if state.left.tries > 0 && self.may_ask(client, state) => {
                    touch(Cause::Ask);
                }
                Wish::Asks(_) | Wish::Holds(_) if state.left.partings > 0 => touch(Cause::LetGo),
                Wish::Nothing | Wish::Asks(_) | Wish::Holds(_) | Wish::Leaves(_) => {}
            }
        }
        if self.briefs(state).any(|brief| brief.wakes != NEVER) {
            choices.push(Choice::Tick);
        }
        self.mishaps(state, choices);
    }

    /// Which of some clients with the same clock is the first to ask makes no difference.
    fn may_ask(&self, client: usize, state: &State) -> bool {
        let rates = &self.bounds.rates;
        *state != self.first || !rates[..client].contains(&rates[client])
    }

    fn mishaps(&self, state: &State, choices: &mut Vec<Choice>) {
        for (client, brief) in self.briefs(state).enumerate().filter(|(_, brief)| brief.running) {
            if state.left.losses > 0 {
                let breaks = brief.waiting_on.iter().map(|session| Cause::Break(*session));
                choices.extend(breaks.map(|cause| Choice::Touch(client, cause)));
            }
            if state.left.crashes > 0 && self.first.processes[client] != state.processes[client] {
                choices.push(Choice::Crash(client));
            }
        }
        if state.left.losses > 0 {
            // What nobody waits for need not be lost: it may stay on its way for ever.
            let mail = self.mail.get(state.mail);
            let lost = mail.iter().filter(|message| self.is_awaited(state, **message));
            choices.extend(lost.map(|message| Choice::Lose(*message)));
        }
    }

    fn is_awaited(&self, state: &State, message: u32) -> bool {
        match self.messages.get(message) {
            Message::Request(Request { who, session, .. })
            | Message::Reply(Reply { who, session, .. }) => self.is_open(state, *who, *session),
        }
    }

    fn is_open(&self, state: &State, who: Who, session: SessionId) -> bool {
        let brief = &self.briefs[state.processes[who.client] as usize];
        brief.who == who && brief.open.contains(&session)
    }

    /// The state after it; `None` if that may not happen any more.
    pub(super) fn after(&mut self, state: &State, choice: Choice) -> Result<Option<State>, Broken> {
        let mut next = *state;
        match choice {
            Choice::Tick => return Ok(self.tick(next)),
            Choice::Touch(client, cause) => {
                match cause {
                    Cause::Wake | Cause::Ask => {}
                    Cause::LetGo => next.left.partings -= 1,
                    Cause::Break(_) => next.left.losses -= 1,
                    Cause::Reply(message) => {
                        if !self.is_awaited(state, message) {
                            next.left.losses -= 1;
                        }
                        self.take_out(&mut next, message);
                    }
                }
                self.touch(&mut next, client, cause)?;
            }
            Choice::Run(message) => self.run(&mut next, message)?,
            Choice::Lose(message) => {
                next.left.losses -= 1;
                self.take_out(&mut next, message);
            }
            Choice::Crash(client) => {
                next.left.crashes -= 1;
                let who = self.briefs[next.processes[client] as usize].who;
                next.processes[client] = self.born(Who { client, life: who.life + 1 });
            }
        }
        self.forget(&mut next);
        Ok(Some(next))
    }

    fn tick(&mut self, mut state: State) -> Option<State> {
        let late = self.briefs(&state).filter(|brief| brief.wakes == 0).count();
        if !spend(&mut state.left.lateness, u8::try_from(late).unwrap_or(u8::MAX)) {
            return None;
        }
        state.books = match self.aged.get(&state.books) {
            Some(books) => *books,
            None => {
                let mut books = self.books.get(state.books).clone();
                books.tick(Rate::Slow.ticks(ticks::lease(self.bounds.lease)));
                let books = self.books.number(books);
                self.aged.insert(state.books, books);
                books
            }
        };
        for process in state.processes.iter_mut().take(self.bounds.rates.len()) {
            *process = self.a_tick_later(*process);
        }
        Some(state)
    }

    fn a_tick_later(&mut self, process: u32) -> u32 {
        if let Some(later) = self.later.get(&process) {
            return *later;
        }
        let later = match self.processes.get(process) {
            Process::Running(person) => {
                let mut person = person.clone();
                let rate = self.bounds.rates[person.who.client];
                person.rebase(rate.reading(0), rate.span(1));
                Process::Running(person)
            }
            Process::Still { who, until } => {
                Process::Still { who: *who, until: until.saturating_sub(1) }
            }
        };
        let later = self.number(later);
        self.later.insert(process, later);
        later
    }

    fn touch(&mut self, state: &mut State, client: usize, cause: Cause) -> Verdict {
        let lease = self.bounds.rates[client].ticks(ticks::lease(self.bounds.lease));
        let ripe = self.books.get(state.books).is_ripe(lease);
        let key = (state.processes[client], cause, ripe);
        let (process, sent) = match self.touched.get(&key) {
            Some((process, sent)) => (*process, Rc::clone(sent)),
            None => {
                let Some(Done { mut person, commands, .. }) = self.feel(state, client, cause)?
                else {
                    return Ok(());
                };
                person.rebase(self.bounds.rates[client].reading(0), Duration::ZERO);
                let who = person.who;
                let requests = commands.iter().map(|command| {
                    let taking_over = matches!(command.statement(), Statement::Acquire(acquire) if acquire.seen.is_some());
                    self.messages.number(Message::Request(Request {
                        who,
                        session: command.session(),
                        command: command.id(),
                        statement: command.statement().clone(),
                        ripe: taking_over && ripe,
                    }))
                });
                let sent: Rc<[u32]> = requests.collect();
                let process = self.number(Process::Running(person));
                self.touched.insert(key, (process, Rc::clone(&sent)));
                (process, sent)
            }
        };
        state.processes[client] = process;
        for message in sent.iter() {
            let allowed = match self.messages.get(*message) {
                Message::Request(request) => request.spend(&mut state.left),
                Message::Reply(_) => true,
            };
            if !allowed {
                self.stand_still(state, client);
                return Ok(());
            }
            self.put_in(state, *message);
        }
        Ok(())
    }

    /// What a client does; `None` if it stands still.
    pub(super) fn feel(
        &self,
        state: &State,
        client: usize,
        cause: Cause,
    ) -> Result<Option<Done>, Broken> {
        let Process::Running(person) = self.processes.get(state.processes[client]) else {
            return Ok(None);
        };
        let now = self.bounds.rates[client].reading(0);
        match cause {
            Cause::Wake => person.touch(Touch::Wake, now),
            Cause::Ask => person.touch(Touch::Ask(&self.name), now),
            Cause::LetGo => person.touch(Touch::LetGo, now),
            Cause::Break(session) => person.touch(Touch::Break(session), now),
            Cause::Reply(message) => match self.messages.get(message) {
                Message::Reply(reply) => person.touch(Touch::Reply(reply), now),
                Message::Request(_) => return Ok(None),
            },
        }
        .map(Some)
    }

    fn stand_still(&mut self, state: &mut State, client: usize) {
        let Brief { who, until, .. } = self.briefs[state.processes[client] as usize];
        state.processes[client] = self.number(Process::Still { who, until });
    }

    fn run(&mut self, state: &mut State, message: u32) -> Verdict {
        let key = (state.books, message);
        let Message::Request(request) = self.messages.get(message) else { return Ok(()) };
        let Request { who, session, command, .. } = *request;
        let (books, reply) = match self.run.get(&key) {
            Some(done) => *done,
            None => {
                let mut books = self.books.get(state.books).clone();
                let outcome = books.run(request)?;
                let reply = Message::Reply(Reply { who, session, command, outcome });
                let done = (self.books.number(books), self.messages.number(reply));
                self.run.insert(key, done);
                done
            }
        };
        self.take_out(state, message);
        state.books = books;
        if self.is_open(state, who, session) {
            self.put_in(state, reply);
        }
        Ok(())
    }

    fn put_in(&mut self, state: &mut State, message: u32) {
        state.mail = match self.put.get(&(state.mail, message)) {
            Some(mail) => *mail,
            None => {
                let mut mail = self.mail.get(state.mail).clone();
                mail.push(message);
                mail.sort_unstable();
                let mail = self.mail.number(mail);
                self.put.insert((state.mail, message), mail);
                mail
            }
        };
    }

    fn take_out(&mut self, state: &mut State, message: u32) {
        state.mail = match self.taken.get(&(state.mail, message)) {
            Some(mail) => *mail,
            None => {
                let mut mail = self.mail.get(state.mail).clone();
                mail.retain(|other| *other != message);
                let mail = self.mail.number(mail);
                self.taken.insert((state.mail, message), mail);
                mail
            }
        };
    }

    /// Takes out what makes no difference any more: replies to nobody, and requests that nobody awaits and that
    /// cannot change the row.
    fn forget(&mut self, state: &mut State) {
        let count = self.mail.get(state.mail).len();
        for place in (0..count).rev() {
            let message = self.mail.get(state.mail)[place];
            if !self.is_awaited(state, message) && !self.makes_a_difference(state, message) {
                self.take_out(state, message);
            }
        }
    }

    /// Whether what nobody awaits may still do something. A late reply may still be handed to its client.
    fn makes_a_difference(&self, state: &State, message: u32) -> bool {
        let request = match self.messages.get(message) {
            Message::Request(request) => request,
            Message::Reply(reply) => {
                let brief = &self.briefs[state.processes[reply.who.client] as usize];
                return state.left.losses > 0 && brief.running && brief.who == reply.who;
            }
        };
        if matches!(request.statement, Statement::Read(_)) {
            return false;
        }
        let mut numbers = Vec::new();
        let number = self.books.get(state.books).number();
        numbers.extend(number);
        let mut free = number.is_none() || state.left.releases > 0;
        for other in self.mail.get(state.mail).iter().filter(|other| **other != message) {
            if let Message::Request(other) = self.messages.get(*other) {
                numbers.extend(other.writes());
                free |= matches!(other.statement, Statement::Release(_));
            }
        }
        request.may_change(&numbers, free)
    }

    /// L3: where nothing can happen any more, somebody new gets the lock.
    pub(super) fn check_end(&mut self, state: &State) -> Verdict {
        if self.obtainable.insert(state.books) {
            let books = self.books.get(state.books).clone();
            newcomer::check(books, &self.name, self.bounds)?;
        }
        Ok(())
    }

    /// A message in words.
    pub(super) fn message(&self, message: u32) -> &Message {
        self.messages.get(message)
    }

    pub(super) fn who(&self, state: &State, client: usize) -> Who {
        self.briefs[state.processes[client] as usize].who
    }

    /// How many states clients, books, messages and mail have, each by itself.
    pub(super) fn dump(&self) {
        for n in 0..self.processes.len() {
            println!("PROC {:?}", self.processes.get(n as u32));
        }
    }
    pub(super) fn parts(&self) -> [usize; 4] {
        [self.processes.len(), self.books.len(), self.messages.len(), self.mail.len()]
    }
}
