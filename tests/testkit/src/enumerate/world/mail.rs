//! What is on its way, and what of it makes no difference any more.

use pglock_core::SessionId;

use super::{State, World};
use crate::enumerate::message::{Message, Reply, Request, Who};

impl World<'_> {
    pub(super) fn put_in(&mut self, state: &mut State, message: u32) {
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

    pub(super) fn take_out(&mut self, state: &mut State, message: u32) {
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
    pub(super) fn forget(&mut self, state: &mut State) {
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
        let mut numbers = Vec::new();
        let number = self.books.get(state.books).number();
        numbers.extend(number);
        let mut free = number.is_none() || state.left.releases > 0;
        for other in self.mail.get(state.mail).iter().filter(|other| **other != message) {
            if let Message::Request(other) = self.messages.get(*other) {
                numbers.extend(other.writes());
                free |= other.gives_back();
            }
        }
        request.may_change(&numbers, free)
    }

    pub(super) fn is_awaited(&self, state: &State, message: u32) -> bool {
        match self.messages.get(message) {
            Message::Request(Request { who, session, .. })
            | Message::Reply(Reply { who, session, .. }) => self.is_open(state, *who, *session),
        }
    }

    fn is_open(&self, state: &State, who: Who, session: SessionId) -> bool {
        let brief = &self.briefs[state.processes[who.client] as usize];
        brief.who == who && brief.open.contains(&session)
    }
}
