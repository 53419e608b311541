//! From facts to lanes, bars and arrows.

use std::collections::BTreeMap;

use pglock_core::LockName;

use super::{Arrow, Bar, Fate, Kind, Lane, Step, Timeline};
use crate::chronicle::{Chronicle, Fact, Gist, Told, Written};
use crate::oracle::Broken;

pub(super) struct Builder<'a> {
    chronicle: &'a Chronicle,
    processes: Vec<Lane>,
    rows: Vec<Lane>,
    trips: BTreeMap<usize, Trip>,
    steps: Vec<Step>,
    /// How many lanes processes have; rows come after them.
    count: usize,
}

/// A statement's way there and back.
struct Trip {
    who: usize,
    sent: u64,
    gist: Gist,
    applied: Vec<(u64, bool)>,
    heard: Option<u64>,
}

/// Not yet over.
const OPEN: u64 = u64::MAX;

impl<'a> Builder<'a> {
    pub(super) fn new(chronicle: &'a Chronicle) -> Self {
        let is_start = |fact: &Fact| matches!(fact, Fact::Starts { .. });
        let count = chronicle.moments.iter().filter(|moment| is_start(&moment.fact)).count();
        let rows = chronicle.names.iter().map(|name| lane(name.as_str(), format!("row {name}"), 0));
        Self {
            chronicle,
            processes: Vec::new(),
            rows: rows.collect(),
            trips: BTreeMap::new(),
            steps: Vec::new(),
            count,
        }
    }

    pub(super) fn finish(mut self, broken: &Broken) -> Timeline {
        for moment in &self.chronicle.moments {
            self.add(moment.at, &moment.fact);
        }
        let broken_at = self.chronicle.moments.last().map_or(0, |moment| moment.at);
        let end = broken.overlap.map_or(broken_at, |(_, to)| to.max(broken_at));
        let arrows = self.trips.values().flat_map(|trip| self.arrows(trip)).collect();
        let mut lanes = self.processes;
        lanes.append(&mut self.rows);
        for lane in &mut lanes {
            lane.to = lane.to.min(end.saturating_add(1));
            lane.bars.iter_mut().for_each(|bar| bar.to = bar.to.min(lane.to).max(bar.from));
        }
        let broken = broken.clone();
        Timeline { lanes, arrows, steps: self.steps, broken, broken_at, end }
    }

    fn add(&mut self, at: u64, fact: &Fact) {
        match fact {
            Fact::Starts { who, client } => self.starts(at, *who, *client),
            Fact::Ends { who, how } => self.ends(at, *who, how),
            Fact::Crashes { who } => self.crashes(at, *who),
            Fact::StandsStill { who, until } => {
                self.still(*who, at, *until, "stands still");
                self.says(at, format!("w{who} stands still until {}", super::clock(*until)));
            }
            Fact::Asks { who, lock, name } => self.asks(at, *who, *lock, *name),
            Fact::LetsGo { who, lock } => {
                let name = self.name_of_lock(*who, *lock);
                self.end_bars(*who, *lock, at);
                self.says(at, format!("w{who} lets {name} go"));
            }
            Fact::Told { who, lock, what } => self.told(at, *who, *lock, what),
            Fact::Trusts { who, lock, until } => {
                self.belief(*who, *lock).into_iter().for_each(|bar| bar.to = *until);
            }
            Fact::Guards { who, lock, name, token, until } => {
                let name = self.row(*name).to_owned();
                let words = self.believes(at, (*who, *lock), &name, (*token, *until));
                self.says(at, format!("w{who} {words}"));
            }
            Fact::GuardEnds { who, lock } => {
                let name = self.name_of_lock(*who, *lock);
                self.end_bars(*who, *lock, at);
                self.says(at, format!("w{who} holds {name} no more"));
            }
            Fact::Works { who, work, name, token } => {
                self.works(at, (*who, *work), *name, *token);
            }
            Fact::Rests { who, work } => {
                self.close(*who, at, |bar| bar.kind == Kind::Work && bar.key == *work);
                self.says(at, format!("w{who} works no more"));
            }
            Fact::Notes { who, words } => self.says(at, format!("w{who} notes: {words}")),
            Fact::Sends { who, flight, gist, .. } => {
                self.says(at, format!("w{who} sends {}", self.gist(gist)));
                let (who, gist) = (*who, gist.clone());
                let trip = Trip { who, sent: at, gist, applied: Vec::new(), heard: None };
                self.trips.insert(*flight, trip);
            }
            Fact::Applied { flight, late, wrote } => self.applied(at, *flight, *late, wrote),
            Fact::Hears { flight, .. } => self.hears(at, *flight),
            Fact::RowLocked { name, until } => self.row_locked(at, *name, *until),
            Fact::StrangerWrites { wrote } => {
                self.written(at, wrote, "a stranger");
                if !wrote.is_empty() {
                    self.says(at, format!("a stranger writes: {}", self.outcome(wrote)));
                }
            }
            Fact::ServerCrashes => self.says(at, "the server crashes".into()),
            Fact::Healed => self.healed(at),
            Fact::Denied { .. } | Fact::ClockEnds { .. } | Fact::Over => {}
        }
    }

