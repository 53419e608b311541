//! The worlds there are, as far as a search must know them.

use std::io;
use std::path::Path;

use pglock_testkit::{Coincidence, History, Violation, lockspace};

use crate::args::Faults;

/// A history in which no rule was broken.
pub(super) trait Passed {
    fn events(&self) -> u64;

    /// What is worth meeting, and how often it was met.
    fn reached(&self) -> Vec<(&'static str, u64)>;
}

/// A history in which one was.
pub(super) trait Broke: Sized {
    /// The rule, in words.
    fn rule(&self) -> String;

    fn events(&self) -> u64;

    fn seed(&self) -> Option<u64>;

    /// What to add to `pglock simulate` so that it runs nothing else.
    fn command(&self) -> String;

    /// The kind of world.
    fn kind(&self) -> String;

    fn picture(&self) -> String;

    fn shrunk(self, attempts: u32) -> Self;

    fn write_to(&self, folder: &Path) -> io::Result<()>;
}

impl Passed for History {
    fn events(&self) -> u64 {
        self.steps
    }

    fn reached(&self) -> Vec<(&'static str, u64)> {
        Coincidence::ALL.iter().map(|which| (which.words(), self.reached.of(*which))).collect()
    }
}

impl Passed for lockspace::History {
    fn events(&self) -> u64 {
        self.steps
    }

    fn reached(&self) -> Vec<(&'static str, u64)> {
        let all = lockspace::Coincidence::ALL.iter();
        all.map(|which| (which.words(), self.reached.of(*which))).collect()
    }
}

impl Broke for Box<Violation> {
    fn rule(&self) -> String {
        self.broken.to_string()
    }

    fn events(&self) -> u64 {
        self.steps
    }

    fn seed(&self) -> Option<u64> {
        self.seed
    }

    fn command(&self) -> String {
        let clients = self.options.clients.map(|clients| format!(" --clients {clients}"));
        let scenario = self.options.scenario;
        let faults = scenario.map(|scenario| format!(" --faults {}", Faults::name_of(scenario)));
        clients.into_iter().chain(faults).collect()
    }

    fn kind(&self) -> String {
        format!("{:?}", self.scenario)
    }

    fn picture(&self) -> String {
        self.timeline().text()
    }

    fn shrunk(self, attempts: u32) -> Self {
        Self::new(Violation::shrunk(*self, attempts))
    }

    fn write_to(&self, folder: &Path) -> io::Result<()> {
        Violation::write_to(self, folder)
    }
}

impl Broke for Box<lockspace::Violation> {
    fn rule(&self) -> String {
        self.broken.to_string()
    }

    fn events(&self) -> u64 {
        self.steps
    }

    fn seed(&self) -> Option<u64> {
        self.seed
    }

    fn command(&self) -> String {
        " --advisory".into()
    }

    fn kind(&self) -> String {
        "Advisory locks".into()
    }

    fn picture(&self) -> String {
        self.log.join("\n")
    }

    fn shrunk(self, attempts: u32) -> Self {
        Self::new(lockspace::Violation::shrunk(*self, attempts))
    }

    fn write_to(&self, folder: &Path) -> io::Result<()> {
        lockspace::Violation::write_to(self, folder)
    }
}
