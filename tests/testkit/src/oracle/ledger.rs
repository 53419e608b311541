//! O2 and O4: each change of a row is one that the rules allow, made by whom they allow it to; numbers
//! never come twice, tokens only grow, a refused try writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pglock_core::{Acquire, Grant as Told, LineUp, LockId, Release, Rvn, Statement};

use super::life::Lives;
use super::{Holder, Verdict, broken};
use crate::plan::{Plan, nanos};
use crate::server::{Change, Record};

#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    books: Vec<Book>,
}

/// The history of one row.
#[derive(Clone, Debug, Default)]
struct Book {
    grants: Vec<Grant>,
    /// Which grant stands in the row.
    current: Option<usize>,
    /// When the row's number was first committed.
    number_since: u64,
    numbers: BTreeSet<Rvn>,
    /// Whose the tickets are that have waited in line.
    tickets: BTreeMap<Rvn, Ticket>,
    last_token: i64,
    /// A stranger has had it locked.
    disturbed: bool,
    /// Since when nobody holds it.
    free_since: Option<u64>,
    /// An operator or a Go client has written it, or clocks run beyond the bound: clients may be wrong about it.
    unsure: bool,
}

/// One grant of a name to one incarnation of a client.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) who: usize,
    pub(crate) lock: Option<LockId>,
    pub(crate) committed: u64,
    /// Granted by a statement whose sender had closed the connection.
    pub(crate) zombie: bool,
    token: i64,
    data: Option<Arc<[u8]>>,
    /// Until when nobody may take the row over.
    promise: u64,
    /// How it ceased to stand in the row.
    end: Option<End>,
    /// The server has forgotten something of it, or that it ended.
    shaken: bool,
}

/// What has waited in line.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    who: usize,
    committed: u64,
    /// It came there by a statement whose sender had closed the connection.
    zombie: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Released,
    TakenOver,
    /// By an operator or a client that keeps other rules.
    Void,
    /// The server has forgotten it.
    Undone,
}

/// What the row says about a grant that somebody believes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It stands in the row; nobody may take it over before this moment.
    Promised(u64),
    Gone,
    /// Somebody broke the rules; nothing is promised any more.
    Void,
    /// The server has forgotten it, and its holder cannot know: nobody may be granted the name until it does.
    Undone,
}

/// What changed a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause<'a> {
    Statement {
        now: u64,
        who: usize,
        /// When it left its client.
        sent: u64,
        zombie: bool,
        /// Since when its client has waited for the row and nothing else.
        waiting_since: Option<u64>,
        statement: &'a Statement,
    },
    /// An operator, or a Go client.
    Stranger { now: u64 },
    /// The server has forgotten its last commits.
    LostTail { now: u64 },
}

impl Cause<'_> {
    pub(crate) const fn now(&self) -> u64 {
        match self {
            Self::Statement { now, .. } | Self::Stranger { now } | Self::LostTail { now } => *now,
        }
    }
}

