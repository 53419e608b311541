//! The state after a choice. What a client does when something touches it is asked of the core once for each of
//! its states, and remembered; so is what a statement does to the row.

use std::rc::Rc;
use std::time::Duration;

use super::{Brief, Cause, Choice, Process, State, Touched, World};
use crate::enumerate::left::spend;
use crate::enumerate::message::{Message, Reply, Request, Who};
use crate::enumerate::person::{Done, Touch};
use crate::enumerate::ticks::{self, Rate};
use crate::oracle::{Broken, Verdict};

impl World<'_> {
    /// The state after it; `None` if that may not happen any more.
    pub(in crate::enumerate) fn after(
        &mut self,
        state: &State,
        choice: Choice,
    ) -> Result<Option<State>, Broken> {
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
                next.processes[client] = self.born(Who { client, life: who.life + 1 })?;
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
        state.books = self.books_later(state.books);
        for process in state.processes.iter_mut().take(self.bounds.rates.len()) {
            *process = self.process_later(*process);
        }
        Some(state)
    }

    fn books_later(&mut self, number: u32) -> u32 {
        if let Some(later) = self.books_later.get(&number) {
            return *later;
        }
        let mut books = self.books.get(number).clone();
        books.tick(Rate::Slow.ticks(ticks::lease(self.bounds.lease)));
        let later = self.books.number(books);
        self.books_later.insert(number, later);
        later
    }

    fn process_later(&mut self, number: u32) -> u32 {
        if let Some(later) = self.process_later.get(&number) {
            return *later;
        }
        let later = match self.processes.get(number) {
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
        self.process_later.insert(number, later);
        later
    }

    fn touch(&mut self, state: &mut State, client: usize, cause: Cause) -> Verdict {
        let (process, sent) = self.touched(state, client, cause)?;
        state.processes[client] = process;
        for message in sent.iter() {
            let allowed = match self.messages.get(*message) {
                Message::Request(request) => request.spend(&mut state.left),
                Message::Reply(_) => true,
            };
            if !allowed {
                self.stand_still(state, client);
                break;
            }
            self.put_in(state, *message);
        }
        Ok(())
    }

    /// The process after it was touched, and what it sent.
    fn touched(&mut self, state: &State, client: usize, cause: Cause) -> Result<Touched, Broken> {
        let rate = self.bounds.rates[client];
        let lease = rate.ticks(ticks::lease(self.bounds.lease));
        let ripe = self.books.get(state.books).is_ripe(lease);
        let key = (state.processes[client], cause, ripe);
        if let Some((process, sent)) = self.touched.get(&key) {
            return Ok((*process, Rc::clone(sent)));
        }
        let Some(Done { mut person, commands, .. }) = self.feel(state, client, cause)? else {
            return Ok((state.processes[client], Rc::new([])));
        };
        person.rebase(rate.reading(0), Duration::ZERO);
        let requests = commands.iter().map(|command| Request::new(person.who, command, ripe));
        let sent: Rc<[u32]> =
            requests.map(|request| self.messages.number(Message::Request(request))).collect();
        let process = self.number(Process::Running(person));
        self.touched.insert(key, (process, Rc::clone(&sent)));
        Ok((process, sent))
    }

    /// What a client does; `None` if it stands still.
    pub(in crate::enumerate) fn feel(
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
        let (books, reply) = self.ran(state.books, message)?;
        state.books = books;
        self.take_out(state, message);
        if self.is_awaited(state, message) {
            self.put_in(state, reply);
        }
        Ok(())
    }

    /// The books after a request, and the reply.
    fn ran(&mut self, number: u32, message: u32) -> Result<(u32, u32), Broken> {
        if let Some(ran) = self.ran.get(&(number, message)) {
            return Ok(*ran);
        }
        let Message::Request(request) = self.messages.get(message) else {
            return Ok((number, message));
        };
        let mut books = self.books.get(number).clone();
        let outcome = books.run(request)?;
        let Request { who, session, command, .. } = *request;
        let reply = Message::Reply(Reply { who, session, command, outcome });
        let ran = (self.books.number(books), self.messages.number(reply));
        self.ran.insert((number, message), ran);
        Ok(ran)
    }
}
