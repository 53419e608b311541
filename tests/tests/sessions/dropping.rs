//! Futures that are dropped after each poll until they come to their ends: others get the lock, and nobody is left in
//! the queue. Blocking calls cannot be dropped.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use pglock_driver::Loss;
use pglock_driver::{AdvisoryLock, AdvisoryRequest};
use pglock_tests::{Database, eventually};
use tokio::time::{interval, sleep};

use crate::adapter::{Adapter, Locks, Stranger, database, ms, options, run};

type Way = fn(&pglock_driver::Locks) -> AdvisoryRequest;

/// How a lock is asked for: alone or shared, by polls or in line.
const WAYS: [Way; 4] = [
    |locks| locks.advisory("a"),
    |locks| locks.advisory("a").shared(),
    |locks| locks.advisory("a").in_line(),
    |locks| locks.advisory("a").shared().in_line(),
];

/// Polls so often, at the future's own wake-ups and every millisecond, and drops the future right after the last poll
/// unless that was its end.
async fn polled<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut tick, mut polls) = (pin!(future), interval(ms(1)), 0);
    poll_fn(|cx| {
        if polls < times {
            polls += 1;
            if let Poll::Ready(value) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(value));
            }
        }
        while tick.poll_tick(cx).is_ready() {}
        if polls < times { Poll::Pending } else { Poll::Ready(None) }
    })
    .await
}

struct Bench {
    locks: pglock_driver::Locks,
    stranger: Stranger,
    _database: Database,
}

impl Bench {
    /// Waits are short in all their parts.
    async fn new() -> Self {
        let database = database();
        let options = options().poll(ms(5)).slice(ms(5));
        let Locks::Async(locks) = Adapter::TOKIO.locks_with(options, &database).await else {
            unreachable!()
        };
        let stranger = Stranger::of(&database).await;
        Self { locks, stranger, _database: database }
    }

    /// Does it again and again, each time with one poll more, until it comes to its end.
    async fn drop_everywhere<T>(&self, what: &str, mut task: impl AsyncFnMut() -> T) {
        for polls in 0.. {
            let done = polled(polls, task()).await;
            let came_to_its_end = done.is_some();
            drop(done);
            self.assert_nothing_is_left().await;
            if came_to_its_end {
                return println!("{what}: dropped at {} points", polls + 1);
            }
        }
    }

    /// What was on its way may still arrive, and is given back then; what is not given back is in the way ever after.
    async fn assert_nothing_is_left(&self) {
        self.stranger.execute("SELECT pg_advisory_unlock_all()").await;
        self.locks.counters().await.unwrap();
        eventually("nobody has the lock or waits for it", async || {
            self.stranger.finds_free("a").await && self.stranger.count().await == 0
        })
        .await;
    }

    async fn hold(&self, way: Way) -> AdvisoryLock {
        way(&self.locks).acquire().await.unwrap()
    }
}

#[test]
fn an_acquire_of_a_free_lock() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            bench.drop_everywhere("acquire", async || bench.hold(way).await).await;
        }
    });
}

/// The stranger gives it back after some polls.
#[test]
fn an_acquire_that_waits_until_the_lock_is_free() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            let wait = async || {
                bench.stranger.takes("a").await;
                let give_back = async {
                    sleep(ms(20)).await;
                    bench.stranger.gives_back("a").await;
                };
                tokio::join!(bench.hold(way), give_back).0
            };
            bench.drop_everywhere("acquire that waits", wait).await;
        }
    });
}

#[test]
fn an_acquire_whose_time_passes() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            let wait = async || {
                bench.stranger.takes("a").await;
                way(&bench.locks).acquire_within(ms(25)).await.unwrap_err()
            };
            bench.drop_everywhere("acquire in vain", wait).await;
        }
    });
}

#[test]
fn a_try() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            let free = async || way(&bench.locks).try_acquire().await.unwrap().unwrap();
            bench.drop_everywhere("try", free).await;
            let busy = async || {
                bench.stranger.takes("a").await;
                assert!(way(&bench.locks).try_acquire().await.unwrap().is_none());
            };
            bench.drop_everywhere("try in vain", busy).await;
        }
    });
}

#[test]
fn a_run_in_all_its_parts() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            let run = async || way(&bench.locks).run(|_| sleep(ms(5))).await.unwrap();
            bench.drop_everywhere("run", run).await;
        }
    });
}

#[test]
fn a_release() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            for polls in 0.. {
                let lock = bench.hold(way).await;
                let done = polled(polls, lock.release()).await;
                bench.assert_nothing_is_left().await;
                if let Some(released) = done {
                    assert!(released.unwrap().confirmed);
                    println!("release: dropped at {} points", polls + 1);
                    break;
                }
            }
        }
    });
}

/// The lock outlives the future, and ends with its guard.
#[test]
fn to_take_a_lock_again() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            for polls in 0.. {
                let lock = bench.hold(way).await;
                let again = polled(polls, lock.again()).await;
                assert!(lock.is_held());
                bench.stranger.sees(1).await;
                drop(lock);
                let came_to_its_end = again.is_some();
                drop(again);
                bench.assert_nothing_is_left().await;
                if came_to_its_end {
                    println!("again: dropped at {} points", polls + 1);
                    break;
                }
            }
        }
    });
}

/// The same, until the session is ended after some polls.
#[test]
fn to_wait_for_the_loss() {
    run(async {
        let bench = Bench::new().await;
        for way in WAYS {
            for polls in 0.. {
                let lock = bench.hold(way).await;
                let kill = async {
                    sleep(ms(5)).await;
                    bench.stranger.kills_the_holder("a").await;
                };
                let lost = polled(polls, async { tokio::join!(lock.lost(), kill).0 }).await;
                drop(lock);
                bench.assert_nothing_is_left().await;
                if let Some(loss) = lost {
                    assert_eq!(loss, Loss::SessionEnded);
                    println!("lost: dropped at {} points", polls + 1);
                    break;
                }
            }
        }
    });
}