impl Ledger {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { books: vec![Book { unsure: plan.breach, ..Book::default() }; plan.names] }
    }

    pub(crate) fn standing(&self, name: usize, holder: Holder) -> Standing {
        let book = &self.books[name];
        match book.grants.iter().rev().find(|grant| grant.is_of(holder)) {
            Some(grant) => match grant.end {
                None => Standing::Promised(grant.promise),
                Some(End::Void) => Standing::Void,
                Some(End::Undone) => Standing::Undone,
                Some(End::Released | End::TakenOver) => Standing::Gone,
            },
            None => Standing::Gone,
        }
    }

    /// The grant that stands in the row.
    pub(crate) fn current(&self, name: usize) -> Option<&Grant> {
        let book = &self.books[name];
        book.grants.get(book.current?)
    }

    pub(crate) fn is_current(&self, name: usize, holder: Holder) -> bool {
        self.current(name).is_some_and(|grant| grant.is_of(holder))
    }

    /// Whether somebody or something has taken the row from the grant, its own release included.
    pub(crate) fn has_ended(&self, name: usize, holder: Holder) -> bool {
        let is_over = |grant: &Grant| grant.end.is_some() || grant.shaken;
        self.books[name].grants.iter().any(|grant| grant.is_of(holder) && is_over(grant))
    }

    /// Whose ticket it is, unless it came into the line while things went wrong, or after its client had turned away.
    pub(crate) fn waits_in_line(&self, name: usize, ticket: Rvn, healed: u64) -> Option<usize> {
        let ticket = self.books[name].tickets.get(&ticket)?;
        (ticket.committed > healed && !ticket.zombie).then_some(ticket.who)
    }

    pub(crate) fn disturb(&mut self, name: usize) {
        self.books[name].disturbed = true;
    }

    pub(crate) fn is_disturbed(&self, name: usize) -> bool {
        self.books[name].disturbed
    }

    /// A client was told of a grant: from now on it is that lock's.
    pub(crate) fn claim(&mut self, name: usize, holder: Holder, told: &Told) -> Verdict {
        let grants = &mut self.books[name].grants;
        let token = told.token.as_i64();
        match grants.iter_mut().rev().find(|grant| grant.token == token) {
            Some(grant) if grant.who == holder.who && grant.lock.is_none() => {
                grant.lock = Some(holder.lock);
                if grant.data.as_deref() == told.data.as_deref() {
                    return Ok(());
                }
                broken("O2", format!("{holder:?} was told of other data than its grant found"))
            }
            Some(_) => broken("O3", format!("{holder:?} was told of a grant that is not its own")),
            None => broken("O4", format!("{holder:?} was told of token {token}, never drawn")),
        }
    }

    /// Whether nobody has held the row since `then`, as far as clients can know.
    pub(crate) fn was_free_since(&self, name: usize, then: u64) -> bool {
        let book = &self.books[name];
        !book.unsure && book.free_since.is_some_and(|since| since < then)
    }

    pub(crate) fn enter(
        &mut self,
        name: usize,
        change: &Change,
        cause: &Cause<'_>,
        plan: &Plan,
        lives: &Lives,
    ) -> Verdict {
        let book = &mut self.books[name];
        let verdict = book.enter(change, cause, plan, lives);
        book.free_since = match &change.after {
            Some(Record { rvn: Some(_), .. }) => None,
            Some(_) | None => book.free_since.or(Some(cause.now())),
        };
        verdict
    }
}

/// Who wrote, when, and what it is judged by.
struct Entry<'a> {
    now: u64,
    who: usize,
    sent: u64,
    zombie: bool,
    waiting_since: Option<u64>,
    plan: &'a Plan,
    lives: &'a Lives,
}

impl Book {
    fn enter(&mut self, change: &Change, cause: &Cause<'_>, plan: &Plan, lives: &Lives) -> Verdict {
        match *cause {
            Cause::Stranger { now } => {
                self.unsure = true;
                self.end_current(End::Void);
                self.number_since = now;
                Ok(())
            }
            Cause::LostTail { now } => {
                self.fall_back(change.after.as_ref());
                self.number_since = now;
                Ok(())
            }
            Cause::Statement { now, who, sent, zombie, waiting_since, statement } => {
                let entry = Entry { now, who, sent, zombie, waiting_since, plan, lives };
                match statement {
                    Statement::Acquire(acquire) => self.acquired(&entry, change, acquire),
                    Statement::Release(release) => self.released(&entry, change, release),
                    Statement::Renew(_) | Statement::Amend(_) => self.renewed(&entry, change),
                    Statement::LineUp(line_up) => self.lined_up(&entry, change, line_up),
                    Statement::Evict(_)
                    | Statement::Look(_)
                    | Statement::Read(_)
                    | Statement::CreateTable
                    | Statement::CheckTable
                    | Statement::DropTable
                    | Statement::Listen
                    | Statement::AdvisoryHolders(_)
                    | _ => broken(
                        "O2",
                        "a statement has written that no client of its own accord sends",
                    ),
                }
            }
        }
    }

