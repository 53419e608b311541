//! Work under a lock, which ends when the lock is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pglock_driver::{Error, Heartbeat, Loss};
use tokio::sync::oneshot;

use crate::adapter::{Adapter, Locks, blocking, database, ms, options, run};
use crate::crash::Crashed;

/// Tells when it goes away.
struct Alarm(Arc<AtomicBool>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn async_locks(locks: Locks) -> pglock_driver::Locks {
    let Locks::Async(locks) = locks else { panic!("locks of another adapter") };
    locks
}

fn sync_locks(locks: Locks) -> pglock_postgres::Locks {
    let Locks::Postgres(locks) = locks else { panic!("locks of another adapter") };
    locks
}

#[test]
fn async_work_is_done_under_the_lock() {
    run(async {
        let database = database();
        let others = Adapter::TOKIO.locks(&database).await;
        let locks = async_locks(Adapter::TOKIO.locks(&database).await);
        let done = locks.run("a", |hold| {
            let others = others.clone();
            async move {
                assert!(others.try_acquire("a").await.unwrap().is_none());
                hold.token()
            }
        });
        let token = done.await.unwrap();
        let after = others.try_acquire("a").await.unwrap().expect("a lock given back");
        assert!(after.token() > token);
    });
}

#[test]
fn async_work_is_dropped_when_the_lock_is_lost() {
    run(async {
        let database = database();
        let options = options().heartbeat(Heartbeat::Every(ms(20)));
        let locks = async_locks(Adapter::TOKIO.locks_with(options, &database).await);
        let dropped = Arc::new(AtomicBool::new(false));
        let (begun, beginning) = oneshot::channel();
        let alarm = Alarm(Arc::clone(&dropped));
        let working = tokio::spawn(async move {
            let work = |_| async move {
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
                drop(alarm);
            };
            locks.run("a", work).await
        });
        beginning.await.unwrap();
        assert!(!dropped.load(Ordering::SeqCst));
        database.execute("UPDATE locks SET record_version_number = 7");
        assert_eq!(working.await.unwrap(), Err(Error::Lost(Loss::TakenOver)));
        assert!(dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn a_run_that_is_dropped_gives_the_lock_back() {
    run(async {
        let database = database();
        let others = Adapter::TOKIO.locks(&database).await;
        let locks = async_locks(Adapter::TOKIO.locks(&database).await);
        let (begun, beginning) = oneshot::channel();
        let work = |_| async move {
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = locks.run("a", work) => panic!("{done:?}"),
            beginning = beginning => beginning.unwrap(),
        }
        let lock = others.acquire_within("a", ms(15_000)).await.unwrap();
        assert!(lock.is_held());
    });
}

#[test]
fn sync_work_is_done_under_the_lock() {
    run(async {
        let database = database();
        let others = Adapter::Postgres.locks(&database).await;
        let locks = sync_locks(Adapter::Postgres.locks(&database).await);
        let spying = sync_locks(others.clone());
        let work = move || {
            locks.run("a", |lock| {
                assert!(spying.try_acquire("a").unwrap().is_none());
                lock.token()
            })
        };
        let token = blocking(work).await.unwrap();
        let after = others.try_acquire("a").await.unwrap().expect("a lock given back");
        assert!(after.token() > token);
    });
}

#[test]
fn sync_work_hears_of_a_loss_and_so_does_its_result() {
    run(async {
        let database = Arc::new(database());
        let options = options().heartbeat(Heartbeat::Every(ms(20)));
        let locks = sync_locks(Adapter::Postgres.locks_with(options, &database).await);
        let meddler = Arc::clone(&database);
        let work = move || {
            locks.run("a", |lock| {
                lock.ensure_held().unwrap();
                meddler.execute("UPDATE locks SET record_version_number = 7");
                assert_eq!(lock.lost(), Loss::TakenOver);
                assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::TakenOver)));
            })
        };
        assert_eq!(blocking(work).await, Err(Error::Lost(Loss::TakenOver)));
    });
}

/// Without a heartbeat only giving the lock back can show that it was lost.
#[test]
fn a_loss_that_only_the_release_shows_is_in_the_result() {
    run(async {
        let database = Arc::new(database());
        let by_hand = || options().heartbeat(Heartbeat::ByHand);
        let locks = async_locks(Adapter::TOKIO.locks_with(by_hand(), &database).await);
        let done = locks.run("a", |hold| {
            let (locks, token) = (locks.clone(), hold.token());
            async move { locks.evict("a", token).await.unwrap().expect("a lock that was held") }
        });
        assert_eq!(done.await, Err(Error::Lost(Loss::TakenOver)));

        let locks = sync_locks(Adapter::Postgres.locks_with(by_hand(), &database).await);
        let work = move || {
            locks.run("a", |lock| locks.evict("a", lock.token()).unwrap().expect("a held lock"))
        };
        assert_eq!(blocking(work).await, Err(Error::Lost(Loss::TakenOver)));
    });
}

#[test]
fn async_work_waits_for_a_dead_holder_first() {
    run(async {
        let database = database();
        let crashed = Crashed::new(Adapter::TOKIO, &database).await;
        let locks = async_locks(Adapter::TOKIO.locks(&database).await);
        let token = locks.run("a", |hold| async move { hold.token() }).await.unwrap();
        assert!(token > crashed.token);
    });
}
