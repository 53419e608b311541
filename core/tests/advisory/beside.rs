//! Both families in one client.

use std::time::Duration;

use pglock_core::{
    Call, Command, Config, Event, Instant, LockId, LockName, Outcome, Output, Request, Row,
    SessionKind, Statement, Value, Wait,
};

use crate::rig::{ANN, EXCLUSIVE, Rig, SHARED, bools, call_of, failed, lost, secs, try_, unlock};

fn lease(rig: &mut Rig) -> LockId {
    rig.client.acquire(Request::new(LockName::new("a").unwrap()), rig.now).unwrap()
}

/// The row of a grant, or of a renewal.
fn well(command: &Command) -> Vec<Row> {
    let int = Value::Int8;
    let row = match command.statement() {
        Statement::Acquire(acquire) => {
            let owner = Value::Text(acquire.owner.as_str().into());
            vec![
                Value::Bool(true),
                int(acquire.new.as_i64()),
                owner,
                int(20_000),
                Value::Null,
                int(1),
            ]
        }
        Statement::Renew(_) => {
            vec![Value::Text("a".into()), Value::Text("renewed".into()), int(20_000)]
        }
        Statement::Release(_) => vec![int(1)],
        Statement::Advisory(advisory) if advisory.call == Call::Enter => {
            return vec![bools(&[true, true, true])];
        }
        Statement::Advisory(advisory) if advisory.call.takes().is_some() => vec![int(0)],
        Statement::Advisory(_) => return vec![bools(&[true])],
        Statement::Listen => return vec![],
        other => panic!("{other:?}"),
    };
    vec![Row(row)]
}

#[test]
fn each_family_has_its_own_sessions() {
    let mut rig = Rig::new();
    lease(&mut rig);
    rig.ask(1, Wait::ForEver);
    let mut kinds = Vec::new();
    while let Output::Connect(session, kind) = rig.client.poll_output(rig.now) {
        kinds.push(kind);
        rig.client.handle_connected(session, rig.now);
        if kinds.len() == 2 {
            break;
        }
        if let Output::Execute(command) = rig.client.poll_output(rig.now) {
            rig.commands.push(command);
        }
    }
    assert_eq!(kinds, [SessionKind::Advisory, SessionKind::Work]);
    rig.drain();
    let [enter, acquire] = &rig.commands[..] else { panic!("{:?}", rig.commands) };
    assert_ne!(enter.session(), acquire.session());
    assert!(matches!(acquire.statement(), Statement::Acquire(_)));
}

#[test]
fn locks_of_one_family_end_without_those_of_the_other() {
    let mut rig = Rig::new();
    let leased = lease(&mut rig);
    let command = rig.command();
    let (work, rows) = (command.session(), well(&command));
    rig.rows(&command, rows);
    rig.events();
    let advisory = rig.first(1);
    assert_ne!(leased, advisory, "ids are the client's");
    rig.client.handle_disconnected(work, None, rig.now);
    assert_eq!((rig.events(), rig.held()), (vec![], vec![(1.into(), advisory)]));
    rig.client.handle_disconnected(rig.opened[1].0, None, rig.now);
    assert_eq!(rig.event(), lost(advisory));
    assert_eq!(rig.client.held().count(), 1);
    assert!(rig.client.valid_until(leased).is_some());
}

#[test]
fn a_lease_that_waits_for_an_answer_holds_no_advisory_lock_up() {
    let mut rig = Rig::new().open();
    lease(&mut rig);
    rig.command();
    rig.hold(1);
}

#[test]
fn a_shut_down_waits_for_both_families() {
    let mut rig = Rig::new();
    let leased = lease(&mut rig);
    let command = rig.command();
    let rows = well(&command);
    rig.rows(&command, rows);
    rig.events();
    let advisory = rig.first(1);
    rig.client.shut_down(rig.now);
    rig.drain();
    let mut commands = std::mem::take(&mut rig.commands);
    assert_eq!(commands.len(), 2);
    while let Some(command) = commands.pop() {
        rig.drain();
        assert!(!rig.client.is_shut_down());
        let rows = well(&command);
        rig.rows(&command, rows);
    }
    let released = |lock| Event::Released { lock, confirmed: true };
    let told = rig.events();
    assert!(told.contains(&released(leased)) && told.contains(&released(advisory)), "{told:?}");
    assert!(rig.client.is_shut_down());
}

/// What a client of both families does for some minutes, whose clock is set back after each step.
fn history(back: Duration) -> Vec<String> {
    let mut rig = Rig::with(Config::default());
    rig.now = Instant::from_nanos(1_000_000_000_000_000);
    lease(&mut rig);
    let held = rig.ask_as(ANN, 1, SHARED, Wait::ForEver);
    rig.ask(2, Wait::AtMost(secs(40)));
    rig.ask(3, Wait::ForEver);
    rig.history(held, back, outcome)
}

/// Somebody else holds 2, and tries of 3 fail; what is sent late in the history is lost.
fn outcome(command: &Command, step: u32) -> Outcome {
    let Statement::Advisory(_) = command.statement() else { return Outcome::Rows(well(command)) };
    match call_of(command) {
        _ if step > 150 => Outcome::Lost,
        call if call == try_(2, EXCLUSIVE) => taken(Call::BUSY),
        Call::Ring(place, _) | Call::RingOn(place, _) if place == 2.into() => taken(Call::RINGS),
        call if call.takes().is_some() && call.place() == Some(3.into()) => failed("57014"),
        call if call == unlock(3, EXCLUSIVE) && step.is_multiple_of(2) => failed("57014"),
        _ => Outcome::Rows(well(command)),
    }
}

fn taken(answer: i64) -> Outcome {
    Outcome::Rows(vec![Row(vec![Value::Int8(answer)])])
}

#[test]
fn a_client_whose_clock_is_set_back_does_the_same() {
    let usual = history(Duration::ZERO);
    for what in [
        "AdvisoryAcquired",
        "Look",
        "Unlock",
        "Lost",
        "TimedOut",
        "Renewed",
        "Renew(",
        "RingOn",
        "Quiet",
    ] {
        assert!(usual.iter().any(|line| line.contains(what)), "no {what}: {usual:#?}");
    }
    assert_eq!(history(secs(1_000)), usual);
}
