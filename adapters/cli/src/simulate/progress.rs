//! Says how far it is while somebody watches: on a terminal, in one line.

use std::time::{Duration, Instant};

use super::tally::Tally;
use crate::say::{self, Status};

/// How often the line is written at most.
const TICK: Duration = Duration::from_millis(200);

/// How many characters the bar has.
const WIDTH: u64 = 16;

pub(super) struct Progress {
    histories: u64,
    begun: Instant,
    shown: Instant,
    status: Option<Status>,
}

impl Progress {
    pub(super) fn start(histories: u64) -> Self {
        let now = Instant::now();
        let status = say::is_watched().then(Status::default);
        let mut progress = Self { histories, begun: now, shown: now, status };
        progress.write(&Tally::default());
        progress
    }

    /// Unless the line has just been written.
    pub(super) fn show(&mut self, tally: &Tally) {
        if self.shown.elapsed() >= TICK {
            self.write(tally);
        }
    }

    /// How long it took; the line goes.
    pub(super) fn end(self) -> Duration {
        self.begun.elapsed()
    }

    fn write(&mut self, tally: &Tally) {
        if let Some(status) = &mut self.status {
            status.show(&line(tally, self.histories, self.begun.elapsed()));
        }
        self.shown = Instant::now();
    }
}

fn line(tally: &Tally, histories: u64, took: Duration) -> String {
    let done = tally.histories;
    let full = u128::from(done) * u128::from(WIDTH) / u128::from(histories.max(1));
    let bar: String = (0..u128::from(WIDTH)).map(|at| if at < full { '█' } else { '·' }).collect();
    format!("{bar}  {done} of {histories} histories, {}", tally.pace(took))
}

/// Says what is being done as long as it is.
pub(super) fn meanwhile<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let mut status = say::is_watched().then(Status::default);
    if let Some(status) = &mut status {
        status.show(what);
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows() {
        let bar = |done| {
            let tally = Tally { histories: done, events: done, ..Tally::default() };
            line(&tally, 8, Duration::from_secs(60))
        };
        assert_eq!(bar(0), "················  0 of 8 histories, 0 a minute, 0 events each");
        assert_eq!(bar(4), "████████········  4 of 8 histories, 4 a minute, 1 events each");
        assert_eq!(bar(8), "████████████████  8 of 8 histories, 8 a minute, 1 events each");
    }
}
