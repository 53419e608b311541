//! What may go wrong in one history, how badly, and how long things take: drawn once, at its beginning. All spans
//! are in nanoseconds of true time.

use std::time::Duration;

use pglock_core::{AdvisoryKey, Config, KeyMapping};

use super::server::Kind;
use crate::clock;
use crate::tape::{Ppm, Tape};

const MILLISECOND: u64 = 1_000_000;

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) clients: usize,
    pub(super) users: usize,
    pub(super) owners: u64,
    pub(super) keys: Vec<AdvisoryKey>,
    pub(super) kind: Kind,
    /// How many pairs of a session and a key the server has room for.
    pub(super) room: usize,
    pub(super) silence: u64,
    pub(super) ppm: u64,
    pub(super) granularity: u64,
    pub(super) config: Config,
    pub(super) faulty_for: u64,
    pub(super) faults: Faults,
}

/// The faults; those of the healed phase are all zero, but for the usual delay.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) usual_delay: u64,
    pub(super) slow: Ppm,
    pub(super) slow_delay: u64,
    pub(super) reset_before: Ppm,
    pub(super) reset_after: Ppm,
    pub(super) request_lost: Ppm,
    pub(super) reply_lost: Ppm,
    pub(super) late_reply: Ppm,
    pub(super) connect_refused: Ppm,
    pub(super) connect_hangs: Ppm,
    pub(super) standby: Ppm,
    pub(super) errors: Ppm,
    pub(super) stall: Ppm,
    /// A notification is lost, or comes twice.
    pub(super) notice_lost: Ppm,
    /// A connection that the client has closed goes on at the server.
    pub(super) lingers: Ppm,
    pub(super) gap: Gaps,
}

/// About how long it takes until something happens (again); never if zero.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gaps {
    pub(super) pause: u64,
    pub(super) spurious_poll: u64,
    pub(super) rate_change: u64,
    pub(super) crash: u64,
    pub(super) server_crash: u64,
    /// A session is ended, reset, or has its locks freed, by somebody else.
    pub(super) meddling: u64,
    pub(super) stranger: u64,
}

impl Plan {
    pub(super) fn draw(tape: &mut Tape) -> Self {
        let silence = tape.log_uniform(50, 60_000) * MILLISECOND;
        let ppm = tape.pick(&[0, 100, 10_000, 100_000, 250_000]);
        let granularity = tape.pick(&[1, 1_000, MILLISECOND]);
        let calm = tape.below(4) == 0;
        let (clients, users, owners) =
            (2 + tape.pick(&[0, 0, 0, 1, 2]), 1 + tape.index(5), tape.below(3));
        let keys = keys(tape);
        let kind = match tape.below(16) {
            15 => Kind::Pooled,
            14 => Kind::Stub,
            _ => Kind::Real,
        };
        Self {
            clients,
            users,
            owners,
            keys,
            kind,
            room: room(kind, tape),
            silence,
            ppm,
            granularity,
            config: config(silence, tape),
            faulty_for: silence * (1 + tape.below(4)),
            faults: if calm { Faults::calm(silence, tape) } else { Faults::storm(silence, tape) },
        }
    }

    /// Whether nothing happens that may cost anybody a lock.
    pub(super) const fn is_calm(&self) -> bool {
        let Gaps { pause, crash, server_crash, meddling, .. } = self.faults.gap;
        self.faults.slow_delay == 0 && pause + crash + server_crash + meddling == 0
    }

    /// Whether a try may fail with an error.
    pub(super) const fn has_errors(&self) -> bool {
        self.faults.errors.0 > 0 || self.room < usize::MAX
    }

    /// The rate of a clock, within the bound.
    pub(super) fn rate(&self, tape: &mut Tape) -> u64 {
        let fast = tape.below(2) == 1;
        let ppm = if tape.below(2) == 0 { self.ppm } else { tape.below(self.ppm + 1) };
        clock::rate(fast, ppm)
    }

    /// How long a span lasts at most that is counted on a client's clock.
    pub(super) fn slowest(&self, span: u64) -> u64 {
        let span = u128::from(span + self.granularity * 2) * 1_000_000;
        u64::try_from(span / u128::from(1_000_000 - self.ppm)).unwrap_or(u64::MAX) + 1
    }
}

