//! Having a lock, and not having it.

use pglock_driver::{Error, Loss, Wait};
use pglock_tests::eventually;
use tokio::time::{Instant, timeout};

use crate::adapter::{Adapter, database, ms, options, run};

over_all_adapters! {
    a_lock_is_held_until_it_is_released,
    a_try_fails_while_the_lock_is_held,
    a_try_in_the_same_process_fails_too,
    acquire_waits_until_the_lock_is_released,
    waiting_ends_when_its_time_has_passed,
    an_unknown_name_reads_as_nothing,
    the_owner_is_visible,
    a_dropped_guard_gives_the_lock_back,
    tokens_grow,
    a_lock_lives_on_with_another_lease,
}

async fn a_lock_is_held_until_it_is_released(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("invoice-42").await.unwrap();
    let hold = lock.hold();
    assert_eq!(hold.name(), "invoice-42");
    assert!(hold.is_held() && !hold.is_at_risk());
    assert!(hold.remaining() > ms(0) && hold.remaining() < ms(20_000));
    assert!(locks.get("invoice-42").await.unwrap().unwrap().is_held());
    assert!(lock.release().await.unwrap().confirmed);
    assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
    assert_eq!(hold.remaining(), ms(0));
    assert!(!locks.get("invoice-42").await.unwrap().unwrap().is_held());
}

async fn a_try_fails_while_the_lock_is_held(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await.unwrap();
    assert!(others.try_acquire("a").await.unwrap().is_none());
    assert!(others.try_acquire("a").await.unwrap().is_none(), "a second look is no steal");
    let other = others.try_acquire("b").await.unwrap().expect("another lock");
    lock.release().await.unwrap();
    let lock = others.try_acquire("a").await.unwrap().expect("a free lock");
    assert!(lock.is_held() && other.is_held());
}

async fn a_try_in_the_same_process_fails_too(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").owner("first").acquire().await.unwrap();
    let Err(Error::Busy(Some(holder))) = locks.request("a").wait(Wait::Try).acquire().await else {
        panic!("one lock was held twice");
    };
    assert_eq!(holder.owner.as_deref(), Some("first"));
    assert_eq!(holder.token, Some(lock.token()));
    assert!(locks.probe("a").await.unwrap().is_none());
}

async fn acquire_waits_until_the_lock_is_released(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await.unwrap();
    let waiting = tokio::spawn(async move { others.acquire("a").await });
    assert!(locks.acquire_within("b", ms(10_000)).await.is_ok(), "others do not wait");
    assert!(!waiting.is_finished());
    let begun = Instant::now();
    lock.release().await.unwrap();
    let other = waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() < ms(15_000), "it was released, not expired");
    assert!(other.is_held());
}

async fn waiting_ends_when_its_time_has_passed(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.request("a").owner("first").acquire().await.unwrap();
    for waiter in [&others, &locks] {
        let begun = Instant::now();
        let Err(Error::TimedOut(Some(holder))) = waiter.acquire_within("a", ms(300)).await else {
            panic!("the lock is held, or was not looked at");
        };
        assert!(begun.elapsed() >= ms(300));
        assert_eq!(holder.owner.as_deref(), Some("first"));
        assert_eq!(holder.token, Some(lock.token()));
    }
    assert!(lock.is_held());
}

#[test]
fn waiters_of_one_handle_get_the_lock_in_their_order() {
    run(async {
        let database = database();
        let locks = Adapter::TOKIO.locks(&database).await;
        let first = locks.acquire("a").await.unwrap();
        let mut waiting = Vec::new();
        for _ in 0..5 {
            let waiter = locks.clone();
            let mut waiter = Box::pin(async move { waiter.acquire("a").await });
            assert!(timeout(ms(0), &mut waiter).await.is_err());
            waiting.push(waiter);
        }
        let mut token = first.token();
        first.release().await.unwrap();
        for waiter in waiting {
            let lock = waiter.await.unwrap();
            assert!(lock.token() > token);
            token = lock.token();
            lock.release().await.unwrap();
        }
    });
}

async fn an_unknown_name_reads_as_nothing(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    assert_eq!(locks.get("nobody").await.unwrap(), None);
    assert_eq!(locks.list("nobody").await.unwrap(), []);
}

async fn the_owner_is_visible(adapter: Adapter) {
    let database = database();
    let options = options().owner("billing-7");
    let locks = adapter.locks_with(options, &database).await;
    let ours = locks.acquire("a").await.unwrap();
    let theirs = locks.request("b").owner("José \"x\"").acquire().await.unwrap();
    let others = adapter.locks(&database).await;
    for (lock, owner) in [(&ours, "billing-7"), (&theirs, "José \"x\"")] {
        let entry = others.get(lock.name()).await.unwrap().unwrap();
        assert_eq!(entry.owner.as_deref(), Some(owner));
        assert_eq!(entry.token, Some(lock.token()));
        assert_eq!(entry.lease, Some(ms(20_000)));
        let tried = others.request(lock.name()).wait(Wait::Try).acquire().await;
        let Err(Error::Busy(Some(holder))) = tried else { panic!("{tried:?}") };
        assert_eq!(holder.owner.as_deref(), Some(owner));
    }
}

async fn a_dropped_guard_gives_the_lock_back(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await.unwrap();
    let hold = lock.hold();
    drop(lock);
    assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)), "at once");
    eventually("the row is free", async || !others.get("a").await.unwrap().unwrap().is_held())
        .await;
    assert!(others.try_acquire("a").await.unwrap().is_some());
}

async fn tokens_grow(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let mut last = None;
    for holder in [&locks, &others, &locks] {
        let lock = holder.acquire("a").await.unwrap();
        assert!(Some(lock.token()) > last);
        last = Some(lock.token());
        lock.heartbeat().await.unwrap();
        assert_eq!(Some(lock.token()), last);
        lock.release().await.unwrap();
    }
    database.execute("DELETE FROM locks");
    let lock = locks.acquire("a").await.unwrap();
    assert!(Some(lock.token()) > last, "also when the row was deleted");
}

async fn a_lock_lives_on_with_another_lease(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    lock.extend(ms(60_000)).await.unwrap();
    assert!(lock.remaining() > ms(20_000) && lock.remaining() < ms(60_000));
    let lease = async || locks.get("a").await.unwrap().unwrap().lease;
    assert_eq!(lease().await, Some(ms(60_000)));
    lock.extend(ms(10_000)).await.unwrap();
    assert!(lock.remaining() < ms(10_000), "a shorter one counts, too");
    assert_eq!(lease().await, Some(ms(10_000)));
    let refused = lock.extend(ms(1)).await;
    assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    assert!(lock.is_held());
}
