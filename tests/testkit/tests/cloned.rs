//! A process that was copied while it holds a lock, as by the snapshot of a virtual machine: both copies have one
//! identity and draw the same numbers, which is outside of what the library can promise. It promises that a copy
//! whose renewal fails believes no longer.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::time::Duration;

use pglock_core::{
    Client, Config, Event, Heartbeat, Identity, Instant, LockId, LockName, LossCause, Output,
    Request,
};
use pglock_testkit::Server;

/// Two copies of a holder, and the server that cannot tell them apart.
struct Copies {
    server: Server,
    first: Client,
    second: Client,
    lock: LockId,
    now: Instant,
}

impl Copies {
    fn new() -> Self {
        let mut config = Config::default();
        config.heartbeat = Some(Heartbeat::ByHand);
        let (mut server, now) = (Server::with_table(), Instant::default());
        let mut first = Client::new(config, Identity::new([1; 16]), 0).unwrap();
        let request = Request::new(LockName::new("invoice").unwrap());
        let lock = first.acquire(request, now).unwrap();
        let told = drain(&mut first, &mut server, now);
        assert!(matches!(told.as_slice(), [Event::Acquired { .. }]), "{told:?}");
        Self { server, second: first.clone(), first, lock, now }
    }

    fn first_beats(&mut self) -> Vec<Event> {
        beat(&mut self.first, &mut self.server, self.lock, &mut self.now)
    }

    fn second_beats(&mut self) -> Vec<Event> {
        beat(&mut self.second, &mut self.server, self.lock, &mut self.now)
    }
}

fn beat(client: &mut Client, server: &mut Server, lock: LockId, now: &mut Instant) -> Vec<Event> {
    *now = now.saturating_add(Duration::from_secs(1));
    client.heartbeat(lock, *now).unwrap();
    drain(client, server, *now)
}

/// Does what the client wants, until it wants to wait.
fn drain(client: &mut Client, server: &mut Server, now: Instant) -> Vec<Event> {
    let mut told = Vec::new();
    loop {
        match client.poll_output(now) {
            Output::Connect(session, _) => client.handle_connected(session, now),
            Output::Disconnect(_) => {}
            Output::Execute(command) => {
                let outcome = server.execute(command.statement());
                client.handle_outcome(command.id(), outcome, now);
            }
            Output::Event(event) => told.push(event),
            Output::Wait(_) => return told,
        }
    }
}

#[test]
fn the_copy_that_falls_behind_loses_with_its_first_failed_renewal() {
    let mut copies = Copies::new();
    copies.first_beats();
    copies.first_beats();
    assert!(copies.second.valid_until(copies.lock).is_some());
    let lost = Event::Lost { lock: copies.lock, cause: LossCause::TakenOver };
    assert_eq!(copies.second_beats(), [lost]);
    assert_eq!(copies.second.valid_until(copies.lock), None);
    assert!(matches!(copies.first_beats().as_slice(), [Event::Renewed { .. }]));
}

/// What cannot be promised: in step they draw the same numbers, and neither is told.
#[test]
fn copies_that_keep_in_step_both_believe() {
    let mut copies = Copies::new();
    for _ in 0..3 {
        assert!(matches!(copies.first_beats().as_slice(), [Event::Renewed { .. }]));
        assert!(matches!(copies.second_beats().as_slice(), [Event::Renewed { .. }]));
    }
    assert!(copies.first.valid_until(copies.lock).is_some());
    assert!(copies.second.valid_until(copies.lock).is_some());
}
