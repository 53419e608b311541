//! What must never happen: a guard that believes in its lock for longer than the row promises it, and work that
//! is done by whoever does not hold the lock.

use std::collections::{BTreeMap, BTreeSet};

use pglock_core::{Instant, LockName, Statement, Token};
use pglock_driver::Hold;

use crate::account::{Account, Author, Bounds, Grant, Holder, Step, What, Write};
use crate::chronicle::{Fact, deed};
use crate::clock::{Clock, fastest};
use crate::oracle::{Broken, Verdict, broken};
use crate::server::{Change, Server};
use crate::trace::Trace;

use super::process::Process;

#[derive(Debug)]
pub(super) struct Rules {
    ppm: u64,
    granularity: u64,
    beliefs: Vec<Belief>,
    works: BTreeMap<u64, Working>,
    begun: u64,
    /// The latest grant of each name under which somebody has worked.
    newest: BTreeMap<LockName, (Token, usize)>,
    /// When a row's number was written.
    written: BTreeMap<LockName, u64>,
    /// Grants that an operator ended: their holders cannot know.
    void: BTreeSet<(LockName, i64)>,
    grants: u64,
    /// For the judge.
    account: Account,
}

/// Who sent a statement, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pub(super) who: usize,
    pub(super) sent: u64,
    /// Has closed the connection since.
    pub(super) late: bool,
}

/// A guard of the shipped loop.
#[derive(Debug)]
struct Belief {
    of: Holder,
    name: LockName,
    hold: Hold,
    until: Instant,
    /// The first true moment at which its holder's clock cannot show less than `until`.
    end: u64,
    /// One that was given back must not be believed in again, whatever comes late.
    watched_until: u64,
}

#[derive(Debug)]
struct Working {
    who: usize,
    name: LockName,
    hold: Hold,
}

impl Rules {
    pub(super) fn new(ppm: u64, granularity: u64) -> Self {
        let bounds = Bounds { ppm, granularity, ..Bounds::default() };
        Self {
            ppm,
            granularity,
            beliefs: Vec::new(),
            works: BTreeMap::new(),
            begun: 0,
            newest: BTreeMap::new(),
            written: BTreeMap::new(),
            void: BTreeSet::new(),
            grants: 0,
            account: Account { bounds, entries: Vec::new() },
        }
    }

    pub(super) fn take_account(&mut self) -> Account {
        std::mem::take(&mut self.account)
    }

