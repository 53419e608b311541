//! A chronicle as an account for the judge: what lasts, who did it, and when it was sent.

use std::collections::BTreeMap;

use pglock_core::{LockName, Rvn, Statement};

use super::{Chronicle, Fact, Told, Written};
use crate::account::{Account, Author, Deed, Grant, Holder, Step, What, Write};

impl Chronicle {
    pub(crate) fn account(&self) -> Account {
        let account = Account { bounds: self.bounds, entries: Vec::new() };
        let mut teller = Teller {
            names: &self.names,
            account,
            flights: BTreeMap::new(),
            heard: BTreeMap::new(),
        };
        for moment in &self.moments {
            teller.retell(moment.at, &moment.fact);
        }
        teller.account
    }
}

struct Teller<'a> {
    names: &'a [LockName],
    account: Account,
    /// Who sent a statement, and when.
    flights: BTreeMap<usize, (usize, u64, &'a Statement)>,
    /// When a process read its clock for the last answer it had.
    heard: BTreeMap<usize, u64>,
}

impl<'a> Teller<'a> {
    fn retell(&mut self, at: u64, fact: &'a Fact) {
        match fact {
            Fact::Asks { who, lock, name } => {
                if let Some(name) = self.names.get(*name).cloned() {
                    self.tell(at, *who, *lock, Step::Asked { name });
                }
            }
            Fact::LetsGo { who, lock } => self.tell(at, *who, *lock, Step::LetGo),
            Fact::Trusts { who, lock, until } => {
                self.tell(at, *who, *lock, Step::Trusted { until: *until });
            }
            Fact::Denied { who, lock } => self.tell(at, *who, *lock, Step::Denied),
            Fact::Told { who, lock, what } => self.told(at, *who, *lock, what),
            Fact::Sends { who, flight, statement, .. } => {
                self.flights.insert(*flight, (*who, at, statement));
            }
            Fact::Applied { flight, late, wrote } => self.applied(at, *flight, *late, wrote),
            Fact::StrangerWrites { wrote } => self.wrote(at, wrote, None),
            Fact::Hears { flight, read_at, saw } => self.hears(at, *flight, *read_at, *saw),
            Fact::Crashes { who } => self.account.add(at, What::Crashes { who: *who }),
            Fact::ClockEnds { who } => self.account.add(at, What::ClockEnds { who: *who }),
            Fact::Healed => self.account.add(at, What::Healed),
            Fact::Over => self.account.add(at, What::Over),
            // A rehearsal keeps its account itself.
            Fact::Guards { .. }
            | Fact::GuardEnds { .. }
            | Fact::Works { .. }
            | Fact::Rests { .. }
            | Fact::Notes { .. }
            | Fact::Ends { .. } => {}
            Fact::Starts { .. }
            | Fact::StandsStill { .. }
            | Fact::RowLocked { .. }
            | Fact::ServerCrashes => {}
        }
    }

    /// What a renewal tells is believed already.
    fn told(&mut self, at: u64, who: usize, lock: u64, what: &Told) {
        match what {
            Told::Granted { token, data, until } => {
                let heard = self.heard.get(&who).copied();
                let grant = Grant { token: *token, data: data.clone(), until: *until, heard };
                self.tell(at, who, lock, Step::Granted(grant));
            }
            Told::Ended(ending) => self.tell(at, who, lock, Step::Ended(*ending)),
            Told::Renewed { .. } | Told::Other(_) => {}
        }
    }

    fn applied(&mut self, at: u64, flight: usize, late: bool, wrote: &[Written]) {
        if let Some((who, sent, statement)) = self.flights.get(&flight).copied() {
            let author = Author { who, sent, late, deed: deed(statement) };
            self.wrote(at, wrote, Some(&author));
        }
    }

    fn wrote(&mut self, at: u64, wrote: &[Written], by: Option<&Author>) {
        for Written { name, before, after } in wrote {
            let Some(name) = self.names.get(*name).cloned() else { continue };
            let (before, after, by) = (before.clone(), after.clone(), by.cloned());
            self.account.add(at, What::Row(Write { name, before, after, by }));
        }
    }

    fn hears(&mut self, at: u64, flight: usize, read_at: u64, saw: Option<(usize, Rvn)>) {
        let Some((who, ..)) = self.flights.get(&flight).copied() else { return };
        self.heard.insert(who, read_at);
        let seen = saw.and_then(|(name, rvn)| Some((self.names.get(name).cloned()?, rvn)));
        if let Some((name, rvn)) = seen {
            self.account.add(at, What::Sees { who, name, rvn, read_at });
        }
    }

    fn tell(&mut self, at: u64, who: usize, lock: u64, step: Step) {
        self.account.tell(at, Holder { who, lock }, step);
    }
}

/// What a statement asks for.
pub(crate) fn deed(statement: &Statement) -> Deed {
    match statement {
        Statement::Acquire(acquire) => Deed::Acquire {
            seen: acquire.seen,
            data: acquire.content.data.clone(),
            replace: acquire.content.replace,
        },
        Statement::Renew(_) => Deed::Renew,
        Statement::Amend(amend) => Deed::Amend { data: amend.data.clone() },
        Statement::LineUp(_) => Deed::LineUp,
        Statement::Release(release) => Deed::Release { keep_data: release.keep_data },
        Statement::Evict(_)
        | Statement::Look(_)
        | Statement::Read(_)
        | Statement::CreateTable
        | Statement::CheckTable
        | Statement::DropTable
        | Statement::Listen
        | Statement::AdvisoryHolders(_)
        | _ => Deed::Other,
    }
}
