//! Readers and writers, of one client and of several.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pglock_driver::{AskError, Error};

use crate::adapter::{Adapter, Stranger, database, ms};

over_all_adapters! {
    readers_are_in_together,
    a_writer_keeps_readers_out,
    readers_keep_a_writer_out,
    readers_and_writers_take_turns,
    whoever_shares_may_try_to_be_alone_but_not_wait,
}

async fn readers_are_in_together(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let mut readers = Vec::new();
    for handle in [&locks, &others, &locks, &others] {
        readers.push(handle.advisory("a").shared().try_acquire().await.unwrap().expect("a share"));
    }
    assert_eq!(stranger.count().await, 2, "one for each session");
    for reader in readers {
        assert!(reader.is_held());
        reader.free().await;
    }
    assert_eq!(stranger.count().await, 0);
}

async fn a_writer_keeps_readers_out(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let writer = locks.acquire("a").await;
    for handle in [&locks, &others] {
        assert!(handle.advisory("a").shared().try_acquire().await.unwrap().is_none());
        let late = handle.advisory("a").shared().acquire_within(ms(100)).await;
        assert_eq!(late.unwrap_err(), Error::TimedOut(None));
    }
    writer.free().await;
    assert!(others.advisory("a").shared().try_acquire().await.unwrap().is_some());
}

async fn readers_keep_a_writer_out(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let readers = [
        locks.advisory("a").shared().acquire().await.unwrap(),
        others.advisory("a").shared().acquire().await.unwrap(),
    ];
    let third = adapter.locks(&database).await;
    for reader in readers {
        for handle in [&locks, &others, &third] {
            assert!(!handle.finds_free("a").await);
        }
        reader.free().await;
    }
    assert!(third.finds_free("a").await);
}

/// Every fourth is a writer: alone, while readers are in with readers only.
async fn readers_and_writers_take_turns(adapter: Adapter) {
    const WRITER: usize = 1_000;
    let database = database();
    let handles = [adapter.locks(&database).await, adapter.locks(&database).await];
    let inside = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for task in 0..100 {
        let (request, inside) = (handles[task % 2].advisory("a"), Arc::clone(&inside));
        tasks.push(tokio::spawn(async move {
            let weight = if task % 4 == 0 { WRITER } else { 1 };
            let request = if weight == 1 { request.shared() } else { request };
            let lock = request.acquire().await.unwrap();
            let before = inside.fetch_add(weight, Ordering::SeqCst);
            assert!(before < if weight == 1 { WRITER } else { 1 }, "{before} and {weight}");
            tokio::task::yield_now().await;
            inside.fetch_sub(weight, Ordering::SeqCst);
            lock.free().await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(Stranger::of(&database).await.count().await, 0);
}

async fn whoever_shares_may_try_to_be_alone_but_not_wait(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let owner = locks.owner();
    let share = locks.advisory("a").by(&owner).shared().acquire().await.unwrap();
    let waits = locks.advisory("a").by(&owner).acquire().await.unwrap_err();
    assert!(matches!(waits, Error::Ask(AskError::Upgrade(_))), "{waits:?}");
    let other = others.advisory("a").shared().acquire().await.unwrap();
    assert!(locks.advisory("a").by(&owner).try_acquire().await.unwrap().is_none());
    other.free().await;
    let alone = locks.advisory("a").by(&owner).try_acquire().await.unwrap().expect("nobody else");
    assert_eq!(stranger.count().await, 2);
    alone.free().await;
    assert!(
        share.is_held() && others.advisory("a").shared().try_acquire().await.unwrap().is_some()
    );
}
