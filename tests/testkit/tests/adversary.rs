//! The two clients that come as near to breaking mutual exclusion as clocks allow: a holder whose clock
//! is as slow as it may be and a challenger whose clock is as fast. Messages take no time.
//!
//! At true time `t` the holder reads `ceil((1 - rho) t) - g`, but `0` at the beginning, and the challenger
//! `floor((1 + rho) t) + g`, but `0` at the beginning: each bends the rule for clocks as far as it goes.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Duration;

use pglock_core::{
    Client, Command, Config, Drift, Event, Heartbeat, Identity, Instant, LockId, LockName,
    LossCause, Output, Request, Statement,
};
use pglock_testkit::Server;

/// A lease in milliseconds, rho in parts per million, g in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Setting {
    lease_ms: u64,
    ppm: u32,
    g: u64,
}

const DEFAULTS: Setting = setting(20_000, 10_000, 1_000_000);

const SETTINGS: [Setting; 20] = [
    DEFAULTS,
    setting(20_000, 0, 1),
    setting(20_000, 100, 1),
    setting(20_000, 250_000, 1),
    setting(20_000, 10_000, 15_600_000),
    setting(50, 0, 1),
    setting(50, 10_000, 1_000),
    setting(50, 100_000, 1_000_000),
    setting(50, 250_000, 1_000_000),
    setting(333, 100, 1_000),
    setting(333, 123_457, 7),
    setting(1_000, 1, 1),
    setting(1_000, 50, 1_000_000),
    setting(1_000, 333_333, 999),
    setting(7_919, 10_000, 1),
    setting(7_919, 99_991, 15_600_000),
    setting(60_000, 0, 1_000_000),
    setting(60_000, 100, 1_000_000),
    setting(60_000, 250_000, 1_000_000),
    setting(600_000, 10_000, 1_000_000),
];

const fn setting(lease_ms: u64, ppm: u32, g: u64) -> Setting {
    Setting { lease_ms, ppm, g }
}

impl Setting {
    fn config(self) -> Config {
        let mut config = Config::default();
        config.lease = Duration::from_millis(self.lease_ms);
        config.heartbeat = Some(Heartbeat::ByHand);
        config.drift = Drift::new(self.ppm, Duration::from_nanos(self.g)).unwrap();
        config
    }

    fn holder_reads(self, true_time: u64) -> Instant {
        let slow = u128::from(true_time) * u128::from(1_000_000 - self.ppm);
        let reading = u64::try_from(slow.div_ceil(1_000_000)).unwrap();
        Instant::from_nanos(reading.saturating_sub(self.g))
    }

    fn challenger_reads(self, true_time: u64) -> Instant {
        let fast = u128::from(true_time) * u128::from(1_000_000 + self.ppm);
        let reading = u64::try_from(fast / 1_000_000).unwrap();
        Instant::from_nanos(if true_time == 0 { 0 } else { reading + self.g })
    }

    /// The first true moment at which the challenger's clock shows a whole lease.
    fn earliest_write(self) -> u64 {
        let lease = self.lease_ms * 1_000_000;
        let ideal = u128::from(lease - self.g) * 1_000_000;
        let write = u64::try_from(ideal.div_ceil(1_000_000 + u128::from(self.ppm))).unwrap();
        assert!(self.challenger_reads(write).as_nanos() >= lease);
        assert!(self.challenger_reads(write - 1).as_nanos() < lease);
        write
    }
}

/// Both clients at true time zero: one has the lock, the other has just seen its number.
struct Duel {
    server: Server,
    holder: Client,
    challenger: Client,
    held: LockId,
    valid_until: Instant,
}

impl Duel {
    fn begin(setting: Setting) -> Self {
        let mut server = Server::with_table();
        let (mut holder, held) = asking(setting, 1);
        let granted = drain(&mut holder, &mut server, Instant::default());
        let (mut challenger, _) = asking(setting, 2);
        let waits = drain(&mut challenger, &mut server, Instant::default());
        assert!(matches!(granted.events.as_slice(), [Event::Acquired { .. }]), "{granted:?}");
        assert!(matches!(waits.events.as_slice(), [Event::Waiting { .. }]), "{waits:?}");
        let valid_until = holder.valid_until(held).unwrap();
        Self { server, holder, challenger, held, valid_until }
    }

