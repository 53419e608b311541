//! What happens, in words.

use pglock_core::Event;

use super::message::Message;
use super::world::{Cause, Choice, State, World};

/// What happens in a state when this is chosen.
pub(super) fn of(world: &World<'_>, state: &State, choice: Choice) -> String {
    let message = |number| match world.message(number) {
        Message::Request(request) => request.to_string(),
        Message::Reply(reply) => reply.to_string(),
    };
    match choice {
        Choice::Tick => "a tick passes".into(),
        Choice::Run(number) => format!("{} reaches the server", message(number)),
        Choice::Lose(number) => format!("{} is lost", message(number)),
        Choice::Crash(client) => format!("{} crashes", world.who(state, client)),
        Choice::Touch(client, cause) => {
            let who = world.who(state, client);
            let what = match cause {
                Cause::Wake => format!("{who} wakes up"),
                Cause::Ask => format!("{who}'s user asks for the lock"),
                Cause::LetGo => format!("{who}'s user lets it go"),
                Cause::Reply(number) => format!("{who} gets {}", message(number)),
                Cause::Break(session) => format!("{who}'s connection {} breaks", session.as_u64()),
            };
            let done = world.feel(state, client, cause).ok().flatten();
            let events = done.map_or_else(Vec::new, |done| done.events);
            what + &events.iter().map(told).collect::<String>()
        }
    }
}

/// The name of an event: its readings are of no use to a reader.
fn told(event: &Event) -> String {
    let event = format!("{event:?}");
    format!("; {}", event.split(' ').next().unwrap_or_default())
}
