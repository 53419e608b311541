//! All programs of two sessions that make two transactions each, about one row, in all their interleavings: one
//! after the other, or one begins while another is done but not committed.
//!
//! What a transaction does depends on the rows, on the sequences, and on the one transaction that is open when it
//! begins. So a state is looked at once, however many programs lead there, and whose transaction it is does not
//! matter.

use std::collections::HashSet;
use std::time::Duration;

use pglock_core::{
    Acquire, Amend, Content, Evict, LineUp, LockName, Owner, Release, Renew, Renewal, Rvn,
    Statement, Token,
};
use pglock_testkit::Server as Model;

use crate::pair::{Kept, Pair};
use crate::program::{Action, Step};

/// How many transactions a program has.
const TRANSACTIONS: usize = 4;

/// In how many ways four in a row may overlap by twos.
const OVERLAPS: usize = 5;

/// What makes a number a ticket.
const TICKET: i64 = Rvn::TICKET - Rvn::MARK;

/// Nobody is waited for that long.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn all_interleavings_of_small_programs_do_the_same_on_both() {
    crate::sequences::runtime().block_on(async {
        let mut search = Search::new(Pair::new().await);
        let done = search.explore().await;
        let programs = starts().len() * actions().len().pow(4) * OVERLAPS;
        println!("{programs} programs, by {} steps from {} states", search.steps, search.states);
        assert!(done.is_ok(), "{}", done.unwrap_err());
    });
}

/// Goes from state to state.
pub(crate) struct Search {
    pair: Pair,
    known: HashSet<Model>,
    /// States from which to go on, by how many transactions lead there.
    reached: [Vec<Kept>; TRANSACTIONS],
    states: usize,
    pub(crate) steps: u64,
}

impl Search {
    pub(crate) fn new(pair: Pair) -> Self {
        Self { pair, known: HashSet::new(), reached: Default::default(), states: 0, steps: 0 }
    }

    /// Makes all programs, up to a step that differs, which the error tells.
    pub(crate) async fn explore(&mut self) -> Result<(), String> {
        let alone: Vec<_> = actions().into_iter().map(Step::Alone).collect();
        let overlapping: Vec<_> =
            pairs().map(|(first, second)| Step::Behind(first, second)).collect();
        for start in starts() {
            self.pair.reset().await;
            for action in start {
                self.make(&Step::Alone(action)).await?;
            }
            self.keep(0).await;
        }
        for level in 0..TRANSACTIONS {
            let states = std::mem::take(&mut self.reached[level]);
            self.states += states.len();
            self.leave(&states, &alone, level + 1).await?;
            if level + 2 <= TRANSACTIONS {
                self.leave(&states, &overlapping, level + 2).await?;
            }
        }
        Ok(())
    }

    async fn leave(&mut self, states: &[Kept], steps: &[Step], next: usize) -> Result<(), String> {
        for state in states {
            for step in steps {
                self.pair.back_to(state).await;
                let made = self.make(step).await;
                made.map_err(|difference| format!("{difference}\nfrom {:#?}", state.model))?;
                self.keep(next).await;
            }
        }
        Ok(())
    }

    async fn make(&mut self, step: &Step) -> Result<(), String> {
        self.steps += 1;
        let made = self.pair.make(step).await;
        made.map_err(|difference| format!("{difference}\nafter {step:#?}"))
    }

    /// Remembers a new state, if there is a way to go on from it.
    async fn keep(&mut self, level: usize) {
        if level < TRANSACTIONS && self.known.insert(self.pair.model().clone()) {
            self.reached[level].push(self.pair.keep().await);
        }
    }
}

/// What leads to the rows that programs begin with: none, one of the first client, and one of a Go client.
fn starts() -> [Vec<Action>; 3] {
    let take = || Action::Statement(acquire("first", None, &[1], content("first", false)));
    [vec![], vec![take(), take()], vec![take(), take(), Action::GoWrite(name())]]
}

fn pairs() -> impl Iterator<Item = (Action, Action)> {
    let with_each =
        |first: Action| actions().into_iter().map(move |second| (first.clone(), second));
    actions().into_iter().flat_map(with_each)
}

/// What two clients, a Go client and an operator do. The first client's numbers are 1 and 2, the second
/// one's 3 and 4, and ticket 7; ticket 8 is somebody else's.
fn actions() -> Vec<Action> {
    let ours = [
        acquire("first", None, &[1], content("first", false)),
        acquire("first", Some(3), &[1, 2], Content::default()),
        acquire("second", Some(1), &[TICKET + 7, 3], content("second", true)),
        renew(&[1, 2]),
        renew(&[3, 4]),
        amend(&[1, 2]),
        release(&[1, 2], false),
        release(&[TICKET + 7, 3, 4], true),
        Statement::Evict(Evict { name: name(), token: Token::new(2), lock_timeout: LONG }),
        line_up(7),
        line_up(8),
    ];
    let others = [
        Action::GoWrite(name()),
        Action::GoRelease(name(), Rvn::new(1)),
        Action::Restore(name(), Token::new(5)),
        Action::Delete(name()),
    ];
    ours.map(Action::Statement).into_iter().chain(others).collect()
}

/// The last of `mine` is written.
fn acquire(owner: &str, seen: Option<i64>, mine: &[i64], content: Content) -> Statement {
    let (mine, new) = numbers(mine);
    Statement::Acquire(Acquire {
        name: name(),
        seen: seen.map(number),
        mine,
        new,
        owner: Owner::new(owner).unwrap(),
        lease: Duration::from_secs(1),
        content,
        lock_timeout: LONG,
    })
}

fn content(data: &str, replace: bool) -> Content {
    Content { data: Some(data.as_bytes().into()), replace }
}

fn renew(mine: &[i64]) -> Statement {
    let (mine, new) = numbers(mine);
    Statement::Renew(Renew { locks: vec![Renewal { name: name(), mine, new }] })
}

/// With another lease, and without data.
fn amend(mine: &[i64]) -> Statement {
    let (mine, new) = numbers(mine);
    let lease = Some(Duration::from_secs(2));
    Statement::Amend(Amend { name: name(), mine, new, lease, data: Some(None), lock_timeout: LONG })
}

fn release(mine: &[i64], keep_data: bool) -> Statement {
    let (mine, _) = numbers(mine);
    Statement::Release(Release { name: name(), mine, keep_data, lock_timeout: LONG })
}

fn line_up(ticket: i64) -> Statement {
    let (mine, ticket) = numbers(&[TICKET + ticket]);
    Statement::LineUp(LineUp { name: name(), mine, ticket, lock_timeout: LONG })
}

fn name() -> LockName {
    LockName::new("a").unwrap()
}

/// All of them, and the last.
fn numbers(mine: &[i64]) -> (Vec<Rvn>, Rvn) {
    let mine: Vec<_> = mine.iter().copied().map(number).collect();
    let last = *mine.last().unwrap();
    (mine, last)
}

fn number(number: i64) -> Rvn {
    Rvn::new(Rvn::MARK + number)
}
