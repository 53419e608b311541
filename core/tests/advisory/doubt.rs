//! Errors. One from a try leaves the lock held or not, so it is told only after an unlock has settled which.

use std::time::Duration;

use pglock_core::{Event, Failure, LossCause, Outcome, Wait};

use crate::rig::{
    ANN, BOB, EXCLUSIVE, Rig, SHARED, call_of, error, failed, fatal, lost, millis, released, secs,
    timed_out, try_, unconfirmed, unlock,
};

const FULL: &str = "53200";

#[test]
fn nothing_is_told_of_a_failed_try_before_an_unlock_has_settled_it() {
    for (code, failure) in [
        (FULL, Failure::LockTableFull(error(FULL))),
        ("42501", Failure::Server(error("42501"))),
        ("42883", Failure::Server(error("42883"))),
    ] {
        for held in [true, false] {
            for wait in [Wait::ForEver, Wait::AtMost(secs(60)), Wait::Try, Wait::Probe] {
                let mut rig = Rig::new().open();
                let lock = rig.ask(1, wait);
                let command = rig.expect(try_(1, EXCLUSIVE));
                rig.answer(&command, failed(code));
                let command = rig.expect(unlock(1, EXCLUSIVE));
                rig.silent();
                rig.say(&command, held);
                let failure = failure.clone();
                assert_eq!(rig.event(), Event::Failed { lock, failure });
                assert_eq!((rig.drain().at, rig.closed.len()), (None, 0));
            }
        }
    }
}

#[test]
fn only_those_who_were_asked_for_are_failed() {
    let mut rig = Rig::new().open();
    let asked = rig.ask_as(ANN, 1, SHARED, Wait::ForEver);
    let command = rig.expect(try_(1, SHARED));
    let joined = rig.ask_as(BOB, 1, SHARED, Wait::Try);
    let behind = rig.ask_as(None, 1, EXCLUSIVE, Wait::ForEver);
    rig.answer(&command, failed(FULL));
    rig.grant(unlock(1, SHARED));
    let failure = Failure::LockTableFull(error(FULL));
    assert_eq!(rig.event(), Event::Failed { lock: asked, failure });
    let command = rig.until(try_(1, SHARED));
    rig.say(&command, true);
    rig.acquired(&[joined]);
    rig.give_back(joined, 1, SHARED);
    rig.grant(try_(1, EXCLUSIVE));
    rig.acquired(&[behind]);
}

