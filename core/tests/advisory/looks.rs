//! Signs of life: how long a session is trusted to hold what it held, and when it is asked for one.

use std::time::Duration;

use pglock_core::{Call, Config, Event, Instant, LockId, Outcome, Wait};

use crate::rig::{
    ANN, EXCLUSIVE, Rig, SHARED, busy, call_of, error, failed, lost, millis, released, secs, try_,
    unlock,
};

const NANO: Duration = Duration::from_nanos(1);

impl Rig {
    /// These were told of a sign of life that was asked for at this moment.
    fn renewed(&mut self, locks: &[LockId], sent: Instant) {
        let valid_until = sent.checked_add(self.client.config().silence).unwrap();
        let told: Vec<Event> =
            locks.iter().map(|lock| Event::Renewed { lock: *lock, sent, valid_until }).collect();
        assert_eq!(self.events(), told);
        for lock in locks {
            assert_eq!(self.client.valid_until(*lock), Some(valid_until));
        }
    }
}

#[test]
fn a_lock_is_valid_from_the_sending_of_its_try() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.pass(secs(3));
    rig.say(&command, true);
    rig.acquired(&[lock]);
    assert_eq!(rig.valid_for(lock), Some(secs(12)));
}

#[test]
fn the_session_is_looked_after_three_times_within_the_silence_and_all_are_told() {
    let mut config = Config::default();
    config.silence = secs(30);
    let mut rig = Rig::with(config);
    let mut sent = rig.now;
    let first = rig.first(1);
    let again = rig.hold_as(ANN, 2, SHARED);
    let locks = [first, again];
    for _ in 0..5 {
        let look = rig.until(Call::Look);
        assert_eq!(rig.now.since(sent), secs(10));
        sent = rig.now;
        rig.pass(secs(2));
        rig.say(&look, true);
        rig.renewed(&locks, sent);
    }
}

#[test]
fn nobody_looks_while_nothing_is_held() {
    let mut rig = Rig::new().open();
    assert_eq!(rig.drain().at, None);
    rig.pass(secs(3_600));
    rig.silent();
    let lock = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.say(&command, false);
    for _ in 0..100 {
        let command = rig.until(try_(1, EXCLUSIVE));
        rig.say(&command, false);
    }
    rig.cancel(lock);
    rig.events();
    rig.silent();
    assert_eq!(rig.drain().at, None);
}

#[test]
fn looks_begin_when_a_lock_is_taken_and_end_when_the_last_is_released() {
    let mut rig = Rig::new().open();
    rig.pass(secs(3_600));
    let start = rig.now;
    let lock = rig.hold(1);
    rig.silent();
    let look = rig.until(Call::Look);
    assert_eq!(rig.now.since(start), secs(5), "the try was a sign of life");
    rig.say(&look, true);
    rig.renewed(&[lock], rig.now);
    rig.give_back(lock, 1, EXCLUSIVE);
    assert_eq!(rig.drain().at, None);
}

#[test]
fn a_look_that_is_due_goes_before_everything_else() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.now = rig.now.checked_add(secs(5)).unwrap();
    rig.ask(2, Wait::ForEver);
    rig.release(lock);
    rig.ask(3, Wait::ForEver);
    assert_eq!(call_of(&rig.command()), unlock(1, EXCLUSIVE), "nothing is held any more");
    let mut rig = Rig::new();
    rig.first(1);
    let leaving = rig.hold(2);
    rig.now = rig.now.checked_add(secs(5)).unwrap();
    rig.ask(3, Wait::ForEver);
    rig.release(leaving);
    let look = rig.expect(Call::Look);
    rig.say(&look, true);
    rig.grant(unlock(2, EXCLUSIVE));
}

/// Without a driver that gives up what is overdue, or with one that stood still.
#[test]
fn without_a_sign_of_life_locks_are_at_risk_and_then_lost() {
    let mut config = Config::default();
    config.reply_deadline = secs(60);
    config.silence = secs(15);
    let mut rig = Rig::with(config);
    let start = rig.now;
    let locks = [rig.first(1), rig.hold(2)];
    let valid_until = start.checked_add(secs(15)).unwrap();
    rig.until(Call::Look);
    rig.now = start.checked_add(millis(7_500) - NANO).unwrap();
    rig.silent();
    rig.pass(NANO);
    assert_eq!(rig.events(), locks.map(|lock| Event::AtRisk { lock, valid_until }));
    assert!(locks.iter().all(|lock| rig.client.valid_until(*lock) == Some(valid_until)));
    rig.now = start.checked_add(secs(10) - NANO).unwrap();
    rig.silent();
    rig.pass(NANO);
    assert_eq!(
        rig.events(),
        locks.map(lost),
        "the look has been without a reply for a third of the silence"
    );
    assert_eq!(rig.closed.len(), 1);
}

