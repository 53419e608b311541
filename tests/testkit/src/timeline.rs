//! What happened in a history that broke a rule, as a picture: a lane for each incarnation of a process and for
//! each row, with bars for what lasts and arrows for what travels. Knows no colours and no widths.

mod build;
mod scale;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use crate::chronicle::Chronicle;
use crate::oracle::Broken;

/// A history as a picture, [as text](Timeline::text) or [as SVG](Timeline::svg).
#[derive(Clone, Debug)]
pub struct Timeline {
    lanes: Vec<Lane>,
    arrows: Vec<Arrow>,
    steps: Vec<Step>,
    broken: Broken,
    /// When the rule was broken.
    broken_at: u64,
    /// What is shown ends here: beliefs may outlast the history.
    end: u64,
}

/// A process, from its start to its crash, or a row.
#[derive(Clone, Debug)]
struct Lane {
    short: String,
    label: String,
    from: u64,
    to: u64,
    crashed: bool,
    bars: Vec<Bar>,
}

/// Something that lasts.
#[derive(Clone, Debug)]
struct Bar {
    kind: Kind,
    /// Which lock or work of its process, or 0.
    key: u64,
    from: u64,
    to: u64,
    words: String,
    token: Option<i64>,
    /// The steps during which it lasts: of those at one moment, some are before it and some after.
    steps: (usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Somebody has asked and not been answered.
    Wait,
    /// A lock is believed to be held.
    Belief,
    /// A program does what a lock is for.
    Work,
    /// The row shows a holder.
    Held,
    /// A process stands still, or a stranger has locked the row.
    Still,
}

/// Something that travels.
#[derive(Clone, Debug)]
struct Arrow {
    from: (usize, u64),
    to: (usize, u64),
    fate: Fate,
    words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrived,
    /// Applied after its sender had closed the connection or crashed.
    Late,
    /// Lost, or still on its way when the history ended.
    Lost,
}

/// Something that happened, in words.
#[derive(Clone, Debug)]
struct Step {
    at: u64,
    words: String,
}

impl Timeline {
    pub(crate) fn draw(chronicle: &Chronicle, broken: &Broken) -> Self {
        build::Builder::new(chronicle).finish(broken)
    }

    /// For terminals: a line for each thing that happened, a column for each lane.
    #[must_use]
    pub fn text(&self) -> String {
        text::write(self)
    }

    /// For browsers: one file that needs nothing else.
    #[must_use]
    pub fn svg(&self) -> String {
        svg::write(self)
    }
}

impl Bar {
    /// Whether it is there at a moment, when so many steps have been told.
    const fn covers(&self, at: u64, step: usize) -> bool {
        let (first, end) = self.steps;
        let closed_now = at == self.to && end != usize::MAX;
        self.from <= at && (at < self.to || closed_now) && first <= step && step < end
    }
}

/// Nanoseconds as people read them.
fn clock(at: u64) -> String {
    format!("{}.{:06} ms", at / 1_000_000, at % 1_000_000)
}
