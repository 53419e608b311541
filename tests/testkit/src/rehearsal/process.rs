//! The processes: each is one incarnation of a program, with a clock of its own, and may stand still or die.

use std::task::Waker;

use pglock_core::Instant;

use crate::chronicle::Fact;
use crate::clock::{self, Clock, Style};

use super::fault::Fault;
use super::scene::{Errand, Happening, Scene};

#[derive(Debug)]
pub(super) struct Process {
    pub(super) seat: usize,
    pub(super) clock: Clock,
    pub(super) alive: bool,
    paused_until: u64,
    last_reading: Instant,
}

/// Where a program is played.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) role: Role,
    /// Its process, if it has one now.
    pub(super) who: Option<usize>,
    pub(super) done: bool,
    /// What it ended with last.
    pub(super) last_words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Must come to its end once all is well.
    Client,
    /// Goes on until all others have come to their end.
    Service,
    /// Comes when all others are gone, and asks for every lock.
    Last,
}

impl Seat {
    pub(super) const fn new(role: Role) -> Self {
        Self { role, who: None, done: false, last_words: String::new() }
    }
}

impl Process {
    pub(super) const fn is_awake(&self, now: u64) -> bool {
        self.alive && self.paused_until <= now
    }
}

impl Scene {
    /// A process is born. Answers who it is.
    pub(super) fn born(&mut self, seat: usize) -> usize {
        let who = self.processes.len();
        let lease = self.settings.lease;
        let offset = match self.tape.below(3) {
            0 => 0,
            1 => self.tape.below(lease * 4),
            _ => self.tape.below(u64::MAX / 2),
        };
        let style = self.tape.pick(&[Style::Fine, Style::Steps, Style::Jitter]);
        let rate = self.draw_rate();
        let clock = Clock::new(self.now, offset, rate, self.settings.granularity, style);
        self.trace.note(self.now, (who, seat, offset, rate), || {
            format!("w{who} starts as client {seat}")
        });
        self.trace.keep(self.now, || Fact::Starts { who, client: seat });
        self.seats[seat].who = Some(who);
        let last_reading = Instant::default();
        self.processes.push(Process { seat, clock, alive: true, paused_until: 0, last_reading });
        who
    }

    /// A process is gone, with all that it believed in.
    pub(super) fn gone(&mut self, who: usize) {
        self.processes[who].alive = false;
        self.seats[self.processes[who].seat].who = None;
        self.rules.died(who, self.now);
        self.errands.push(Errand::End { who });
    }

    pub(super) fn crash(&mut self, who: usize) {
        self.meet(Fault::Crashed);
        self.trace.note(self.now, who, || format!("w{who} crashes"));
        self.trace.keep(self.now, || Fact::Crashes { who });
        self.gone(who);
    }

    pub(super) fn stand_still(&mut self, who: usize, span: u64) {
        let process = &mut self.processes[who];
        process.paused_until = process.paused_until.max(self.now.saturating_add(span));
        let until = process.paused_until;
        self.trace.note(self.now, (who, span), || format!("w{who} stands still until {until}"));
        self.trace.keep(self.now, || Fact::StandsStill { who, until });
        self.queue.plan(until, Happening::Resumes);
    }

    pub(super) fn rouse_all(&mut self) {
        for process in &mut self.processes {
            process.paused_until = process.paused_until.min(self.now);
        }
    }

    pub(super) fn is_alive(&self, who: usize) -> bool {
        self.processes[who].alive
    }

    /// Never runs backwards.
    pub(super) fn read_clock(&mut self, who: usize) -> Instant {
        let process = &mut self.processes[who];
        let late = if process.clock.jitters() { self.tape.below(5) } else { 0 };
        process.last_reading = process.last_reading.max(process.clock.read(self.now, late));
        process.last_reading
    }

    pub(super) fn change_rate(&mut self, who: usize) {
        self.meet(Fault::RateChanged);
        let rate = self.draw_rate();
        let clock = &mut self.processes[who].clock;
        clock.set_rate(self.now, rate);
        self.rules.clock_changed(who, clock, &mut self.trace, self.now);
        self.trace.note(self.now, (who, rate), || format!("w{who} has another rate"));
        self.timers.rouse(who);
    }

    fn draw_rate(&mut self) -> u64 {
        let fast = self.tape.below(2) == 1;
        let most = self.settings.ppm;
        let ppm = match self.tape.below(3) {
            0 => 0,
            1 => most,
            _ => self.tape.below(most + 1),
        };
        clock::rate(fast, ppm)
    }

    /// Wakes when the clock of `who` shows `moment`, or cannot show less.
    pub(super) fn set_timer(
        &mut self,
        who: usize,
        moment: Instant,
        waker: &Waker,
        old: Option<u64>,
    ) -> u64 {
        let clock = &self.processes[who].clock;
        let first = clock.reaches(moment, self.now);
        let due =
            if first > self.now { first } else { clock.surely_reaches(moment).max(self.now + 1) };
        let (number, new) = self.timers.set(who, due, waker, old);
        if new {
            self.queue.plan(due, Happening::Fires { timer: number });
        }
        number
    }
}