impl Faults {
    fn storm(silence: u64, tape: &mut Tape) -> Self {
        let often = |tape: &mut Tape| tape.class(3_000, 300_000);
        let gap = |tape: &mut Tape, low: u64, high: u64| {
            if tape.below(2) == 0 { 0 } else { tape.log_uniform(low, high) }
        };
        Self {
            usual_delay: tape.log_uniform(silence / 4_096, silence / 64),
            slow: often(tape),
            slow_delay: tape.log_uniform(silence / 16, silence * 2),
            reset_before: often(tape),
            reset_after: often(tape),
            request_lost: tape.class(3_000, 100_000),
            reply_lost: tape.class(3_000, 100_000),
            late_reply: tape.class(300_000, 1_000_000),
            connect_refused: often(tape),
            connect_hangs: tape.class(3_000, 100_000),
            standby: tape.class(10_000, 300_000),
            errors: tape.class(10_000, 300_000),
            stall: often(tape),
            notice_lost: tape.class(100_000, 1_000_000),
            lingers: often(tape),
            gap: Gaps {
                pause: gap(tape, silence / 2, silence * 8),
                spurious_poll: gap(tape, silence / 16, silence),
                rate_change: gap(tape, silence / 4, silence * 4),
                crash: gap(tape, silence, silence * 16),
                server_crash: gap(tape, silence, silence * 16),
                meddling: gap(tape, silence / 2, silence * 8),
                stranger: gap(tape, silence / 16, silence),
            },
        }
    }

    fn calm(silence: u64, tape: &mut Tape) -> Self {
        Self {
            usual_delay: tape.log_uniform(silence / 65_536, silence / 1_024),
            gap: Gaps {
                spurious_poll: if tape.below(2) == 0 { 0 } else { silence / 4 },
                rate_change: if tape.below(2) == 0 { 0 } else { silence },
                stranger: if tape.below(2) == 0 { 0 } else { silence / 4 },
                ..Gaps::default()
            },
            ..Self::default()
        }
    }

    pub(super) fn delay(&self, tape: &mut Tape) -> u64 {
        tape.delay(self.usual_delay, self.slow, self.slow_delay)
    }

    pub(super) fn healed(self) -> Self {
        Self { usual_delay: self.usual_delay, ..Self::default() }
    }
}

/// What is left behind on a pooler's sessions may fill little room for good.
fn room(kind: Kind, tape: &mut Tape) -> usize {
    let little = tape.below(8) == 7 && kind == Kind::Real;
    if little { 1 + tape.index(4) } else { usize::MAX }
}

/// Some of the keys there are: of both spaces, with and without names, and two names of one place.
fn keys(tape: &mut Tape) -> Vec<AdvisoryKey> {
    let ruby = KeyMapping::WithAdvisoryLock { prefix: 0 };
    let all = [
        AdvisoryKey::from("invoice"),
        ruby.key("plumless"),
        ruby.key("buckeroo"),
        AdvisoryKey::from((7, 42)),
        AdvisoryKey::from(AdvisoryKey::from("invoice").place()),
        AdvisoryKey::from(-1),
    ];
    let from = tape.index(all.len());
    let number = 1 + tape.index(3);
    all.iter().cycle().skip(from).take(number).cloned().collect()
}

fn config(silence: u64, tape: &mut Tape) -> Config {
    let silence = Duration::from_nanos(silence);
    let mut config = Config::default();
    config.silence = silence;
    config.reply_deadline = silence / 3 * tape.pick(&[1, 2]);
    config.connect_deadline = silence / 2;
    config.poll = silence / u32::try_from(tape.log_uniform(4, 64)).unwrap_or(4);
    config.slice = silence / u32::try_from(tape.log_uniform(4, 64)).unwrap_or(4);
    config.lines = tape.index(4);
    config.patience = silence * u32::try_from(1 + tape.below(3)).unwrap_or(1);
    config.backoff.first = silence / 64;
    config.backoff.longest = silence / 4;
    config.hints = tape.below(4) < 3;
    config.advisory_tokens = tape.below(2) == 1;
    config
}
