//! Futures of advisory locks that are dropped after every poll they can be dropped after.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use pglock_core::{Advisory, Call, Statement};
use pglock_driver::{AdvisoryLock, AdvisoryRequest, Clock, Error, Locks, Loss, Options};
use support::dropping::{Bench, all, drop_everywhere};
use support::{Fate, hesitate};

type Acquired = LocalBoxFuture<'static, Result<AdvisoryLock, Error>>;

/// Long enough for the stranger to give back within one.
const SLICE: Duration = Duration::from_secs(4);

/// How a lock is asked for: alone or shared, by polls or in line.
const WAYS: [fn(&Locks) -> AdvisoryRequest; 4] = [
    |locks| locks.advisory("a"),
    |locks| locks.advisory("a").shared(),
    |locks| locks.advisory("a").in_line(),
    |locks| locks.advisory("a").shared().in_line(),
];

/// A lock that a stranger has, for ever or until then. Whoever stands in line stands there until the slice has passed.
fn taken(until: Option<u64>) -> Bench {
    let mut bench = Bench::with(Options::default().slice(SLICE));
    assert!(bench.world.advisory.lock().unwrap().taken_by_stranger("a"));
    bench.cleaning = SLICE;
    bench.freed_at =
        until.map(|seconds| bench.world.clock.now().saturating_add(Duration::from_secs(seconds)));
    bench
}

fn acquire(way: fn(&Locks) -> AdvisoryRequest) -> impl Fn(Locks) -> Acquired {
    move |locks| async move { way(&locks).acquire().await }.boxed_local()
}

#[test]
fn an_acquire_of_a_free_lock() {
    for way in WAYS {
        let turns = drop_everywhere(Bench::new, acquire(way));
        assert!(turns > 10, "{turns}: connecting, two statements, each with hesitations");
    }
}

#[test]
fn an_acquire_that_waits_until_the_lock_is_free() {
    for (way, seconds) in WAYS.into_iter().zip([3, 3, 7, 7]) {
        let turns = drop_everywhere(|| taken(Some(seconds)), acquire(way));
        assert!(turns > 20, "{turns}: statements, and seconds that pass");
    }
}

#[test]
fn an_acquire_whose_time_passes() {
    for way in WAYS {
        let turns = drop_everywhere(
            || taken(None),
            move |locks| {
                let patience = Duration::from_secs(10);
                async move { way(&locks).acquire_within(patience).await }.boxed_local()
            },
        );
        assert!(turns > 30, "{turns}: statements, and seconds that pass");
    }
}

#[test]
fn an_acquire_whose_answers_are_lost() {
    for way in WAYS {
        for fate in [Fate::NotSent, Fate::AnswerLost] {
            let begin = || {
                let mut bench = taken(Some(3));
                bench.world.first(3, fate, |statement| matches!(statement, Statement::Advisory(_)));
                bench.cleaning += Duration::from_secs(1);
                bench
            };
            let turns = drop_everywhere(begin, acquire(way));
            assert!(turns > 20, "{turns}: three connections break");
        }
    }
}

#[test]
fn a_try() {
    for way in WAYS {
        for begin in [Bench::new, || taken(None)] {
            drop_everywhere(begin, |locks| {
                async move { way(&locks).try_acquire().await }.boxed_local()
            });
        }
    }
}

#[test]
fn a_run_in_all_its_parts() {
    for way in WAYS {
        let turns = drop_everywhere(Bench::new, |locks| {
            let work = async {
                for _ in 0..5 {
                    hesitate().await;
                }
            };
            async move { way(&locks).run(|_| work).await }.boxed_local()
        });
        assert!(turns > 25, "{turns}: acquire, work, release");
    }
}

#[test]
fn an_acquire_of_what_its_owner_has_and_both_releases() {
    for way in WAYS {
        drop_everywhere(Bench::new, |locks| {
            async move {
                let lock = way(&locks).acquire().await.unwrap();
                let again = lock.again().await.unwrap();
                (lock.release().await, again.release().await)
            }
            .boxed_local()
        });
    }
}

fn held(way: fn(&Locks) -> AdvisoryRequest) -> (Bench, AdvisoryLock) {
    let mut bench = Bench::new();
    let lock = bench.finish(acquire(way)(bench.locks.clone())).unwrap();
    (bench, lock)
}

/// Belief ends with the first poll, or with the future if there is none.
#[test]
fn a_release_ends_belief_however_often_it_is_polled() {
    for way in WAYS {
        for lost in [false, true] {
            release_everywhere(way, lost);
        }
    }
}

fn release_everywhere(way: fn(&Locks) -> AdvisoryRequest, answer_is_lost: bool) {
    for turns in 0.. {
        let (mut bench, lock) = held(way);
        if answer_is_lost {
            bench.world.once(Fate::AnswerLost, is_unlock);
        }
        let hold = lock.hold();
        let done = bench.turns(turns, lock.release().boxed_local());
        assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
        bench.assert_nothing_is_left(turns);
        if let Some(released) = done {
            assert_eq!(released.unwrap().confirmed, !answer_is_lost);
            return assert!(all(turns) > 2);
        }
    }
}

fn is_look(statement: &Statement) -> bool {
    matches!(statement, Statement::Advisory(Advisory { call: Call::Look, .. }))
}

fn is_unlock(statement: &Statement) -> bool {
    matches!(statement, Statement::Advisory(Advisory { call: Call::Unlock(..), .. }))
}

#[test]
fn whatever_is_asked_of_a_held_lock_does_not_end_it() {
    for way in WAYS {
        look_everywhere(way);
        take_again_everywhere(way);
    }
}

/// Dropped until the session ends, which ends it.
fn look_everywhere(way: fn(&Locks) -> AdvisoryRequest) {
    for turns in 0.. {
        let (mut bench, lock) = held(way);
        bench.world.once(Fate::NotSent, is_look);
        let done = bench.turns(turns, lock.lost().boxed_local());
        let has_ended = bench.world.log().iter().any(is_look);
        assert!(lock.is_held() || has_ended, "lost after {turns} turns");
        drop(lock);
        bench.cleaning = Duration::from_secs(1);
        bench.assert_nothing_is_left(turns);
        if let Some(loss) = done {
            assert_eq!(loss, Loss::SessionEnded);
            return assert!(
                all(turns) > 5,
                "{turns}: the session is looked after every five seconds"
            );
        }
    }
}

fn take_again_everywhere(way: fn(&Locks) -> AdvisoryRequest) {
    for turns in 0.. {
        let (mut bench, lock) = held(way);
        let done = bench.turns(turns, lock.again().boxed_local());
        bench.settle();
        assert!(lock.is_held(), "lost after {turns} turns");
        assert_eq!(bench.world.advisory.lock().unwrap().held(), 1);
        let again = done.transpose().unwrap();
        drop(lock);
        bench.settle();
        let is_kept = again.as_ref().is_some_and(|again| again.is_held());
        assert_eq!(bench.world.advisory.lock().unwrap().held(), usize::from(is_kept));
        let came_to_its_end = again.is_some();
        drop(again);
        bench.assert_nothing_is_left(turns);
        if came_to_its_end {
            return assert!(all(turns) > 2);
        }
    }
}
