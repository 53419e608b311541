//! What may go wrong in one history and how badly: drawn once, at its beginning.
//!
//! Each class of faults is off with probability one half, so that histories differ in kind and not only
//! in detail; strengths are log-uniform. All spans are in nanoseconds of true time.

use std::time::Duration;

use pglock_core::{Config, Drift, Heartbeat};

use crate::account::Bounds;
use crate::clock;
use crate::tape::{Ppm, Tape};

const MILLISECOND: u64 = 1_000_000;

/// The tick of a coarse clock.
const COARSE: u64 = 15_625_000;

/// What kind of world a history plays in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// Anything may go wrong.
    #[default]
    Storm,
    /// Messages are quick and nobody crashes: no lock may be lost or at risk, but for those of two names:
    /// strangers lock the row of the first, and the last may be spoilt so that no statement succeeds that renews it.
    Calm,
    /// Messages take no time and clocks run as wrong as they may: deadlines are met to the
    /// nanosecond, and renewals are lost.
    Edge,
    /// A little of everything, and the server fails over, or crashes, and forgets its last commits. Nothing
    /// protects clients from that yet: rules are broken, so that no seed leads here by itself.
    FailOver,
}

impl Scenario {
    /// All that keep every rule.
    pub const ALL: [Self; 3] = [Self::Storm, Self::Calm, Self::Edge];
}

/// What is fixed beforehand; everything else is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Options {
    /// How many clients there are.
    pub clients: Option<usize>,
    /// What kind of world a seed leads to. Whoever brings a tape names it anyway.
    pub scenario: Option<Scenario>,
}

impl Options {
    /// So many clients.
    #[must_use]
    pub const fn with_clients(self, clients: usize) -> Self {
        Self { clients: Some(clients), ..self }
    }

    /// This kind of world, whatever the seed.
    #[must_use]
    pub const fn with_scenario(self, scenario: Scenario) -> Self {
        Self { scenario: Some(scenario), ..self }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) clients: usize,
    pub(crate) names: usize,
    /// How many acquires each client has under way or held at once.
    pub(crate) users: usize,
    pub(crate) lease: u64,
    pub(crate) ppm: u64,
    pub(crate) granularity: u64,
    pub(crate) config: Config,
    pub(crate) one_seed: bool,
    pub(crate) mixed_leases: bool,
    pub(crate) near_end_of_clock: Ppm,
    /// Clocks run as wrong as `ppm` though clients count on less: beliefs may overlap, nothing else may break.
    pub(crate) breach: bool,
    pub(crate) faulty_for: u64,
    pub(crate) faults: Faults,
}

/// The faults; those of the healed phase are all zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) usual_delay: u64,
    pub(crate) slow: Ppm,
    pub(crate) slow_delay: u64,
    pub(crate) reset_before: Ppm,
    pub(crate) reset_after: Ppm,
    pub(crate) request_lost: Ppm,
    pub(crate) reply_lost: Ppm,
    pub(crate) late_reply: Ppm,
    pub(crate) twice: Ppm,
    /// Notifications that are lost or come twice.
    pub(crate) notice_lost: Ppm,
    pub(crate) connect_refused: Ppm,
    pub(crate) connect_hangs: Ppm,
    pub(crate) standby: Ppm,
    pub(crate) errors: Ppm,
    pub(crate) stall: Ppm,
    pub(crate) pause_before_sending: Ppm,
    pub(crate) pause_after_reading: Ppm,
    pub(crate) pause: u64,
    /// How much of what was committed last is lost at most.
    pub(crate) lost_tail: u64,
    pub(crate) gap: Gaps,
    pub(crate) spoilt_row: bool,
}

/// About how long it takes until something happens (again); never if zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gaps {
    pub(crate) pause: u64,
    pub(crate) spurious_poll: u64,
    pub(crate) rate_change: u64,
    pub(crate) crash: u64,
    pub(crate) clog: u64,
    pub(crate) server_crash: u64,
    pub(crate) fail_over: u64,
    pub(crate) row_locked: u64,
    pub(crate) table_locked: u64,
    pub(crate) meddling: u64,
    pub(crate) foreign: u64,
}