    fn starts(&mut self, at: u64, who: usize, client: usize) {
        let label = format!("w{who}, client {client}");
        self.processes.push(lane(&format!("w{who}"), label, at));
        self.says(at, format!("w{who} starts as client {client}"));
    }

    fn ends(&mut self, at: u64, who: usize, how: &Result<(), String>) {
        self.processes.get_mut(who).into_iter().for_each(|lane| lane.to = at);
        self.says(
            at,
            match how {
                Ok(()) => format!("w{who} comes to its end"),
                Err(error) => format!("w{who} ends with an error: {error}"),
            },
        );
    }

    fn crashes(&mut self, at: u64, who: usize) {
        if let Some(lane) = self.processes.get_mut(who) {
            lane.to = at;
            lane.crashed = true;
        }
        self.says(at, format!("w{who} crashes"));
    }

    fn still(&mut self, who: usize, from: u64, to: u64, words: &str) {
        let still = self.bar(Kind::Still, (from, to), words.into());
        self.lasts(who, still);
    }

    /// Nobody stands still any more, and no row is locked.
    fn healed(&mut self, at: u64) {
        let lanes = self.processes.iter_mut().chain(&mut self.rows);
        let still = lanes.flat_map(|lane| &mut lane.bars).filter(|bar| bar.kind == Kind::Still);
        still.for_each(|bar| bar.close(at, self.steps.len()));
        self.says(at, "all is healed".into());
    }

    fn row_locked(&mut self, at: u64, name: usize, until: u64) {
        let locked = self.bar(Kind::Still, (at, until), "locked by a stranger".into());
        self.rows.get_mut(name).into_iter().for_each(|lane| lane.bars.push(locked.clone()));
        self.says(at, format!("a stranger locks row {}", self.row(name)));
    }

    fn asks(&mut self, at: u64, who: usize, lock: u64, name: usize) {
        let name = self.row(name).to_owned();
        let wait = self.bar(Kind::Wait, (at, OPEN), name.clone());
        self.lasts(who, Bar { key: lock, ..wait });
        self.says(at, format!("w{who} asks for {name}"));
    }

    fn told(&mut self, at: u64, who: usize, lock: u64, what: &Told) {
        let name = self.name_of_lock(who, lock);
        let words = match what {
            Told::Granted { token, until, .. } => {
                self.end_bars(who, lock, at);
                self.believes(at, (who, lock), &name, (*token, *until))
            }
            Told::Renewed { until } => {
                self.belief(who, lock).into_iter().for_each(|bar| bar.to = *until);
                format!("has {name} until {}", super::clock(*until))
            }
            Told::Ended(how) => {
                self.end_bars(who, lock, at);
                format!("is told of {name}: {how}")
            }
            Told::Other(how) => format!("is told of {name}: {how}"),
        };
        self.says(at, format!("w{who} {words}"));
    }

    /// Answers what there is to say.
    fn believes(
        &mut self,
        at: u64,
        (who, lock): (usize, u64),
        name: &str,
        (token, until): (i64, u64),
    ) -> String {
        let belief = self.bar(Kind::Belief, (at, until), name.into());
        self.lasts(who, Bar { key: lock, token: Some(token), ..belief });
        format!("has {name}, token {token}, until {}", super::clock(until))
    }

    fn works(&mut self, at: u64, (who, work): (usize, u64), name: usize, token: i64) {
        let words = format!("works on {} under token {token}", self.row(name));
        let bar = self.bar(Kind::Work, (at, OPEN), words.clone());
        self.lasts(who, Bar { key: work, token: Some(token), ..bar });
        self.says(at, format!("w{who} {words}"));
    }

    fn applied(&mut self, at: u64, flight: usize, late: bool, wrote: &[Written]) {
        let Some(trip) = self.trips.get_mut(&flight) else { return };
        trip.applied.push((at, late));
        let (who, gist) = (trip.who, trip.gist.clone());
        let when = if late { ", late," } else { "" };
        let outcome = self.outcome(wrote);
        self.written(at, wrote, &format!("w{who}"));
        self.says(at, format!("{} of w{who}{when} runs: {outcome}", self.gist(&gist)));
    }

    fn hears(&mut self, at: u64, flight: usize) {
        let Some(trip) = self.trips.get_mut(&flight) else { return };
        trip.heard = Some(at);
        let (who, gist) = (trip.who, trip.gist.clone());
        self.says(at, format!("w{who} hears of {}", self.gist(&gist)));
    }

