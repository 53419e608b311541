//! What can happen next.

use super::{Cause, Choice, State, World};
use crate::enumerate::message::Message;
use crate::enumerate::person::Wish;
use crate::enumerate::ticks::NEVER;

impl World<'_> {
    /// All that can happen next.
    pub(in crate::enumerate) fn choices(&self, state: &State, choices: &mut Vec<Choice>) {
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
}