impl Plan {
    pub(crate) fn draw(scenario: Scenario, tape: &mut Tape) -> Self {
        let lease_ms = tape.log_uniform(50, 60_000);
        let lease = lease_ms * MILLISECOND;
        let bound = tape.pick(&[0, 100, 10_000, 100_000, 250_000]);
        let granularity = tape.pick(&[1, 1_000, MILLISECOND, COARSE]);
        let granularity = if granularity > lease / 64 { MILLISECOND } else { granularity };
        let config = config(lease_ms, bound, granularity, tape);
        let breach = scenario == Scenario::Storm && tape.below(16) == 15;
        let ppm = if breach { 600_000 } else { bound };
        let calm = scenario == Scenario::Calm;
        Self {
            scenario,
            clients: 2 + tape.pick(&[0, 0, 0, 1, 2, 6]),
            names: 1 + if calm { 1 + tape.index(3) } else { tape.index(4) },
            users: 1 + tape.index(if calm { 5 } else { 3 }),
            lease,
            ppm,
            granularity,
            config,
            one_seed: tape.below(2) == 1,
            mixed_leases: tape.below(2) == 1,
            breach,
            near_end_of_clock: if calm { Ppm(0) } else { tape.class(50_000, 200_000) },
            faulty_for: lease * (1 + tape.below(4)),
            faults: match scenario {
                Scenario::Storm => Faults::storm(lease, tape),
                Scenario::Calm => Faults::calm(lease, tape),
                Scenario::Edge => Faults::edge(lease, tape),
                Scenario::FailOver => Faults::fail_over(lease, tape),
            },
        }
    }

    /// What a judge must know.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            ppm: self.ppm,
            granularity: self.granularity,
            foreign_lease: nanos(self.config.foreign.lease),
            foreign_heartbeat: nanos(self.config.foreign.heartbeat),
            hand_over: self.hand_over(),
            breached: self.breach,
        }
    }

    /// The rate of a clock, within the bound.
    pub(crate) fn rate(&self, tape: &mut Tape) -> u64 {
        let fast = tape.below(2) == 1;
        let ppm = match tape.below(if self.scenario == Scenario::Edge { 2 } else { 4 }) {
            0 => 0,
            1 | 2 => self.ppm,
            _ => tape.below(self.ppm + 1),
        };
        clock::rate(fast, ppm)
    }

    /// The longest time a row may have to be watched before it is taken over, at true time.
    pub(crate) fn longest_watch(&self) -> u64 {
        let longest = self.config.longest_lease + self.config.foreign.heartbeat * 2;
        self.slowest(nanos(longest) + self.granularity)
    }

    /// How long a client pauses at most after something went wrong.
    pub(crate) fn longest_pause(&self) -> u64 {
        self.slowest(nanos(self.config.backoff.longest) + self.granularity)
    }

    /// How long it takes at most, once all is well, until a row that nobody writes any more is taken over:
    /// a poll until it is seen, its lease, and the round trips on the way there.
    ///
    /// A look, or lining up after it, may be under way when the row is written, and when its lease has passed. Before the
    /// next look, and the take-over, each other name may have a statement on the one session.
    pub(crate) fn latest_take_over(&self, lease: u64) -> u64 {
        self.latest_hand_over() + self.slowest(lease + self.granularity)
    }

    /// How long it takes at most, once all is well, until somebody has a free row who waits for it.
    pub(crate) fn latest_hand_over(&self) -> u64 {
        let seen = self.slowest(nanos(self.config.poll) + self.granularity);
        let round_trips = (4 + 2 * self.names as u64) * 2;
        seen + self.round_trip() * round_trips + self.granularity * 4
    }

    /// How long a lock that was handed over is kept for whoever it is for.
    pub(crate) fn hand_over(&self) -> u64 {
        nanos(self.config.poll.min(self.config.patience / 2) * 2)
    }

    /// Whether no reply is overdue once all is well, however short the lease it is about.
    pub(crate) fn replies_in_time(&self) -> bool {
        let shortest = if self.mixed_leases { self.config.lease / 4 } else { self.config.lease };
        let deadline = nanos(self.config.reply_deadline.min(shortest / 4));
        self.round_trip() + self.granularity * 4 < self.fastest(deadline)
    }

    const fn round_trip(&self) -> u64 {
        self.faults.usual_delay * 2
    }

    /// A lease that a user may ask for.
    pub(crate) fn other_lease(&self, tape: &mut Tape) -> Duration {
        self.config.lease * tape.pick(&[4, 2, 8, 1, 16]) / 4
    }

    /// The longest that a user asks for.
    pub(crate) fn longest_lease(&self) -> Duration {
        if self.mixed_leases { self.config.lease * 4 } else { self.config.lease }
    }

    /// How long a span lasts at most that is counted on a client's clock.
    pub(crate) fn slowest(&self, span: u64) -> u64 {
        let span = u128::from(span) * 1_000_000 / u128::from(1_000_000 - self.ppm);
        u64::try_from(span).unwrap_or(u64::MAX) + 1
    }

    /// How long a span lasts at least that is counted on a client's clock: what a challenger has
    /// waited and a holder may have trusted.
    pub(crate) fn fastest(&self, span: u64) -> u64 {
        clock::fastest(span, self.ppm, self.granularity)
    }
}