    /// Everything anew; answers what was.
    pub(super) fn strike(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.ppm, self.granularity))
    }

    /// The loop of a process has made a guard.
    pub(super) fn granted(
        &mut self,
        who: usize,
        hold: &Hold,
        number: usize,
        clock: &Clock,
        trace: &mut Trace,
        now: u64,
    ) {
        let Ok(name) = LockName::new(hold.name()) else { return };
        let until = hold.valid_until();
        let end = end(clock, until);
        let hold = hold.clone();
        self.grants += 1;
        let of = Holder { who, lock: self.grants };
        let token = hold.token().as_i64();
        let data = hold.data().map(|data| data.to_vec());
        self.account.tell(now, of, Step::Asked { name: name.clone() });
        let grant = Grant { token, data, until: end, heard: None };
        self.account.tell(now, of, Step::Granted(grant));
        let lock = of.lock;
        trace.keep(now, || Fact::Guards { who, lock, name: number, token, until: end });
        self.beliefs.push(Belief { of, name, hold, until, end, watched_until: end });
    }

    pub(super) fn clock_changed(&mut self, who: usize, clock: &Clock, trace: &mut Trace, now: u64) {
        let believes = |belief: &&mut Belief| belief.of.who == who && !belief.is_over();
        for belief in self.beliefs.iter_mut().filter(believes) {
            belief.trust(belief.until, clock, (&mut self.account, trace), now);
        }
    }

    pub(super) fn died(&mut self, who: usize, now: u64) {
        self.account.add(now, What::Crashes { who });
        self.beliefs.retain(|belief| belief.of.who != who);
        self.works.retain(|_, work| work.who != who);
    }

    /// A statement is going to drop all rows.
    pub(super) fn dropped<'a>(&mut self, rows: impl Iterator<Item = (&'a LockName, Option<i64>)>) {
        self.void.extend(rows.filter_map(|(name, token)| Some((name.clone(), token?))));
    }

    /// A statement has changed a row.
    pub(super) fn changed(
        &mut self,
        change: &Change,
        statement: &Statement,
        sender: Sender,
        now: u64,
    ) {
        let Change { name, before, after } = change;
        let Sender { who, sent, late } = sender;
        let is_operator = matches!(statement, Statement::Evict(_));
        let by = (!is_operator).then(|| Author { who, sent, late, deed: deed(statement) });
        let (before_it, after_it) = (before.clone(), after.clone());
        let write = Write { name: name.clone(), before: before_it, after: after_it, by };
        self.account.add(now, What::Row(write));
        let token = before.as_ref().and_then(|row| row.token);
        if let (true, Some(token)) = (is_operator, token) {
            self.void.insert((name.clone(), token));
        }
        let number = |row: &Option<crate::Record>| row.as_ref().and_then(|row| row.rvn);
        if number(before) != number(after) {
            self.written.insert(name.clone(), now);
        }
    }

    /// Every guard that believes in its lock stands in the row, and believes no longer than it is promised.
    pub(super) fn check(
        &mut self,
        server: &Server,
        processes: &[Process],
        trace: &mut Trace,
        now: u64,
    ) -> Verdict {
        for belief in &mut self.beliefs {
            let until = belief.hold.valid_until();
            if until != belief.until {
                let clock = &processes[belief.of.who].clock;
                belief.trust(until, clock, (&mut self.account, trace), now);
            }
        }
        self.beliefs.retain(|belief| belief.watched_until > now);
        self.beliefs.iter().try_for_each(|belief| self.check_belief(belief, server, now))
    }

    fn check_belief(&self, belief: &Belief, server: &Server, now: u64) -> Verdict {
        let Belief { of: Holder { who, .. }, name, hold, end, .. } = belief;
        if *end <= now || self.is_void(name, hold) {
            return Ok(());
        }
        let token = hold.token().as_i64();
        let row = server.row(name).filter(|row| row.is_held() && row.token == Some(token));
        let Some(row) = row else {
            let words = format!(
                "w{who} trusts {name} under token {token} until {end} but the row is not its own at {now}"
            );
            return overlapping(now, *end, words);
        };
        let lease = row.lease_ms.and_then(|lease| u64::try_from(lease).ok()).unwrap_or(0);
        let promised = fastest(lease.saturating_mul(1_000_000), self.ppm, self.granularity);
        let written = self.written.get(name).copied().unwrap_or(0);
        let promise = written.saturating_add(promised);
        if *end <= promise {
            return Ok(());
        }
        let words = format!(
            "w{who} trusts {name} under token {token} until {end} but others may take it over from \
             {promise} on"
        );
        overlapping(promise, *end, words)
    }

    fn is_void(&self, name: &LockName, hold: &Hold) -> bool {
        !self.void.is_empty() && self.void.contains(&(name.clone(), hold.token().as_i64()))
    }

    pub(super) fn begin_work(&mut self, who: usize, hold: &Hold) -> u64 {
        self.begun += 1;
        if let Ok(name) = LockName::new(hold.name()) {
            let newest = self.newest.entry(name.clone()).or_insert((hold.token(), who));
            if hold.token() > newest.0 {
                *newest = (hold.token(), who);
            }
            self.works.insert(self.begun, Working { who, name, hold: hold.clone() });
        }
        self.begun
    }

    /// Answers whose it was, if that lives.
    pub(super) fn end_work(&mut self, number: u64) -> Option<usize> {
        self.works.remove(&number).map(|work| work.who)
    }

    /// Something is done this very moment.
    pub(super) fn act(&self, number: u64, processes: &[Process], now: u64) -> Verdict {
        self.works.get(&number).map_or(Ok(()), |work| self.check_work(work, processes, now))
    }

    /// Time is going to pass: whoever is awake has had its say, and what it still does it does on purpose.
    pub(super) fn settle(&self, processes: &[Process], now: u64) -> Verdict {
        let awake = |work: &&Working| processes[work.who].is_awake(now);
        self.works.values().filter(awake).try_for_each(|work| self.check_work(work, processes, now))
    }

    fn check_work(&self, work: &Working, processes: &[Process], now: u64) -> Verdict {
        let Working { who, name, hold } = work;
        let token = hold.token();
        if self.is_void(name, hold) {
            return Ok(());
        }
        if let Some((newer, other)) = self.newest.get(name).filter(|(newest, _)| *newest > token) {
            return broken(
                "work",
                format!(
                    "w{who} works on {name} under token {token} at {now}, but w{other} has done so \
                     under token {newer}"
                ),
            );
        }
        if end(&processes[*who].clock, hold.valid_until()) <= now {
            return broken(
                "work",
                format!(
                    "w{who} works on {name} under token {token} at {now}, but does not hold it any more"
                ),
            );
        }
        Ok(())
    }
}

impl Belief {
    /// For good.
    fn is_over(&self) -> bool {
        self.until == Instant::default()
    }

    fn trust(
        &mut self,
        until: Instant,
        clock: &Clock,
        (account, trace): (&mut Account, &mut Trace),
        now: u64,
    ) {
        self.until = until;
        self.end = end(clock, until);
        self.watched_until = self.watched_until.max(self.end);
        let is_over = self.is_over();
        let step = if is_over { Step::LetGo } else { Step::Trusted { until: self.end } };
        let (Holder { who, lock }, until) = (self.of, self.end);
        trace.keep(now, || {
            if is_over { Fact::GuardEnds { who, lock } } else { Fact::Trusts { who, lock, until } }
        });
        account.tell(now, self.of, step);
    }
}

/// The first true moment at which `clock` cannot show less than `until`; never if that is over for good.
fn end(clock: &Clock, until: Instant) -> u64 {
    if until == Instant::default() { 0 } else { clock.surely_reaches(until) }
}

fn overlapping(from: u64, to: u64, words: String) -> Verdict {
    Err(Broken { by: "O1", words, overlap: Some((from, to)) })
}