    /// Whether the challenger, asked at this reading for the first time since, takes the lock over.
    fn is_taken_over_at(&self, reading: Instant) -> bool {
        let (mut challenger, mut server) = (self.challenger.clone(), self.server.clone());
        let done = drain(&mut challenger, &mut server, reading);
        let wrote = done.statements.iter().any(
            |statement| matches!(statement, Statement::Acquire(acquire) if acquire.seen.is_some()),
        );
        let acquired = done.events.iter().any(|event| matches!(event, Event::Acquired { .. }));
        assert_eq!(wrote, acquired, "{done:?}");
        acquired
    }
}

#[derive(Debug, Default)]
struct Done {
    statements: Vec<Statement>,
    events: Vec<Event>,
}

fn asking(setting: Setting, identity: u8) -> (Client, LockId) {
    let mut client = Client::new(setting.config(), Identity::new([identity; 16]), 0).unwrap();
    let request = Request::new(LockName::new("invoice").unwrap());
    let lock = client.acquire(request, Instant::default()).unwrap();
    (client, lock)
}

/// Does what the client wants at one reading of its clock, until it wants to wait.
fn drain(client: &mut Client, server: &mut Server, reading: Instant) -> Done {
    let mut done = Done::default();
    loop {
        match client.poll_output(reading) {
            Output::Connect(session, _) => client.handle_connected(session, reading),
            Output::Disconnect(_) => {}
            Output::Execute(command) => {
                done.statements.push(run(client, server, &command, reading))
            }
            Output::Event(event) => done.events.push(event),
            Output::Wait(wake) => {
                assert!(wake.at.is_none_or(|at| at > reading), "{wake:?} at {reading:?}");
                return done;
            }
        }
    }
}

fn run(client: &mut Client, server: &mut Server, command: &Command, reading: Instant) -> Statement {
    let outcome = server.execute(command.statement());
    client.handle_outcome(command.id(), outcome, reading);
    command.statement().clone()
}

#[test]
fn belief_ends_before_the_earliest_take_over() {
    for setting in SETTINGS {
        let mut duel = Duel::begin(setting);
        let write = setting.earliest_write();
        assert!(duel.is_taken_over_at(setting.challenger_reads(write)), "{setting:?}");
        assert!(!duel.is_taken_over_at(setting.challenger_reads(write - 1)), "{setting:?}");
        let reading = setting.holder_reads(write);
        assert!(duel.valid_until <= reading, "{setting:?}: both hold at {write}");
        let told = drain(&mut duel.holder, &mut duel.server, reading).events;
        let lost = Event::Lost { lock: duel.held, cause: LossCause::Expired };
        assert_eq!(told.last(), Some(&lost), "{setting:?}");
        assert_eq!(duel.holder.valid_until(duel.held), None, "{setting:?}");
    }
}

/// The two roundings of the formula and the one of true time cost less than three nanoseconds.
#[test]
fn no_deadline_could_be_three_nanoseconds_later() {
    for setting in SETTINGS {
        let three_later = Duel::begin(setting).valid_until.saturating_add(Duration::from_nanos(3));
        let reading = setting.holder_reads(setting.earliest_write());
        assert!(reading < three_later, "{setting:?}: {three_later:?} would be safe at {reading:?}");
    }
}

#[test]
fn at_the_defaults_two_nanoseconds_more_would_be_unsafe() {
    let two_later = Duel::begin(DEFAULTS).valid_until.saturating_add(Duration::from_nanos(2));
    assert!(DEFAULTS.holder_reads(DEFAULTS.earliest_write()) < two_later);
}

/// Deadlines that are late by less than a random history notices are noticed here.
#[cfg(pglock_bugs)]
#[test]
fn deliberate_bugs_in_the_deadline_overlap() {
    use pglock_core::bugs::{Bug, switch_on};
    let bugs = [Bug::M02, Bug::M03, Bug::M04, Bug::M05, Bug::M05Permille, Bug::M05Permyriad];
    for bug in bugs.into_iter().chain([Bug::M57]) {
        switch_on(Some(bug));
        let overlaps = |setting: Setting| {
            let duel = Duel::begin(setting);
            setting.holder_reads(setting.earliest_write()) < duel.valid_until
        };
        let caught = SETTINGS.into_iter().filter(|setting| overlaps(*setting)).count();
        switch_on(None);
        assert!(caught > 0, "{bug:?} is not noticed");
    }
}