impl Faults {
    pub(crate) fn storm(lease: u64, tape: &mut Tape) -> Self {
        let often = |tape: &mut Tape| tape.class(3_000, 300_000);
        let span = |tape: &mut Tape, high: u64| tape.log_uniform(lease / 16, high);
        let gap = |tape: &mut Tape, low: u64, high: u64| {
            if tape.below(2) == 0 { 0 } else { tape.log_uniform(low, high) }
        };
        Self {
            usual_delay: tape.log_uniform(lease / 4_096, lease / 32),
            slow: often(tape),
            slow_delay: span(tape, lease * 4),
            reset_before: often(tape),
            reset_after: often(tape),
            request_lost: tape.class(3_000, 100_000),
            reply_lost: tape.class(3_000, 100_000),
            late_reply: tape.class(300_000, 1_000_000),
            twice: tape.class(10_000, 200_000),
            notice_lost: tape.class(100_000, 1_000_000),
            connect_refused: often(tape),
            connect_hangs: tape.class(3_000, 100_000),
            standby: tape.class(10_000, 100_000),
            errors: tape.class(10_000, 200_000),
            stall: often(tape),
            pause_before_sending: tape.class(1_000, 100_000),
            pause_after_reading: tape.class(1_000, 100_000),
            pause: span(tape, lease * 4),
            lost_tail: 0,
            gap: Gaps {
                pause: gap(tape, lease / 2, lease * 8),
                spurious_poll: gap(tape, lease / 16, lease),
                rate_change: gap(tape, lease / 4, lease * 4),
                crash: gap(tape, lease, lease * 16),
                clog: gap(tape, lease, lease * 8),
                server_crash: gap(tape, lease, lease * 16),
                fail_over: 0,
                row_locked: gap(tape, lease / 2, lease * 4),
                table_locked: gap(tape, lease, lease * 8),
                meddling: if tape.below(8) == 7 { lease * 2 } else { 0 },
                foreign: if tape.below(4) == 3 { lease } else { 0 },
            },
            spoilt_row: false,
        }
    }

    /// All that must not cost a holder its lock.
    fn calm(lease: u64, tape: &mut Tape) -> Self {
        Self {
            usual_delay: tape.log_uniform(lease / 65_536, lease / 1_024),
            twice: tape.class(10_000, 200_000),
            gap: Gaps {
                spurious_poll: if tape.below(2) == 0 { 0 } else { lease / 4 },
                rate_change: if tape.below(2) == 0 { 0 } else { lease },
                row_locked: if tape.below(2) == 0 { 0 } else { lease },
                ..Gaps::default()
            },
            spoilt_row: tape.below(2) == 1,
            ..Self::default()
        }
    }

