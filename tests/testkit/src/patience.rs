//! Since when a client does nothing on a row but wait, with nothing in its way: from then on it must take
//! a dead holder's row over as soon as its lease has passed (L1).

use pglock_core::{LockName, Outcome, Renewal, Statement};

use crate::network::Flight;
use crate::world::World;

/// What last kept a client from waiting.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    /// When a connection of its opened or ended, or an answer was no good or from before the healing.
    troubled: u64,
    /// For each name, when it last had an answer about a lock of its own there.
    occupied: Vec<u64>,
}

impl Patience {
    pub(crate) fn new(names: usize, now: u64) -> Self {
        Self { troubled: now, occupied: vec![now; names] }
    }
}

impl World {
    /// Something has kept a client from waiting.
    pub(crate) fn trouble(&mut self, client: usize) {
        self.processes[client].patience.troubled = self.now;
    }

    /// A client has been answered.
    pub(crate) fn note_answer(&mut self, client: usize, flight: usize) {
        let Flight { sent, outcome, statement, .. } = &self.flights[flight];
        let patience = &mut self.processes[client].patience;
        for name in own(statement).filter_map(|own| self.names.iter().position(|name| name == own))
        {
            patience.occupied[name] = self.now;
        }
        if *sent <= self.healed_at || !matches!(outcome, Some(Outcome::Rows(_))) {
            patience.troubled = self.now;
        }
    }

    /// Since when the sender of a statement has waited for a name and nothing else, if that can be said.
    pub(crate) fn waiting_since(&self, flight: usize, name: usize) -> Option<u64> {
        let flight = &self.flights[flight];
        let link = &self.links[flight.link];
        let process = &self.processes[link.client];
        let is_sound = self.healed && self.plan.replies_in_time() && !process.clock_ends;
        let is_there = link.open && process.running && process.who == link.who;
        if !is_sound || !is_there || flight.sent <= self.healed_at {
            return None;
        }
        if self.awaits_its_own(link.who, &self.names[name]) {
            return None;
        }
        let asked = self.oracle.lives.waiting_since(link.who, name)?;
        let Patience { troubled, occupied } = &process.patience;
        let settled = *troubled + self.plan.longest_pause();
        Some(asked.max(self.healed_at).max(settled).max(occupied[name]))
    }

    /// Whether a process has an answer to come about a lock of its own there.
    fn awaits_its_own(&self, who: usize, name: &LockName) -> bool {
        self.flights.iter().any(|flight| {
            let link = &self.links[flight.link];
            let awaited = link.who == who && link.awaited.contains(&flight.command);
            awaited && own(&flight.statement).any(|own| own == name)
        })
    }
}

/// The names of locks of its sender that a statement is about.
fn own(statement: &Statement) -> impl Iterator<Item = &LockName> {
    let (one, many): (Option<&LockName>, &[Renewal]) = match statement {
        Statement::Release(release) => (Some(&release.name), &[]),
        Statement::Amend(amend) => (Some(&amend.name), &[]),
        Statement::Renew(renew) => (None, &renew.locks),
        Statement::Acquire(_)
        | Statement::Read(_)
        | Statement::CreateTable
        | Statement::CheckTable
        | Statement::DropTable
        | Statement::Look(_)
        | Statement::LineUp(_)
        | Statement::Listen
        | Statement::AdvisoryHolders(_)
        | _ => (None, &[]),
    };
    one.into_iter().chain(many.iter().map(|lock| &lock.name))
}
