//! What happens to processes and server without anybody's doing, by chance and again and again.

use crate::chronicle::Fact;

use super::fault::Fault;
use super::process::Role;
use super::scene::{Happening, Scene};

#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Weather {
    Pause { seat: usize },
    Spurious { seat: usize },
    RateChange { seat: usize },
    Crash { seat: usize },
    ServerCrash,
    LockRow,
}

impl Scene {
    pub(super) fn forecast(&mut self) {
        for seat in 0..self.seats.len() {
            if self.seats[seat].role != Role::Last {
                self.again(Weather::Pause { seat });
                self.again(Weather::Spurious { seat });
                self.again(Weather::RateChange { seat });
                self.again(Weather::Crash { seat });
            }
        }
        self.again(Weather::ServerCrash);
        self.again(Weather::LockRow);
    }

    /// Plans something for about its gap from now.
    fn again(&mut self, weather: Weather) {
        let gap = self.gap(weather);
        if let Some(after) = self.tape.again(gap) {
            self.queue.plan(self.now + after, Happening::Weather(weather));
        }
    }

    const fn gap(&self, weather: Weather) -> u64 {
        let gap = &self.faults.gap;
        match weather {
            Weather::Pause { .. } => gap.pause,
            Weather::Spurious { .. } => gap.spurious_poll,
            Weather::RateChange { .. } => gap.rate_change,
            Weather::Crash { .. } => gap.crash,
            Weather::ServerCrash => gap.server_crash,
            Weather::LockRow => gap.row_locked,
        }
    }

    pub(super) fn change_weather(&mut self, weather: Weather) {
        if self.healed {
            return;
        }
        self.again(weather);
        match weather {
            Weather::ServerCrash => self.crash_server(),
            Weather::LockRow => self.lock_row(),
            Weather::Pause { seat }
            | Weather::Spurious { seat }
            | Weather::RateChange { seat }
            | Weather::Crash { seat } => {
                if let Some(who) = self.seats[seat].who {
                    self.befall(who, seat, weather);
                }
            }
        }
    }

    fn befall(&mut self, who: usize, seat: usize, weather: Weather) {
        match weather {
            Weather::Pause { .. } => {
                self.meet(Fault::StoodStill);
                let span = self.tape.below(self.faults.pause + 1);
                self.stand_still(who, span);
            }
            Weather::Spurious { .. } => {
                self.meet(Fault::WokenForNothing);
                self.timers.rouse(who);
            }
            Weather::RateChange { .. } => self.change_rate(who),
            Weather::Crash { .. } => {
                self.crash(who);
                let lease = self.settings.lease;
                let after = self.tape.log_uniform(lease / 64, lease * 4);
                self.queue.plan(self.now + after, Happening::Starts { seat });
            }
            Weather::ServerCrash | Weather::LockRow => {}
        }
    }

    fn lock_row(&mut self) {
        if self.names.is_empty() {
            return;
        }
        let which = self.tape.index(self.names.len());
        let Some(name) = self.names.get(which).cloned() else { return };
        let lease = self.settings.lease;
        let span = self.tape.log_uniform(lease / 64, lease * 4);
        self.trace
            .note(self.now, (&name, span), || format!("a stranger locks row {name} for {span}"));
        let until = self.now + span;
        self.trace.keep(self.now, || Fact::RowLocked { name: which, until });
        self.server.lock_row(&name);
        self.queue.plan(until, Happening::UnlockRow { name });
    }
}
