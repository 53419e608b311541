//! The server with its books: each change of the row is one that the rules allow (S3, S6).

use std::time::Duration;

use pglock_core::{Acquire, Content, LockName, Outcome, Owner, Rvn, Statement};

use super::message::{Request, Who};
use crate::oracle::{Broken, Verdict, broken};
use crate::server::{Change, Record, Server};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Books {
    server: Server,
    number: Option<Rvn>,
    holder: Option<Who>,
    /// For how many ticks its number has stood in the row.
    age: u16,
    last_token: Option<i64>,
}

impl Books {
    /// The row is there, and free.
    pub(super) fn open(name: &LockName) -> Self {
        let mut server = Server::with_table();
        let _not_granted = server.execute(&Statement::Acquire(Acquire {
            name: name.clone(),
            seen: None,
            mine: Vec::new(),
            new: Rvn::new(Rvn::MARK),
            owner: Owner::default(),
            lease: Duration::ZERO,
            content: Content::default(),
            lock_timeout: Duration::ZERO,
        }));
        let _inserted = server.take_changes();
        Self { server, number: None, holder: None, age: 0, last_token: None }
    }

    /// The number that stands in the row.
    pub(super) fn number(&self) -> Option<Rvn> {
        self.number
    }

    /// A tick passes; ages of `most` and more are all the same.
    pub(super) fn tick(&mut self, most: u16) {
        if self.holder.is_some() {
            self.age = self.age.saturating_add(1).min(most);
        }
    }

    /// Whether the number has stood in the row for this many ticks.
    pub(super) const fn is_ripe(&self, ticks: u16) -> bool {
        self.age >= ticks
    }

    /// Runs a statement.
    pub(super) fn run(&mut self, request: &Request) -> Result<Outcome, Broken> {
        let outcome = self.server.execute(&request.statement);
        for change in self.server.take_changes() {
            let Change { before: Some(before), after: Some(after), .. } = &change else {
                broken("S6", format!("{request} has inserted or deleted the row"))?;
                continue;
            };
            self.enter(before, after, request)?;
            self.number = after.rvn;
            self.age = 0;
        }
        Ok(outcome)
    }

    fn enter(&mut self, before: &Record, after: &Record, request: &Request) -> Verdict {
        match &request.statement {
            Statement::Acquire(acquire) => {
                self.check_take_over(before, acquire, request)?;
                if after.rvn != Some(acquire.new) || after.token <= self.last_token {
                    return broken("S3", format!("{request} has not drawn a greater token"));
                }
                self.last_token = after.token;
                self.holder = Some(request.who);
                Ok(())
            }
            Statement::Renew(renew) => {
                let mine = renew.locks.iter().flat_map(|renewal| &renewal.mine);
                self.check_own(before, mine, request)?;
                if after.rvn.is_none() || after.rvn == before.rvn {
                    return broken("S6", format!("{request} has not written a new number"));
                }
                same_token(before, after, request)
            }
            Statement::Release(release) => {
                self.check_own(before, release.mine.iter(), request)?;
                if after.rvn.is_some() {
                    return broken("S6", format!("{request} has not freed the row"));
                }
                self.holder = None;
                same_token(before, after, request)
            }
            Statement::Amend(_)
            | Statement::Evict(_)
            | Statement::Read(_)
            | Statement::CreateTable
            | Statement::CheckTable
            | Statement::DropTable
            | Statement::Look(_)
            | Statement::LineUp(_)
            | Statement::Listen
            | Statement::AdvisoryHolders(_)
            | _ => broken("S6", format!("{request} has changed the row")),
        }
    }

    /// The row is free, the sender's already, or was watched for a whole lease.
    fn check_take_over(&self, before: &Record, acquire: &Acquire, request: &Request) -> Verdict {
        let Some(rvn) = before.rvn else { return Ok(()) };
        if acquire.mine.contains(&rvn) && self.holder == Some(request.who) {
            return Ok(());
        }
        if acquire.seen != Some(rvn) {
            return broken("S6", format!("{request} took over from a number it had not seen"));
        }
        if request.ripe {
            return Ok(());
        }
        broken("S6", format!("{request} took over before its lease had passed"))
    }

    fn check_own<'a>(
        &self,
        before: &Record,
        mut mine: impl Iterator<Item = &'a Rvn>,
        request: &Request,
    ) -> Verdict {
        if self.holder == Some(request.who) && mine.any(|mine| Some(*mine) == before.rvn) {
            return Ok(());
        }
        broken("S6", format!("{request} has changed a row that is not its sender's"))
    }
}

fn same_token(before: &Record, after: &Record, request: &Request) -> Verdict {
    if before.token == after.token {
        return Ok(());
    }
    broken("S3", format!("{request} has changed the token"))
}