#[test]
fn a_client_that_nobody_has_called_in_time_has_lost_its_locks() {
    let mut rig = Rig::new();
    let start = rig.now;
    let lock = rig.first(1);
    rig.pass(secs(1));
    rig.ask(2, Wait::ForEver);
    let command = rig.expect(try_(2, EXCLUSIVE));
    rig.now = start.checked_add(secs(15)).unwrap();
    rig.say(&command, true);
    assert_eq!(rig.event(), lost(lock));
    assert_eq!((rig.held(), &rig.closed[..]), (vec![], &[command.session()][..]));
}

#[test]
fn an_idle_session_that_nobody_has_looked_after_in_time_is_lost_at_the_moment() {
    let mut rig = Rig::new();
    let start = rig.now;
    let lock = rig.first(1);
    rig.client.handle_timeout(start.checked_add(secs(15) - NANO).unwrap());
    assert_eq!(rig.held(), [(1.into(), lock)]);
    rig.client.handle_timeout(start.checked_add(secs(15)).unwrap());
    assert_eq!((rig.held(), rig.client.valid_until(lock)), (vec![], None));
    rig.now = start.checked_add(secs(15)).unwrap();
    let valid_until = rig.now;
    assert_eq!(rig.events(), [Event::AtRisk { lock, valid_until }, lost(lock)]);
    assert_eq!(rig.closed.len(), 1);
}

#[test]
fn looks_that_fail_are_no_signs_of_life() {
    let mut rig = Rig::new();
    let start = rig.now;
    let lock = rig.first(1);
    let look = rig.until(Call::Look);
    rig.answer(&look, failed("57014"));
    let valid_until = start.checked_add(secs(15)).unwrap();
    assert_eq!(rig.until_event(), Event::AtRisk { lock, valid_until });
    let look = rig.until(Call::Look);
    assert_eq!(rig.now.since(start), secs(10), "and are not repeated without end");
    rig.answer(&look, failed("57014"));
    rig.no_command();
    assert_eq!(rig.until_event(), lost(lock));
    assert_eq!(rig.now.since(start), secs(15));
}

#[test]
fn a_lock_at_risk_is_told_of_the_next_sign_of_life() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    let look = rig.until(Call::Look);
    let looked = rig.now;
    rig.pass(secs(3));
    assert!(matches!(rig.event(), Event::AtRisk { .. }));
    rig.say(&look, true);
    rig.renewed(&[lock], looked);
    let look = rig.until(Call::Look);
    rig.answer(&look, failed("57014"));
    assert!(matches!(rig.until_event(), Event::AtRisk { .. }), "and told of the next risk");
}

#[test]
fn every_answer_is_a_sign_of_life() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.pass(secs(4));
    let tried = rig.ask(2, Wait::Try);
    let command = rig.expect(try_(2, EXCLUSIVE));
    rig.say(&command, false);
    assert_eq!(rig.event(), busy(tried));
    assert_eq!(rig.valid_for(lock), Some(secs(15)));
    rig.pass(secs(1));
    let look = rig.expect(Call::Look);
    rig.pass(secs(4));
    rig.say(&look, true);
    assert_eq!(rig.events().len(), 1, "at no time at risk");
}

#[test]
fn an_answer_that_comes_too_late_grants_nothing() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::ForEver);
    let command = rig.expect(try_(1, EXCLUSIVE));
    // The process is stopped: the reply has come, but the clock has run on.
    rig.now = rig.now.checked_add(secs(15)).unwrap();
    rig.say(&command, true);
    assert_eq!(rig.held(), []);
    rig.enter();
    assert_eq!((rig.events(), &rig.closed[..]), (vec![], &[command.session()][..]));
    rig.commands.clear();
    rig.cancel(lock);
    assert_eq!(rig.event(), Event::Cancelled { lock });
}

#[test]
fn a_release_that_is_confirmed_too_late_is_confirmed() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.release(lock);
    let command = rig.expect(unlock(1, EXCLUSIVE));
    rig.now = rig.now.checked_add(secs(60)).unwrap();
    rig.say(&command, true);
    assert_eq!(rig.event(), released(lock));
}

#[test]
fn a_look_without_a_reply_gives_the_session_up() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    let look = rig.until(Call::Look);
    rig.pass(secs(5) - NANO);
    assert!(matches!(rig.event(), Event::AtRisk { .. }));
    rig.pass(NANO);
    assert_eq!(rig.event(), lost(lock));
    assert_eq!(rig.closed, [look.session()]);
    rig.answer(&look, Outcome::Failed(error("57014")));
    rig.silent();
}

#[test]
fn a_reply_deadline_shorter_than_a_third_of_the_silence_counts() {
    let mut config = Config::default();
    config.reply_deadline = secs(1);
    let mut rig = Rig::with(config);
    let lock = rig.first(1);
    rig.until(Call::Look);
    rig.pass(secs(1));
    assert_eq!(rig.event(), lost(lock));
}
