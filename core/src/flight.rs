//! Commands on their way: what each is about, so that its outcome finds its way back. An outcome that
//! nothing waits for is nobody's.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::advisory::Call;
use crate::name::LockName;
use crate::output::{CommandId, QuestionId, SessionId};

/// What a command is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cargo {
    Row(LockName),
    Renewals(Vec<LockName>),
    Question(QuestionId),
    Listen(SessionId),
    Advisory(SessionId, Call),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flights {
    under_way: BTreeMap<CommandId, Cargo>,
    next_id: u64,
}

impl Flights {
    pub(crate) const fn new() -> Self {
        Self { under_way: BTreeMap::new(), next_id: 0 }
    }

    /// The id of the next command.
    pub(crate) fn next(&mut self) -> CommandId {
        let id = CommandId::new(self.next_id);
        self.next_id += 1;
        id
    }

    pub(crate) fn depart(&mut self, command: CommandId, cargo: Cargo) {
        self.under_way.insert(command, cargo);
    }

    pub(crate) fn land(&mut self, command: CommandId) -> Option<Cargo> {
        self.under_way.remove(&command)
    }

    /// What a command is about, which stays under way: a deliberate bug.
    pub(crate) fn copy(&self, command: CommandId) -> Option<Cargo> {
        self.under_way.get(&command).cloned()
    }

    pub(crate) fn is_under_way(&self, command: CommandId) -> bool {
        self.under_way.contains_key(&command)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}
