//! Futures of leases that are dropped after every poll they can be dropped after.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use pglock_core::Statement;
use pglock_driver::{Error, Lock, Locks, Loss};
use support::Fate;
use support::dropping::{Bench, drop_everywhere};

const LEASE: Duration = Duration::from_secs(20);

fn acquire(locks: Locks) -> LocalBoxFuture<'static, Result<Lock, Error>> {
    async move { locks.acquire("a").await }.boxed_local()
}

fn is_acquire(statement: &Statement) -> bool {
    matches!(statement, Statement::Acquire(_))
}

fn is_release(statement: &Statement) -> bool {
    matches!(statement, Statement::Release(_))
}

#[test]
fn an_acquire_of_a_free_lock() {
    let turns = drop_everywhere(Bench::new, acquire);
    assert!(turns > 10, "{turns}: connecting, two statements, each with hesitations");
}

#[test]
fn an_acquire_whose_answers_are_lost() {
    for fate in [Fate::NotSent, Fate::AnswerLost] {
        let begin = || {
            let mut bench = Bench::new();
            bench.cleaning = Duration::from_secs(1);
            bench.world.first(3, fate, is_acquire);
            bench
        };
        let turns = drop_everywhere(begin, acquire);
        assert!(turns > 20, "{turns}: three connections break");
    }
}

#[test]
fn an_acquire_that_waits_for_a_dead_holder() {
    let begin = || {
        let bench = Bench::new();
        bench.world.take_from_outside("a");
        bench
    };
    let turns = drop_everywhere(begin, acquire);
    assert!(turns > 60, "{turns}: the holder is watched for thirty seconds");
}

#[test]
fn an_acquire_whose_give_back_is_lost_too() {
    let begin = || {
        let bench = Bench::new();
        bench.world.first(1, Fate::AnswerLost, is_release);
        bench
    };
    drop_everywhere(begin, acquire);
}

#[test]
fn a_try_and_a_probe() {
    drop_everywhere(Bench::new, |locks| async move { locks.try_acquire("a").await }.boxed_local());
    drop_everywhere(Bench::new, |locks| async move { locks.probe("a").await }.boxed_local());
}

#[test]
fn a_run_in_all_its_parts() {
    let turns = drop_everywhere(Bench::new, |locks| {
        let work = async {
            for _ in 0..5 {
                support::hesitate().await;
            }
        };
        async move { locks.run("a", |_| work).await }.boxed_local()
    });
    assert!(turns > 25, "{turns}: acquire, work, release");
}

#[test]
fn a_release() {
    drop_everywhere(Bench::new, |locks| {
        async move {
            let lock = locks.acquire("a").await.unwrap();
            lock.release().await
        }
        .boxed_local()
    });
}

/// Belief ends with the first poll, or with the future if there is none.
#[test]
fn a_release_ends_belief_however_often_it_is_polled() {
    for turns in 0..20 {
        let mut bench = Bench::new();
        let lock = bench.acquire();
        let hold = lock.hold();
        let done = bench.turns(turns, lock.release().boxed_local());
        assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
        bench.assert_nothing_is_left(turns);
        if let Some(released) = done {
            assert!(released.unwrap().confirmed);
            return assert!(turns > 2);
        }
    }
    panic!("it does not come to its end");
}

#[test]
fn whatever_is_asked_of_a_held_lock_does_not_end_it() {
    type Ask = fn(&Lock) -> LocalBoxFuture<'_, Result<(), Error>>;
    let asks: [Ask; 4] = [
        |lock| lock.heartbeat().boxed_local(),
        |lock| lock.set_data("new").boxed_local(),
        |lock| lock.clear_data().boxed_local(),
        |lock| lock.extend(LEASE * 2).boxed_local(),
    ];
    for ask in asks {
        assert!(ask_everywhere(ask) > 2);
    }
}

fn ask_everywhere(ask: fn(&Lock) -> LocalBoxFuture<'_, Result<(), Error>>) -> usize {
    for turns in 0.. {
        let mut bench = Bench::new();
        let lock = bench.acquire();
        let done = bench.turns(turns, ask(&lock));
        bench.settle();
        assert!(lock.is_held() && bench.is_ours(), "lost after {turns} turns");
        bench.pass(LEASE * 3);
        assert!(lock.is_held(), "not renewed after {turns} turns");
        drop(lock);
        bench.assert_nothing_is_left(turns);
        if let Some(answer) = done {
            assert_eq!(answer, Ok(()));
            return turns;
        }
    }
    unreachable!("the futures come to their ends")
}