    fn acquired(&mut self, entry: &Entry<'_>, change: &Change, acquire: &Acquire) -> Verdict {
        let Some(after) = &change.after else {
            return broken("O2", "an acquire has deleted a row");
        };
        let Some(before) = &change.before else {
            return match after.rvn {
                None => Ok(()),
                Some(_) => broken("O2", "a row was granted while it was inserted"),
            };
        };
        match before.rvn {
            None => self.check_hand_over(entry)?,
            Some(rvn) if rvn == acquire.new => return self.run_twice(before, after),
            Some(rvn) if rvn.is_ticket() && self.is_own(entry, rvn) => {}
            Some(_) if self.current_is_idle_of(entry) => {}
            Some(rvn) if Some(rvn) == acquire.seen => {
                self.check_age(entry, before, entry.lease_to_watch(before, acquire.lease))?;
                // It may have stood behind a user whose longer lease made them watch longer.
                let longest = entry.plan.longest_lease();
                self.check_promptness(entry, before, entry.lease_to_watch(before, longest))?;
            }
            Some(rvn) => {
                return broken(
                    "O2",
                    format!("w{} took over {rvn:?}, which it had not watched", entry.who),
                );
            }
        }
        if after.waiters != without(before, &acquire.mine) {
            return broken("O2", "a grant has changed the line");
        }
        if acquire.content.replace || (!before.is_held() && before.data.is_none()) {
            if after.data != acquire.content.data {
                return broken("O2", "a grant has not written its data");
            }
        } else if after.data != before.data {
            return broken("O2", "a take-over has changed data it was not asked to");
        }
        self.end_current(End::TakenOver);
        self.draw_token(after)?;
        self.new_number(entry.now, after.rvn)?;
        self.current = Some(self.grants.len());
        self.grants.push(Grant {
            who: entry.who,
            lock: None,
            committed: entry.now,
            zombie: entry.zombie,
            token: self.last_token,
            data: after.data.clone(),
            promise: entry.promise(self.number_since, after),
            end: None,
            shaken: false,
        });
        Ok(())
    }

    fn run_twice(&self, before: &Record, after: &Record) -> Verdict {
        if before.token == after.token {
            Ok(())
        } else {
            broken("O4", "an acquire that was run twice has drawn two tokens")
        }
    }

    fn is_own(&self, entry: &Entry<'_>, ticket: Rvn) -> bool {
        self.tickets.get(&ticket).is_some_and(|ticket| ticket.who == entry.who)
    }

    /// What stands in the row was granted to the same client, which does not know it or has given
    /// it up.
    fn current_is_idle_of(&self, entry: &Entry<'_>) -> bool {
        self.current.and_then(|index| self.grants.get(index)).is_some_and(|grant| {
            let held = |lock| entry.lives.is_held(Holder { who: entry.who, lock });
            grant.who == entry.who && !grant.lock.is_some_and(held)
        })
    }

    fn check_age(&self, entry: &Entry<'_>, before: &Record, lease: u64) -> Verdict {
        let least = entry.plan.fastest(lease);
        let age = entry.sent.saturating_sub(self.number_since);
        if age >= least {
            return Ok(());
        }
        broken(
            "O2",
            format!(
                "w{} took over {:?} that had stood for {age} ns; none can have watched it long \
                 enough before {least} ns",
                entry.who, before.rvn
            ),
        )
    }