    /// A row shows another holder, or the same one still.
    fn written(&mut self, at: u64, wrote: &[Written], by: &str) {
        for one in wrote {
            let (token, held) = (one.token(), one.is_held());
            let stands = self.bar(Kind::Held, (at, OPEN), by.into());
            let step = self.steps.len();
            let Some(lane) = self.rows.get_mut(one.name) else { continue };
            let current = lane.bars.iter_mut().rev().find(|bar| bar.kind == Kind::Held);
            let current = current.filter(|bar| bar.to == OPEN);
            let same = current.as_ref().is_some_and(|bar| bar.token == token && bar.words == by);
            if same && held {
                continue;
            }
            current.into_iter().for_each(|bar| bar.close(at, step));
            if held {
                lane.bars.push(Bar { token, ..stands });
            }
        }
    }

    /// The way there and the way back.
    fn arrows(&self, trip: &Trip) -> Vec<Arrow> {
        let home = |at| (trip.who, at);
        let words = self.gist(&trip.gist);
        let mut arrows = Vec::new();
        for row in trip.gist.names.iter().map(|name| self.count + name) {
            let mut arrow = |from, to, fate| {
                arrows.push(Arrow { from, to, fate, words: words.clone() });
            };
            for (at, late) in &trip.applied {
                let fate = if *late { Fate::Late } else { Fate::Arrived };
                arrow(home(trip.sent), (row, *at), fate);
            }
            match (trip.applied.last(), trip.heard) {
                (Some((at, _)), Some(heard)) => arrow((row, *at), home(heard), Fate::Arrived),
                (Some((at, _)), None) => arrow((row, *at), home(*at), Fate::Lost),
                (None, Some(heard)) => {
                    let middle = trip.sent.midpoint(heard);
                    arrow(home(trip.sent), (row, middle), Fate::Arrived);
                    arrow((row, middle), home(heard), Fate::Arrived);
                }
                (None, None) => arrow(home(trip.sent), (row, trip.sent), Fate::Lost),
            }
        }
        arrows
    }

    fn belief(&mut self, who: usize, lock: u64) -> Option<&mut Bar> {
        let bars = &mut self.processes.get_mut(who)?.bars;
        bars.iter_mut().find(|bar| bar.kind == Kind::Belief && bar.key == lock)
    }

    /// Whatever lasts for this lock is over, if it was not before.
    fn end_bars(&mut self, who: usize, lock: u64, at: u64) {
        self.close(who, at, |bar| bar.is_of(lock));
    }

    fn close(&mut self, who: usize, at: u64, which: impl Fn(&Bar) -> bool) {
        let step = self.steps.len();
        let bars = self.processes.get_mut(who).map_or(&mut [][..], |lane| &mut lane.bars);
        bars.iter_mut().filter(|bar| which(bar)).for_each(|bar| bar.close(at, step));
    }

    fn lasts(&mut self, who: usize, bar: Bar) {
        if let Some(lane) = self.processes.get_mut(who) {
            lane.bars.push(bar);
        }
    }

    fn name_of_lock(&self, who: usize, lock: u64) -> String {
        let bars = self.processes.get(who).map_or(&[][..], |lane| &lane.bars);
        bars.iter().find(|bar| bar.is_of(lock)).map_or_else(String::new, |bar| bar.words.clone())
    }

    fn row(&self, name: usize) -> &str {
        self.chronicle.names.get(name).map_or("", LockName::as_str)
    }

    fn gist(&self, gist: &Gist) -> String {
        let names: Vec<_> = gist.names.iter().map(|name| self.row(*name)).collect();
        format!("{} {}", gist.verb, names.join(", ")).trim_end().into()
    }

    fn outcome(&self, wrote: &[Written]) -> String {
        let one = |written: &Written| {
            let row = self.row(written.name);
            match written.token().filter(|_| written.is_held()) {
                Some(token) => format!("{row} held, token {token}"),
                None if written.is_held() => format!("{row} held"),
                None => format!("{row} free"),
            }
        };
        let all: Vec<_> = wrote.iter().map(one).collect();
        if all.is_empty() { "writes nothing".into() } else { all.join("; ") }
    }

    /// A bar that begins with the next step.
    const fn bar(&self, kind: Kind, (from, to): (u64, u64), words: String) -> Bar {
        Bar { kind, key: 0, from, to, words, token: None, steps: (self.steps.len(), usize::MAX) }
    }

    fn says(&mut self, at: u64, words: String) {
        self.steps.push(Step { at, words });
    }
}

fn lane(short: &str, label: String, from: u64) -> Lane {
    Lane { short: short.into(), label, from, to: OPEN, crashed: false, bars: Vec::new() }
}

impl Bar {
    /// Whether somebody waits for this lock in it, or believes to have it.
    fn is_of(&self, lock: u64) -> bool {
        matches!(self.kind, Kind::Wait | Kind::Belief) && self.key == lock
    }

    /// It lasts no longer than until now.
    fn close(&mut self, at: u64, step: usize) {
        if at < self.to {
            self.to = at;
            self.steps.1 = step;
        }
    }
}