    /// Little but lost replies and holders that stand still.
    fn edge(lease: u64, tape: &mut Tape) -> Self {
        Self {
            reset_before: tape.class(10_000, 500_000),
            request_lost: tape.class(10_000, 500_000),
            reply_lost: tape.class(10_000, 500_000),
            pause: lease * 2,
            gap: Gaps { pause: if tape.below(2) == 0 { 0 } else { lease * 2 }, ..Gaps::default() },
            ..Self::default()
        }
    }

    /// The server is replaced, with or without loss, while clients come and go.
    fn fail_over(lease: u64, tape: &mut Tape) -> Self {
        Self {
            usual_delay: tape.log_uniform(lease / 4_096, lease / 32),
            reset_after: tape.class(3_000, 100_000),
            lost_tail: if tape.below(2) == 0 { 0 } else { tape.log_uniform(lease / 16, lease * 5) },
            gap: Gaps {
                crash: if tape.below(2) == 0 { 0 } else { lease * 2 },
                fail_over: lease,
                ..Gaps::default()
            },
            ..Self::default()
        }
    }

    /// How long a message is on its way.
    pub(crate) fn delay(&self, tape: &mut Tape) -> u64 {
        tape.delay(self.usual_delay, self.slow, self.slow_delay)
    }

    /// What is left when everything is well again.
    pub(crate) fn healed(self) -> Self {
        Self {
            usual_delay: self.usual_delay,
            slow_delay: self.usual_delay,
            spoilt_row: self.spoilt_row,
            ..Self::default()
        }
    }
}

/// Settings that the check accepts.
fn config(lease_ms: u64, ppm: u64, granularity: u64, tape: &mut Tape) -> Config {
    let lease = Duration::from_millis(lease_ms);
    let mut config = Config::default();
    config.lease = lease;
    config.longest_lease = lease * 4;
    config.reply_deadline = lease / 4 * tape.pick(&[1, 1, 4, 16]);
    config.connect_deadline = lease / 2;
    config.lock_timeout = lease / 8 * tape.pick(&[1, 1, 4, 16]);
    config.poll = lease / u32::try_from(tape.log_uniform(4, 32)).unwrap_or(4);
    config.patience = lease * u32::try_from(1 + tape.below(3)).unwrap_or(1);
    config.backoff.first = lease / 64;
    config.backoff.longest = lease / 4;
    config.foreign.lease = lease;
    config.foreign.heartbeat = lease / 4;
    config.work_sessions = 2 - tape.index(2);
    config.hints = tape.below(2) == 1;
    let ppm = u32::try_from(ppm).unwrap_or(0);
    config.drift = Drift::new(ppm, Duration::from_nanos(granularity)).unwrap_or_default();
    let parts = [4, 3, 2, 8, 16];
    let first = tape.index(parts.len());
    let beats = parts.iter().cycle().skip(first).take(parts.len());
    for part in beats {
        config.heartbeat = Some(Heartbeat::Every(lease / *part));
        if config.check().is_ok() {
            return config;
        }
    }
    config.reply_deadline = lease / 16;
    config.lock_timeout = lease / 32;
    config
}

pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_settings_that_are_accepted() {
        for seed in 0..2_000 {
            for scenario in Scenario::ALL {
                let plan = Plan::draw(scenario, &mut Tape::from_seed(seed));
                assert_eq!(plan.config.check(), Ok(()), "{seed} {scenario:?}");
            }
        }
    }

    #[test]
    fn nothing_goes_wrong_on_an_empty_tape() {
        let plan = Plan::draw(Scenario::Storm, &mut Tape::replay(Vec::new()));
        assert_eq!((plan.clients, plan.names, plan.users), (2, 1, 1));
        assert_eq!(plan.faults.reset_before, Ppm(0));
        assert_eq!(plan.faults.gap.crash, 0);
    }
}
