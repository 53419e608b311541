//! The guard: a small process of its own that leads the command's process group and ends it in time,
//! also when the holder of the lock is killed, stopped or starved. It knows one deadline, and no lock.
//!
//! It is told by lines on its standard input, `until NANOS`, `command ID START` and `over`, and tells by lines
//! on its standard output, `ready` and `stopping`. The end of its input means that the holder is gone. Being the
//! leader keeps the group's number from being used again, so it can hit nobody else.

use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::getpgrp;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::clock;
use super::reach::{self, Known};
use super::signals;
use crate::args::Guard;
use crate::exit::Failure;
use crate::say::{self, Saying};
use crate::words;

/// Longest sleep between looks at the clock: timers stand still while the machine is suspended.
const SLICE: Duration = Duration::from_millis(250);

/// What the guard is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The lock is held until the clock reads this.
    Until(u64),
    /// This is the command, wherever it goes.
    Command(Known),
    /// The command has ended.
    Over,
}

impl Word {
    pub(super) fn line(self) -> String {
        match self {
            Self::Until(nanos) => format!("until {nanos}\n"),
            Self::Command(known) => format!("command {}\n", known.text()),
            Self::Over => "over\n".into(),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ') {
            Some(("until", nanos)) => nanos.parse().ok().map(Self::Until),
            Some(("command", known)) => Known::parse(known).map(Self::Command),
            None if line == "over" => Some(Self::Over),
            Some(_) | None => None,
        }
    }
}

/// What the guard says.
pub(super) const READY: &str = "ready";
pub(super) const STOPPING: &str = "stopping";

/// When the group gets what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// TERM, then KILL, unless the lock is renewed.
    Waiting { term: u64, kill: u64 },
    /// KILL. There is no way back: the command may have begun to stop.
    Stopping { kill: u64 },
}

impl Plan {
    const fn due(self) -> u64 {
        match self {
            Self::Waiting { term, .. } => term,
            Self::Stopping { kill } => kill,
        }
    }

    fn rest(self) -> Duration {
        Duration::from_nanos(self.due().saturating_sub(clock::now()))
    }

    fn renewed(self, until: u64, guard: &Guard) -> Self {
        let before = |span: Duration| until.saturating_sub(clock::nanos(span));
        match self {
            Self::Waiting { .. } => {
                Self::Waiting { term: before(guard.grace), kill: before(guard.margin) }
            }
            Self::Stopping { kill } => Self::Stopping { kill },
        }
    }

    fn orphaned(self, now: u64, guard: &Guard) -> Self {
        if guard.at_once {
            return Self::Stopping { kill: now };
        }
        match self {
            Self::Waiting { term, kill } => Self::Waiting { term: term.min(now), kill },
            Self::Stopping { kill } => Self::Stopping { kill },
        }
    }

    /// Sends what is due; nothing can hold this up or make it fail. The guard itself hears TERM, but does not
    /// survive KILL.
    fn carry_out(self, command: Option<Known>) -> Self {
        let (signal, kill) = match self {
            Self::Waiting { kill, .. } => (Signal::SIGTERM, kill),
            Self::Stopping { kill } => (Signal::SIGKILL, kill),
        };
        send(signal, command);
        // What is stopped hears nothing but this.
        send(Signal::SIGCONT, command);
        Self::Stopping { kill }
    }
}

fn send(signal: Signal, command: Option<Known>) {
    reach::send(signal, getpgrp(), command.and_then(Known::alive));
}

/// Says that the command is being stopped: to the holder, who always listens or is gone, and to people.
fn tell(guard: &Guard, plan: Plan) -> Saying {
    let left = words::span(plan.rest());
    let name = words::printable(&guard.name);
    let _nobody_listens = say::answer(STOPPING).is_err();
    say::begin(&format!("cannot keep {name}: TERM to the command, KILL in {left}"))
}

/// The guard's whole life, unless it ends with its group.
pub(crate) async fn stand(guard: &Guard) -> Result<u8, Failure> {
    // What ends the command must not end its guard.
    let _unheard = signals::catch(&signals::DEADLY)?;
    let mut holder = BufReader::new(tokio::io::stdin()).lines();
    say::answer(READY)?;
    let Some(Word::Until(until)) = hear(&mut holder).await else { return Ok(0) };
    let mut plan = Plan::Waiting { term: 0, kill: 0 }.renewed(until, guard);
    let mut command = None;
    let mut saying = None;
    let mut orphaned = false;
    loop {
        let rest = plan.rest();
        if rest.is_zero() {
            plan = plan.carry_out(command);
            saying.get_or_insert_with(|| tell(guard, plan));
        }
        tokio::select! {
            word = hear(&mut holder), if !orphaned => match word {
                Some(Word::Until(until)) => plan = plan.renewed(until, guard),
                Some(Word::Command(known)) => command = Some(known),
                Some(Word::Over) => return over(plan, saying),
                None => {
                    orphaned = true;
                    plan = plan.orphaned(clock::now(), guard);
                }
            },
            () = tokio::time::sleep(rest.min(SLICE)) => {}
        }
    }
}

/// The command has ended. If it was being stopped, whatever it left behind ends, too, and the guard with it.
/// Words may still come out until KILL is due in any case.
fn over(plan: Plan, stopping: Option<Saying>) -> Result<u8, Failure> {
    if let Some(saying) = stopping {
        saying.wait(plan.rest().min(say::PATIENCE));
        send(Signal::SIGKILL, None);
    }
    Ok(0)
}

/// Nothing when the holder is gone, or talks nonsense.
async fn hear(holder: &mut Lines<BufReader<Stdin>>) -> Option<Word> {
    holder.next_line().await.ok().flatten().as_deref().and_then(Word::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn guard() -> Guard {
        let (grace, margin) = (Duration::from_secs(5), Duration::from_secs(1));
        Guard { name: "x".into(), grace, margin, at_once: false }
    }

    #[test]
    fn words_come_through() {
        let known = Known::parse("1 2").unwrap();
        for word in [Word::Until(7), Word::Command(known), Word::Over] {
            assert_eq!(Word::parse(word.line().trim_end()), Some(word));
        }
        assert_eq!(Word::parse("until"), None);
    }

    #[test]
    fn a_renewal_puts_both_signals_off() {
        let plan = Plan::Waiting { term: 0, kill: 0 }.renewed(20 * SECOND, &guard());
        assert_eq!(plan, Plan::Waiting { term: 15 * SECOND, kill: 19 * SECOND });
    }

    #[test]
    fn once_the_command_is_stopping_nothing_puts_it_off() {
        let plan = Plan::Stopping { kill: 19 * SECOND };
        assert_eq!(plan.renewed(40 * SECOND, &guard()), plan);
        assert_eq!(plan.orphaned(0, &guard()), plan);
    }

    #[test]
    fn without_its_holder_it_stops_at_once() {
        let plan = Plan::Waiting { term: 15 * SECOND, kill: 19 * SECOND };
        let orphaned = plan.orphaned(SECOND, &guard());
        assert_eq!(orphaned, Plan::Waiting { term: SECOND, kill: 19 * SECOND });
        let at_once = Guard { at_once: true, ..guard() };
        assert_eq!(plan.orphaned(SECOND, &at_once), Plan::Stopping { kill: SECOND });
    }
}
