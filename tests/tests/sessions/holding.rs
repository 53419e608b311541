//! One lock after another, by one client: taken, taken again, given back, and then really free.

use pglock_driver::{AdvisoryMode, Error, Loss};

use crate::adapter::{Adapter, Stranger, database};

over_all_adapters! {
    a_lock_is_acquired_and_released,
    an_owner_takes_its_lock_again,
    exclusive_locks_are_released_as_often_as_they_were_taken,
    shared_locks_are_released_as_often_as_they_were_taken,
    both_modes_of_one_owner_are_counted_apart,
    a_dropped_guard_really_frees_the_lock,
    keys_are_independent,
    an_unlock_too_many_changes_nothing,
    a_shut_down_frees_all,
}

async fn a_lock_is_acquired_and_released(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    for _ in 0..2 {
        let lock = locks.acquire("a").await;
        assert!(lock.is_held() && !lock.is_at_risk());
        assert_eq!(lock.key().name(), Some("a"));
        assert!(!stranger.finds_free("a").await);
        lock.free().await;
        assert!(stranger.finds_free("a").await);
    }
    assert_eq!(stranger.count().await, 0);
}

async fn an_owner_takes_its_lock_again(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let owner = locks.owner();
    let lock = locks.advisory("a").by(&owner).acquire().await.unwrap();
    let again = locks.advisory("a").by(&owner).try_acquire().await.unwrap().expect("its own");
    assert!(locks.advisory("a").by(&locks.owner()).try_acquire().await.unwrap().is_none());
    assert!(locks.advisory("a").try_acquire().await.unwrap().is_none());
    lock.free().await;
    assert!(again.is_held() && !locks.finds_free("a").await);
    again.free().await;
    assert!(locks.finds_free("a").await);
}

async fn exclusive_locks_are_released_as_often_as_they_were_taken(adapter: Adapter) {
    stack(adapter, AdvisoryMode::Exclusive).await;
}

async fn shared_locks_are_released_as_often_as_they_were_taken(adapter: Adapter) {
    stack(adapter, AdvisoryMode::Shared).await;
}

async fn stack(adapter: Adapter, mode: AdvisoryMode) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let request = match mode {
        AdvisoryMode::Exclusive => locks.advisory("a"),
        AdvisoryMode::Shared => locks.advisory("a").shared(),
    };
    let first = request.acquire().await.unwrap();
    let mut held = vec![first.again().await.unwrap(), first.again().await.unwrap(), first];
    assert!(held.iter().all(|lock| lock.mode() == mode && lock.is_held()));
    while let Some(lock) = held.pop() {
        assert_eq!(stranger.count().await, 1);
        assert!(!others.finds_free("a").await);
        lock.free().await;
    }
    assert!(others.finds_free("a").await && stranger.finds_free("a").await);
}

async fn both_modes_of_one_owner_are_counted_apart(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    let owner = locks.owner();
    let alone = locks.advisory("a").by(&owner).acquire().await.unwrap();
    let shared = locks.advisory("a").by(&owner).shared().acquire().await.unwrap();
    assert_eq!(stranger.count().await, 2);
    alone.free().await;
    assert!(stranger.finds("array_agg(mode) = '{ShareLock}'").await);
    shared.free().await;
    assert_eq!(stranger.count().await, 0);
}

async fn a_dropped_guard_really_frees_the_lock(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await;
    let hold = (*lock).clone();
    assert_eq!(stranger.count().await, 1);
    drop(lock);
    assert_eq!(hold.ensure_held(), Err(Error::Lost(Loss::Released)));
    stranger.sees(0).await;
    assert!(stranger.finds_free("a").await);
}

async fn keys_are_independent(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let (a, one) = (locks.acquire("a").await, locks.acquire(1).await);
    let (b, pair) = (others.acquire("b").await, others.acquire((0, 1)).await);
    a.free().await;
    assert!(others.finds_free("a").await && !others.finds_free(1).await);
    assert!(one.is_held() && b.is_held() && pair.is_held());
    assert!(!locks.finds_free("b").await && !locks.finds_free((0, 1)).await);
}

/// A guard is gone with its release, so it takes a stranger to try.
async fn an_unlock_too_many_changes_nothing(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire(1).await;
    assert!(!stranger.says("SELECT pg_advisory_unlock(1)").await);
    lock.again().await.unwrap().free().await;
    assert!(lock.is_held() && !stranger.finds_free(1).await);
    lock.free().await;
    assert!(stranger.finds_free(1).await);
}

async fn a_shut_down_frees_all(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    let held = [locks.acquire("a").await, locks.acquire("b").await];
    let waiting = tokio::spawn({
        let request = locks.advisory("a");
        async move { request.acquire().await }
    });
    locks.shut_down().await;
    assert_eq!(stranger.count().await, 0);
    for lock in held {
        assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::Released)));
        assert!(lock.release().await.unwrap().confirmed);
    }
    assert_eq!(waiting.await.unwrap().unwrap_err(), Error::Closed);
    assert_eq!(locks.advisory("a").acquire().await.unwrap_err(), Error::Closed);
}
