//! Goes through all states in the order of their distance from the first, so that whatever is found first is
//! found on a shortest way.

use super::interned::Interned;
use super::left::Left;
use super::words;
use super::world::{Choice, State, World};
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

struct Search<'a> {
    world: World<'a>,
    map: Map,
    explored: Explored,
    /// How little was left of each bound.
    least: Left,
}

pub(super) fn search(bounds: &Bounds) -> Result<Explored, Box<Counterexample>> {
    let world = World::new(bounds)
        .map_err(|broken| Box::new(Counterexample { broken, path: Vec::new(), states: 0 }))?;
    let mut map = Map { states: Interned::new(), from: Vec::new() };
    map.add(world.first(), 0);
    let explored = Explored { states: 0, transitions: 0, ends: 0, deepest: 0, exhausted: false };
    let mut search = Search { world, map, explored, least: bounds.left };
    search.go()?;
    Ok(search.explored)
}

impl Search<'_> {
    fn go(&mut self) -> Result<(), Box<Counterexample>> {
        let mut choices = Vec::new();
        let mut farther = 1;
        for number in 0.. {
            let known = self.map.states.len();
            if number as usize == known {
                break;
            }
            if number as usize == farther {
                farther = known;
                self.explored.deepest += 1;
            }
            self.world.choices(self.map.states.get(number), &mut choices);
            self.follow(number, &choices)?;
        }
        self.explored.exhausted = self.least == Left::default();
        self.explored.states = self.map.states.len() as u64;
        Ok(())
    }

    /// Makes each choice in a state.
    fn follow(&mut self, number: u32, choices: &[Choice]) -> Result<(), Box<Counterexample>> {
        let state = *self.map.states.get(number);
        let mut ends = true;
        for choice in choices.iter().copied() {
            let after = self.world.after(&state, choice);
            let after = after.map_err(|broken| self.told(number, Some(choice), broken))?;
            let Some(next) = after else { continue };
            ends = false;
            self.explored.transitions += 1;
            if self.map.add(next, number) {
                self.least = self.least.least(next.left);
                let verdict = self.world.check(&next);
                verdict.map_err(|broken| self.told(number, Some(choice), broken))?;
            }
        }
        if ends {
            self.explored.ends += 1;
            let verdict = self.world.check_end(&state);
            verdict.map_err(|broken| self.told(number, None, broken))?;
        }
        Ok(())
    }

    /// The way to a state and what happened there, in words.
    fn told(&mut self, number: u32, last: Option<Choice>, broken: Broken) -> Box<Counterexample> {
        let way = self.map.way_to(number);
        let mut choices = Vec::new();
        for (state, next) in way.iter().zip(way.iter().skip(1)) {
            choices.extend(self.choice_between(state, next));
        }
        let mut path = Vec::new();
        let mut tick = 0;
        for (state, choice) in way.iter().zip(choices.into_iter().chain(last)) {
            path.push(format!("{tick:>3}: {}", words::of(&self.world, state, choice)));
            tick += u32::from(choice == Choice::Tick);
        }
        Box::new(Counterexample { broken, path, states: self.map.states.len() as u64 })
    }

    fn choice_between(&mut self, state: &State, next: &State) -> Option<Choice> {
        let mut choices = Vec::new();
        self.world.choices(state, &mut choices);
        choices.into_iter().find(|choice| self.world.after(state, *choice) == Ok(Some(*next)))
    }
}