#[test]
fn a_passing_error_is_asked_again_with_growing_pauses_and_each_is_settled() {
    for code in ["57014", "40P01", "XX000", "40003", "55P03", "53000"] {
        let mut rig = Rig::new().open();
        let lock = rig.ask(1, Wait::ForEver);
        let whole = [0, 50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map(millis);
        for whole in whole {
            let command = rig.until(try_(1, EXCLUSIVE));
            rig.answer(&command, failed(code));
            rig.grant(unlock(1, EXCLUSIVE));
            let start = rig.now;
            let wake = rig.drain();
            let pause = if rig.commands.is_empty() {
                wake.at.unwrap().since(start)
            } else {
                Duration::ZERO
            };
            assert!(pause >= whole / 2 && pause <= whole, "{code}: {pause:?} of {whole:?}");
        }
        assert_eq!((rig.events(), rig.closed.len()), (vec![], 0));
        let command = rig.until(try_(1, EXCLUSIVE));
        rig.say(&command, true);
        rig.acquired(&[lock]);
    }
}

#[test]
fn an_answer_makes_the_next_failure_the_first_again() {
    for answer in [true, false] {
        let mut rig = Rig::new().open();
        let mut lock = rig.ask(1, Wait::ForEver);
        for _ in 0..5 {
            let command = rig.until(try_(1, EXCLUSIVE));
            rig.answer(&command, failed("57014"));
            rig.grant(unlock(1, EXCLUSIVE));
        }
        let command = rig.until(try_(1, EXCLUSIVE));
        rig.say(&command, answer);
        if answer {
            rig.acquired(&[lock]);
            rig.release(lock);
            lock = rig.ask(1, Wait::ForEver);
            rig.grant(unlock(1, EXCLUSIVE));
            rig.events();
        }
        let command = rig.until(try_(1, EXCLUSIVE));
        rig.answer(&command, failed("57014"));
        rig.grant(unlock(1, EXCLUSIVE));
        rig.grant(try_(1, EXCLUSIVE));
        rig.acquired(&[lock]);
    }
}

#[test]
fn a_try_is_never_busy_for_an_error_and_says_the_last_one_when_its_patience_ends() {
    let mut rig = Rig::new().open();
    let lock = rig.ask(1, Wait::Try);
    let start = rig.now;
    loop {
        let wake = rig.drain();
        match rig.commands.pop() {
            Some(command) if call_of(&command) == try_(1, EXCLUSIVE) => {
                rig.answer(&command, failed("57014"));
            }
            Some(command) => rig.say(&command, false),
            None if rig.events.is_empty() => rig.now = wake.at.unwrap(),
            None => break,
        }
    }
    let failure = Failure::Unreachable(Some(error("57014")));
    assert_eq!(rig.event(), Event::Failed { lock, failure });
    assert_eq!(rig.now.since(start), secs(10));
}

#[test]
fn one_more_who_waits_does_not_shorten_the_pause() {
    let mut rig = Rig::new().open();
    rig.ask_as(ANN, 1, SHARED, Wait::Try);
    for _ in 0..4 {
        let command = rig.until(try_(1, SHARED));
        rig.answer(&command, failed("57014"));
        rig.grant(unlock(1, SHARED));
    }
    let again = rig.drain().at;
    rig.ask_as(BOB, 1, SHARED, Wait::ForEver);
    rig.silent();
    assert_eq!(rig.drain().at, again);
}

#[test]
fn a_wait_may_end_in_doubt_and_the_doubt_is_settled_all_the_same() {
    for gone in ["cancelled", "timed out"] {
        let mut rig = Rig::new().open();
        let lock = rig.ask(1, Wait::AtMost(secs(1)));
        let command = rig.expect(try_(1, EXCLUSIVE));
        rig.answer(&command, failed(FULL));
        let command = rig.expect(unlock(1, EXCLUSIVE));
        if gone == "cancelled" {
            rig.cancel(lock);
            assert_eq!(rig.event(), Event::Cancelled { lock });
        } else {
            rig.pass(secs(1));
            assert_eq!(rig.event(), timed_out(lock));
        }
        rig.answer(&command, failed("57014"));
        rig.grant(unlock(1, EXCLUSIVE));
        rig.silent();
        assert_eq!(rig.drain().at, None);
    }
}

#[test]
fn an_unlock_that_fails_is_repeated_with_growing_pauses_until_it_has_an_answer() {
    for confirmed_by in [true, false] {
        for code in ["57014", "XX000"] {
            let mut rig = Rig::new();
            let lock = rig.first(1);
            let other = rig.hold(2);
            rig.release(lock);
            for whole in [0, 50, 100, 200, 400].map(millis) {
                let command = rig.until(unlock(1, EXCLUSIVE));
                rig.answer(&command, failed(code));
                let start = rig.now;
                let wake = rig.drain();
                let pause = if rig.commands.is_empty() {
                    wake.at.unwrap().since(start)
                } else {
                    Duration::ZERO
                };
                assert!(pause >= whole / 2 && pause <= whole, "{code}: {pause:?} of {whole:?}");
            }
            assert_eq!(rig.events(), []);
            let command = rig.until(unlock(1, EXCLUSIVE));
            rig.say(&command, confirmed_by);
            assert_eq!(rig.event(), released(lock));
            assert_eq!(rig.held(), [(2.into(), other)]);
            assert_eq!(rig.closed, []);
        }
    }
}

/// What the session will not free, its end does.
#[test]
fn a_session_that_refuses_an_unlock_for_good_is_closed() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    let other = rig.hold(2);
    rig.release(lock);
    let command = rig.expect(unlock(1, EXCLUSIVE));
    rig.answer(&command, failed("42501"));
    assert_eq!(rig.events(), [unconfirmed(lock), lost(other)]);
    assert_eq!(rig.closed.len(), 1);
}