    /// L1: whoever waits, with nothing in its way, takes over as soon as it may.
    fn check_promptness(&self, entry: &Entry<'_>, before: &Record, lease: u64) -> Verdict {
        let Some(waiting) = entry.waiting_since else { return Ok(()) };
        let wait = entry.now.saturating_sub(waiting.max(self.number_since));
        let most = entry.plan.latest_take_over(lease);
        if wait <= most {
            return Ok(());
        }
        broken(
            "O5",
            format!(
                "L1: w{} took over {:?} after {wait} ns of waiting, though {most} ns are enough",
                entry.who, before.rvn
            ),
        )
    }

    /// L1: whoever waits, with nothing in its way, has a free row before it would have looked twice.
    fn check_hand_over(&self, entry: &Entry<'_>) -> Verdict {
        let (Some(waiting), Some(free)) = (entry.waiting_since, self.free_since) else {
            return Ok(());
        };
        let wait = entry.now.saturating_sub(waiting.max(free));
        let most = entry.plan.latest_hand_over();
        if wait <= most {
            return Ok(());
        }
        broken(
            "O5",
            format!(
                "L1: w{} was granted a row that had been free for {wait} ns, though {most} ns are \
                 enough",
                entry.who
            ),
        )
    }

    fn renewed(&mut self, entry: &Entry<'_>, change: &Change) -> Verdict {
        let (Some(before), Some(after)) = (&change.before, &change.after) else {
            return broken("O2", "a renewal has inserted or deleted a row");
        };
        if before.waiters != after.waiters {
            return broken("O2", "a renewal has changed the line");
        }
        if before.token != after.token {
            return broken("O4", "a renewal has changed the token");
        }
        let Some(grant) = self.current.and_then(|index| self.grants.get_mut(index)) else {
            return broken("O2", format!("w{} renewed a row that nobody holds", entry.who));
        };
        if grant.who != entry.who {
            return broken("O2", format!("w{} renewed the row of w{}", entry.who, grant.who));
        }
        let promise = if before.rvn == after.rvn && before.lease_ms == after.lease_ms {
            None
        } else {
            Some(after)
        };
        if before.rvn != after.rvn {
            self.new_number(entry.now, after.rvn)?;
        }
        if let Some(after) = promise {
            let promise = entry.promise(self.number_since, after);
            if let Some(grant) = self.current.and_then(|index| self.grants.get_mut(index)) {
                grant.promise = promise;
            }
        }
        Ok(())
    }

    /// Whoever lines up stands behind all others, and changes nothing else.
    fn lined_up(&mut self, entry: &Entry<'_>, change: &Change, line_up: &LineUp) -> Verdict {
        let LineUp { mine, ticket, .. } = line_up;
        let (Some(before), Some(after)) = (&change.before, &change.after) else {
            return broken("O2", "lining up has inserted or deleted a row");
        };
        let mut waiters = before.waiters.clone();
        waiters.push(*ticket);
        if *after != (Record { waiters, ..before.clone() }) {
            return broken("O2", "lining up has changed more than the end of the line");
        }
        if before.waiters.iter().any(|ticket| mine.contains(ticket)) {
            return broken("O2", format!("w{} waits in one line twice", entry.who));
        }
        let Entry { who, now: committed, zombie, .. } = *entry;
        self.tickets.insert(*ticket, Ticket { who, committed, zombie });
        Ok(())
    }

    fn released(&mut self, entry: &Entry<'_>, change: &Change, release: &Release) -> Verdict {
        let (Some(before), Some(after)) = (&change.before, &change.after) else {
            return broken("O2", "a release has inserted or deleted a row");
        };
        if before.token != after.token {
            return broken("O4", "a release has changed the token");
        }
        match before.rvn {
            Some(rvn) if release.mine.contains(&rvn) => {}
            Some(_) | None => return left(before, after, release),
        }
        let (first, rest) = match before.waiters.split_first() {
            Some((first, rest)) => (Some(*first), rest),
            None => (None, [].as_slice()),
        };
        if after.rvn != first || after.waiters != rest {
            return broken("O2", "a release has not handed the row over to the first in line");
        }
        self.check_releaser(entry, before)?;
        self.end_current(End::Released);
        self.new_number(entry.now, after.rvn)
    }

