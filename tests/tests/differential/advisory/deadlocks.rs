//! Sessions that wait for each other, on both: who gives up, who is let past, and what is left.

use pglock_core::AdvisoryPlace;
use pglock_testkit::advisory::{AdvisoryMode, Answer, Command, Deadlock, Level, Session, Want};

use super::pair::Pair;
use super::program::Step;
use crate::sequences::runtime;

use AdvisoryMode::{Exclusive, Shared};

const KEY: AdvisoryPlace = AdvisoryPlace::Bigint(1);
const OTHER: AdvisoryPlace = AdvisoryPlace::Pair(0, 1);
const THIRD: AdvisoryPlace = AdvisoryPlace::Bigint(i64::MIN);

fn take(session: Session, place: AdvisoryPlace, mode: AdvisoryMode) -> Step {
    Step::Execute(session, Command::Take(want(place, mode)))
}

const fn want(place: AdvisoryPlace, mode: AdvisoryMode) -> Want {
    Want { place, mode, level: Level::Session }
}

const fn in_transaction(place: AdvisoryPlace) -> Want {
    Want { place, mode: Exclusive, level: Level::Transaction }
}

/// Both make the steps, then a session takes a lock and the server looks for a deadlock; what is there then.
fn both(steps: &[Step], session: Session, want: Want) -> (Deadlock, Pair) {
    runtime().block_on(async {
        let mut pair = Pair::new().await;
        pair.reset().await;
        for step in steps {
            pair.make(*step).await.unwrap();
        }
        let mut waiting = pair.model().clone();
        assert_eq!(waiting.execute(session, Command::Take(want)).answer, Answer::Queued);
        pair.make(Step::Checked(session, want)).await.unwrap();
        (waiting.deadlock(session), pair)
    })
}

#[test]
fn the_victim_of_a_deadlock_keeps_what_it_had_for_itself_on_both() {
    let steps = [
        take(1, KEY, Exclusive),
        take(2, OTHER, Exclusive),
        Step::Execute(2, Command::Begin),
        Step::Execute(2, Command::Take(in_transaction(THIRD))),
        take(3, THIRD, Shared),
        take(1, OTHER, Exclusive),
    ];
    let (deadlock, pair) = both(&steps, 2, want(KEY, Exclusive));
    assert_eq!(deadlock, Deadlock::Hard(vec![2, 1]));
    assert_eq!(pair.model().awaited(3), None);
    assert_eq!(pair.model().blockers(1), [2].into());
}

#[test]
fn a_ring_of_three_is_broken_by_the_one_that_looks_on_both() {
    let steps = [
        take(1, KEY, Exclusive),
        take(2, OTHER, Exclusive),
        take(3, THIRD, Exclusive),
        take(1, OTHER, Shared),
        take(2, THIRD, Shared),
    ];
    let (deadlock, pair) = both(&steps, 3, want(KEY, Shared));
    assert_eq!(deadlock, Deadlock::Hard(vec![3, 1, 2]));
    assert_eq!(pair.model().blockers(2), [3].into());
}

#[test]
fn a_queue_is_put_into_another_order_where_that_helps_on_both() {
    let steps = [
        take(1, KEY, Shared),
        take(3, OTHER, Exclusive),
        take(2, KEY, Exclusive),
        take(3, KEY, Shared),
    ];
    let (deadlock, pair) = both(&steps, 1, want(OTHER, Exclusive));
    assert_eq!(deadlock, Deadlock::Soft(vec![1, 3, 2]));
    assert_eq!(pair.model().blockers(2), [1, 3].into());
}