#[test]
fn whoever_waits_for_what_is_in_doubt_is_served_after_it_is_settled() {
    let mut rig = Rig::new();
    let lock = rig.first(1);
    rig.release(lock);
    let command = rig.expect(unlock(1, EXCLUSIVE));
    let waiter = rig.ask(1, Wait::Try);
    rig.answer(&command, failed("57014"));
    rig.grant(unlock(1, EXCLUSIVE));
    rig.grant(try_(1, EXCLUSIVE));
    assert_eq!(
        rig.events(),
        [released(lock), Event::AdvisoryAcquired { lock: waiter, token: None }]
    );
}

/// An owner tries to have alone what it shares: the hold that it has is not what is in doubt.
#[test]
fn the_other_mode_is_left_as_it_was() {
    let mut rig = Rig::new();
    let shared = rig.first_as(ANN, 1, SHARED);
    let tried = rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    let command = rig.expect(try_(1, EXCLUSIVE));
    rig.answer(&command, failed(FULL));
    let command = rig.expect(unlock(1, EXCLUSIVE));
    rig.say(&command, false);
    let failure = Failure::LockTableFull(error(FULL));
    assert_eq!(rig.event(), Event::Failed { lock: tried, failure });
    assert_eq!(rig.held(), [(1.into(), shared)]);
    rig.give_back(shared, 1, SHARED);
}

/// The exclusive lock is given back while the shared one is in doubt.
#[test]
fn the_release_of_the_other_mode_settles_nothing() {
    let mut rig = Rig::new();
    let exclusive = rig.first_as(ANN, 1, EXCLUSIVE);
    let tried = rig.ask_as(ANN, 1, SHARED, Wait::Try);
    let command = rig.expect(try_(1, SHARED));
    rig.release(exclusive);
    rig.answer(&command, failed(FULL));
    rig.grant(unlock(1, EXCLUSIVE));
    assert_eq!(rig.event(), released(exclusive), "the try may have been granted");
    rig.grant(unlock(1, SHARED));
    let failure = Failure::LockTableFull(error(FULL));
    assert_eq!(rig.event(), Event::Failed { lock: tried, failure });
}

#[test]
fn a_doubt_ends_with_its_session() {
    for outcome in [Outcome::Lost, Outcome::Failed(fatal("57P01")), failed("26000")] {
        let mut rig = Rig::new().open();
        let lock = rig.ask(1, Wait::ForEver);
        let command = rig.expect(try_(1, EXCLUSIVE));
        rig.answer(&command, failed(FULL));
        let command = rig.expect(unlock(1, EXCLUSIVE));
        rig.answer(&command, outcome);
        rig.enter();
        assert_eq!(rig.closed, [command.session()]);
        let command = rig.until(try_(1, EXCLUSIVE));
        rig.say(&command, true);
        rig.acquired(&[lock]);
    }
}

#[test]
fn an_error_that_ends_the_session_ends_all_locks() {
    for outcome in [Outcome::Failed(fatal("57P01")), failed("0A000"), failed("25P02")] {
        let mut rig = Rig::new();
        let lock = rig.first(1);
        rig.ask(2, Wait::ForEver);
        let command = rig.expect(try_(2, EXCLUSIVE));
        rig.answer(&command, outcome);
        assert_eq!(rig.event(), Event::Lost { lock, cause: LossCause::SessionEnded });
        assert_eq!(rig.closed, [command.session()]);
    }
}
