//! Every history of a small world: nothing is drawn, all choices are followed, until no state is new.
//!
//! The clients are the core itself. Time goes in ticks, chosen so that what decides safety falls on them
//! exactly: for as long as a slow holder trusts its lease a fast challenger waits, to the tick. Messages take
//! any time; a closed connection does not stop what is under way on it.

mod books;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the search is worthless"
)]
mod interned;
mod left;
mod message;
mod newcomer;
mod person;
mod search;
mod ticks;
mod words;
#[expect(
    clippy::indexing_slicing,
    reason = "the world's own indices; if one is wrong the search is worthless"
)]
mod world;

use std::fmt;

use crate::oracle::Broken;
use left::Left;

pub use ticks::Rate;

/// The most clients a world may have.
const MOST: usize = 3;

/// How large a world is: its clients, and how often each thing may happen to all of them together.
///
/// A client whose statement is not allowed any more stands still from then on, and believes what it believed
/// until its deadline. A crashed client is back at once, as one that was never there before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    rates: Vec<Rate>,
    lease: u16,
    polls: bool,
    left: Left,
}

impl Bounds {
    /// A client for each of these clocks, three at most, who may ask, but do nothing yet.
    #[must_use]
    pub fn new<const CLIENTS: usize>(rates: [Rate; CLIENTS]) -> Self {
        const { assert!(CLIENTS <= MOST, "too many clients") };
        Self { rates: rates.to_vec(), lease: 4, polls: false, left: Left::default() }
    }

    /// So many statements that ask for the lock, or look at it.
    #[must_use]
    pub const fn with_tries(mut self, tries: u8) -> Self {
        self.left.tries = tries;
        self
    }

    /// So many statements that renew.
    #[must_use]
    pub const fn with_heartbeats(mut self, heartbeats: u8) -> Self {
        self.left.heartbeats = heartbeats;
        self
    }

    /// So often a user gives the lock back, or asks no longer.
    #[must_use]
    pub const fn with_partings(mut self, partings: u8) -> Self {
        self.left.partings = partings;
        self
    }

    /// So many statements that give back.
    #[must_use]
    pub const fn with_releases(mut self, releases: u8) -> Self {
        self.left.releases = releases;
        self
    }

    /// So often a request or a reply is lost, or a connection breaks while a reply is awaited.
    #[must_use]
    pub const fn with_losses(mut self, losses: u8) -> Self {
        self.left.losses = losses;
        self
    }

    /// So many crashes of clients.
    #[must_use]
    pub const fn with_crashes(mut self, crashes: u8) -> Self {
        self.left.crashes = crashes;
        self
    }

    /// So many ticks, all in all, by which clients wake up too late.
    #[must_use]
    pub const fn with_lateness(mut self, ticks: u8) -> Self {
        self.left.lateness = ticks;
        self
    }

    /// How many ticks a fast client must wait to take a lock over; 4 unless set. Time is the finer the more.
    #[must_use]
    pub const fn with_lease(mut self, ticks: u16) -> Self {
        self.lease = ticks;
        self
    }

    /// Whoever waits also looks at the row before the lease in it could be over.
    #[must_use]
    pub const fn with_polls(mut self) -> Self {
        self.polls = true;
        self
    }
}

/// A world without a state in which a rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Explored {
    /// How many states can be reached.
    pub states: u64,
    /// How many steps lead from them to one another.
    pub transitions: u64,
    /// In how many of them nothing can happen any more.
    pub ends: u64,
    /// Whether each of the bounds was reached in one of them: none is so wide that it means nothing.
    pub exhausted: bool,
    /// How many steps it takes to reach the one that is the farthest from the beginning.
    pub deepest: u64,
}

/// A broken rule, and the shortest way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Counterexample {
    /// The rule, in words.
    pub broken: Broken,
    /// What happens, a line each.
    pub path: Vec<String>,
    /// How many states were seen before.
    pub states: u64,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.path {
            writeln!(f, "{line}")?;
        }
        let Self { broken, path, states } = self;
        write!(f, "{broken} (after {} steps; {states} states were seen)", path.len())
    }
}

impl std::error::Error for Counterexample {}

/// Goes through every state that a world of these bounds can reach, and checks in each that at most one
/// client believes that it holds the lock (S1), and no longer than it said (S2); on the way that tokens grow (S3),
/// that each acquire has one end (S4), that losses are heard (S5) and that rows change by the rules (S6); and
/// where nothing can happen any more that somebody new gets the lock within one lease (L3).
///
/// ```
/// use pglock_testkit::enumerate::{Bounds, Rate, enumerate};
///
/// let world = Bounds::new([Rate::Slow, Rate::Fast]).with_tries(2).with_losses(1);
/// assert!(enumerate(&world)?.states > 100);
/// # Ok::<_, Box<pglock_testkit::enumerate::Counterexample>>(())
/// ```
///
/// # Errors
/// When a rule is broken, with a shortest way to break one.
pub fn enumerate(bounds: &Bounds) -> Result<Explored, Box<Counterexample>> {
    search::search(bounds)
}

/// What cannot be, unless the core refuses the settings or the name of this world.
fn not_possible(error: impl fmt::Display) -> Broken {
    Broken { by: "S4", words: format!("the world cannot begin: {error}"), overlap: None }
}
