//! Many workers, many locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pglock_tests::Private;

use crate::adapter::{Adapter, Locks, Stranger, database, options, run};

over_all_adapters! {
    workers_at_once_are_in_one_after_the_other,
    workers_one_after_the_other_all_have_their_turn,
    each_task_takes_what_nobody_else_is_at,
    a_thousand_locks_share_one_connection,
}

async fn workers_at_once_are_in_one_after_the_other(adapter: Adapter) {
    let database = database();
    let mut handles = Vec::new();
    for _ in 0..4 {
        handles.push(adapter.locks(&database).await);
    }
    let (inside, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = Vec::new();
    for task in 0..100 {
        let request = handles[task % handles.len()].advisory("a");
        let (inside, done) = (Arc::clone(&inside), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            let lock = request.acquire().await.unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two workers hold one lock");
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            done.fetch_add(1, Ordering::SeqCst);
            lock.free().await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(done.load(Ordering::SeqCst), 100);
    assert_eq!(Stranger::of(&database).await.count().await, 0);
}

async fn workers_one_after_the_other_all_have_their_turn(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    for worker in 0..50 {
        let handle = if worker % 2 == 0 { &locks } else { &others };
        let lock = handle.advisory("a").try_acquire().await.unwrap().expect("a free lock");
        lock.free().await;
    }
}

async fn each_task_takes_what_nobody_else_is_at(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let mut held = Vec::new();
    for job in 0..10 {
        for handle in [&locks, &others] {
            held.extend(handle.advisory(job).try_acquire().await.unwrap());
        }
    }
    assert_eq!(held.len(), 10);
}

async fn a_thousand_locks_share_one_connection(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    share_one_connection(1_000, &locks, &Stranger::of(&database).await).await;
}

/// On a server that has the room, which it gets by a setting.
#[test]
fn ten_thousand_locks_share_one_connection() {
    run(async {
        let server = Private::new();
        server.database().execute("ALTER SYSTEM SET max_locks_per_transaction = 256");
        server.restart();
        let database = server.database();
        for adapter in [Adapter::TOKIO, Adapter::Postgres] {
            let locks = adapter.locks_with(options().advisory_places(10_000), &database).await;
            share_one_connection(10_000, &locks, &Stranger::of(&database).await).await;
        }
    });
}

async fn share_one_connection(number: i64, locks: &Locks, stranger: &Stranger) {
    let mut held = Vec::new();
    for key in 0..number {
        held.push(locks.acquire(key).await);
    }
    assert_eq!(stranger.count().await, held.len());
    assert!(stranger.finds("count(DISTINCT pid) = 1").await);
    assert!(held.iter().all(|lock| lock.is_held()));
    while !held.is_empty() {
        held.truncate(held.len().saturating_sub(500));
        stranger.sees(held.len()).await;
    }
}
