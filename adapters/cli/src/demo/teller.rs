//! Tells the story: what happened, and when since the start.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use clap::builder::styling::{AnsiColor, Style};

use super::WORKERS;
use super::bound::Bounds;
use super::crew::Grant;
use crate::{say, words};

const COLOURS: [AnsiColor; 3] = [AnsiColor::Cyan, AnsiColor::Yellow, AnsiColor::Green];

pub(super) struct Teller {
    start: Instant,
    colours: bool,
}

impl Teller {
    pub(super) fn start() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { start: Instant::now(), colours: std::io::stdout().is_terminal() && !plain }
    }

    /// A worker's name, in its colour.
    pub(super) fn name(&self, worker: usize) -> String {
        let name = WORKERS.get(worker).copied().unwrap_or("somebody");
        match COLOURS.get(worker) {
            Some(colour) if self.colours => {
                let style = Style::new().bold().fg_color(Some((*colour).into()));
                format!("{style}{name}{style:#}")
            }
            Some(_) | None => name.into(),
        }
    }

    pub(super) fn tell(&self, what: &str) {
        put(&format!("{:7.2} s  {what}", self.start.elapsed().as_secs_f64()));
    }

    pub(super) fn sum_up(
        &self,
        grants: &[&Grant],
        bounds: &Bounds,
        handed_over: Duration,
        taken_over: Duration,
    ) {
        let tokens: Vec<_> = grants.iter().map(|grant| grant.token.to_string()).collect();
        put("");
        put(&measured("Handed over after the release in", handed_over, bounds.hand_over));
        put(&measured("Taken over after the kill in", taken_over, bounds.take_over));
        put(&format!(
            "The bounds count two round trips to this server, {:.1} ms each.",
            bounds.round_trip.as_secs_f64() * 1e3
        ));
        put(&format!("Fencing tokens of the four grants: {}.", tokens.join(" < ")));
    }
}

fn measured(what: &str, span: Duration, bound: Duration) -> String {
    let verdict = if span <= bound { "as promised" } else { "late: is this machine very busy?" };
    let (span, bound) = (words::seconds(span), words::seconds(bound));
    format!("{what:34}{span}; the bound is {bound}: {verdict}.")
}

/// Nobody may be there to read.
fn put(line: &str) {
    let _unheard = say::answer(line).is_err();
}
