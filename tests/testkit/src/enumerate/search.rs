//! Goes through all states in the order of their distance from the first, so that whatever is found first is
//! found on a shortest way.

use super::interned::Interned;
use super::message::Message;
use super::world::{Cause, Choice, State, World};
use super::{Bounds, Counterexample, Explored};
use crate::oracle::Broken;

/// All states found, in the order of their finding.
struct Map {
    states: Interned<State>,
    /// The number of the state that each was first reached from.
    from: Vec<u32>,
}

impl Map {
    /// Answers whether the state is new.
    fn add(&mut self, state: State, from: u32) -> bool {
        self.states.number(state);
        let new = self.from.len() < self.states.len();
        if new {
            self.from.push(from);
        }
        new
    }

    /// The way to a state.
    fn way_to(&self, mut number: u32) -> Vec<State> {
        let mut way = vec![*self.states.get(number)];
        while let Some(from) = self.from.get(number as usize).filter(|_| number > 0) {
            number = *from;
            way.push(*self.states.get(number));
        }
        way.reverse();
        way
    }
}

pub(super) fn search(bounds: &Bounds) -> Result<Explored, Box<Counterexample>> {
    let mut world = match World::new(bounds) {
        Ok(world) => world,
        Err(error) => unreachable!("{error}"),
    };
    let mut map = Map { states: Interned::new(), from: Vec::new() };
    map.add(world.first(), 0);
    let mut explored = Explored { states: 0, transitions: 0, ends: 0, deepest: 0 };
    let mut choices = Vec::new();
    let mut number = 0;
    let mut level_ends_at = 1;
    while (number as usize) < map.states.len() {
        let state = *map.states.get(number);
        if number as usize == level_ends_at {
            level_ends_at = map.states.len();
            explored.deepest += 1;
        }
        world.choices(&state, &mut choices);
        let before = explored.transitions;
        for choice in choices.iter().copied() {
            match world.after(&state, choice) {
                Ok(None) => {}
                Ok(Some(next)) => {
                    explored.transitions += 1;
                    if map.add(next, number)
                        && let Err(broken) = world.check(&next)
                    {
                        return Err(told(&mut world, &map, number, Some(choice), broken));
                    }
                }
                Err(broken) => return Err(told(&mut world, &map, number, Some(choice), broken)),
            }
        }
        if explored.transitions == before {
            explored.ends += 1;
            if let Err(broken) = world.check_end(&state) {
                return Err(told(&mut world, &map, number, None, broken));
            }
        }
        number += 1;
    }
    explored.states = map.states.len() as u64;
    if std::env::var("PGLOCK_PARTS").is_ok() {
        eprintln!("{:?}", world.parts());
        if std::env::var("DUMP").is_ok() {
            world.dump();
        }
    }
    Ok(explored)
}

/// The way to a state, and what then went wrong.
fn told(
    world: &mut World<'_>,
    map: &Map,
    number: u32,
    last: Option<Choice>,
    broken: Broken,
) -> Box<Counterexample> {
    let way = map.way_to(number);
    let mut path = Vec::new();
    let mut tick = 0;
    for pair in way.windows(2) {
        if let [state, next] = pair
            && let Some(choice) = choice_between(world, state, next)
        {
            path.push(format!("{tick:>3}: {}", words(world, state, choice)));
            tick += u32::from(choice == Choice::Tick);
        }
    }
    if let (Some(state), Some(choice)) = (way.last(), last) {
        path.push(format!("{tick:>3}: {}", words(world, state, choice)));
    }
    Box::new(Counterexample { broken, path, states: map.states.len() as u64 })
}

fn choice_between(world: &mut World<'_>, state: &State, next: &State) -> Option<Choice> {
    let mut choices = Vec::new();
    world.choices(state, &mut choices);
    choices
        .into_iter()
        .find(|choice| world.after(state, *choice).is_ok_and(|after| after == Some(*next)))
}

fn words(world: &World<'_>, state: &State, choice: Choice) -> String {
    let message = |message| match world.message(message) {
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
                Cause::Ask => format!("{who} is asked for the lock"),
                Cause::LetGo => format!("{who} is told to let go"),
                Cause::Reply(number) => format!("{who} gets {}", message(number)),
                Cause::Break(session) => format!("{who} loses connection {}", session.as_u64()),
            };
            let done = world.feel(state, client, cause).ok().flatten();
            let events = done.map_or_else(Vec::new, |done| done.events);
            let heard = events.iter().map(|event| format!("; {event:?}"));
            what + &heard.collect::<String>()
        }
    }
}