    /// A row is released by whom it was granted or handed over to, and who does not believe in it any more.
    fn check_releaser(&self, entry: &Entry<'_>, before: &Record) -> Verdict {
        if before.rvn.is_some_and(|rvn| rvn.is_ticket() && self.is_own(entry, rvn)) {
            return Ok(());
        }
        let Some(grant) = self.current.and_then(|index| self.grants.get(index)) else {
            return broken("O2", format!("w{} released the row of a stranger", entry.who));
        };
        if grant.who != entry.who {
            return broken("O2", format!("w{} released the row of w{}", entry.who, grant.who));
        }
        let held = |lock| entry.lives.is_held(Holder { who: entry.who, lock });
        if grant.lock.is_some_and(held) {
            return broken("O2", format!("w{} lost the row it holds by a release", entry.who));
        }
        Ok(())
    }

    fn end_current(&mut self, end: End) {
        if let Some(grant) = self.current.take().and_then(|index| self.grants.get_mut(index)) {
            grant.end = Some(end);
        }
    }

    /// What stood in the row earlier stands there again.
    fn fall_back(&mut self, row: Option<&Record>) {
        self.unsure = true;
        self.end_current(End::Undone);
        self.grants.iter_mut().for_each(|grant| grant.shaken = true);
        let token = row.filter(|row| row.is_held()).and_then(|row| row.token);
        self.current = self.grants.iter().rposition(|grant| Some(grant.token) == token);
        if let Some(grant) = self.current.and_then(|index| self.grants.get_mut(index)) {
            grant.end = None;
        }
    }

    fn draw_token(&mut self, after: &Record) -> Verdict {
        match after.token {
            Some(token) if token > self.last_token => {
                self.last_token = token;
                Ok(())
            }
            token => broken("O4", format!("token {token:?} came after {}", self.last_token)),
        }
    }

    fn new_number(&mut self, now: u64, rvn: Option<Rvn>) -> Verdict {
        self.number_since = now;
        match rvn {
            Some(rvn) if !self.numbers.insert(rvn) => {
                broken("O2", format!("{rvn:?} was written a second time"))
            }
            _ => Ok(()),
        }
    }
}

/// The line without these tickets.
fn without(row: &Record, tickets: &[Rvn]) -> Vec<Rvn> {
    row.waiters.iter().copied().filter(|waiter| !tickets.contains(waiter)).collect()
}

/// A release that finds its numbers only in the line changes nothing else.
fn left(before: &Record, after: &Record, release: &Release) -> Verdict {
    if *after == (Record { waiters: without(before, &release.mine), ..before.clone() }) {
        Ok(())
    } else {
        broken("O2", "leaving the line has changed more than that")
    }
}

impl Entry<'_> {
    /// How long a challenger whose own lease is `own` must see the row unchanged.
    fn lease_to_watch(&self, row: &Record, own: Duration) -> u64 {
        if row.rvn.is_some_and(Rvn::is_ticket) {
            return self.plan.hand_over();
        }
        let marked = row.rvn.is_some_and(Rvn::is_marked);
        let foreign = self.plan.config.foreign;
        match row.lease_ms.and_then(|lease| u64::try_from(lease).ok()) {
            Some(lease) if marked => lease * 1_000_000,
            Some(_) | None => nanos(own.max(foreign.lease) + foreign.heartbeat * 2),
        }
    }

    fn promise(&self, number_since: u64, row: &Record) -> u64 {
        let lease = row.lease_ms.and_then(|lease| u64::try_from(lease).ok()).unwrap_or(0);
        number_since.saturating_add(self.plan.fastest(lease * 1_000_000))
    }
}

impl Grant {
    fn is_of(&self, holder: Holder) -> bool {
        self.who == holder.who && self.lock == Some(holder.lock)
    }
}
