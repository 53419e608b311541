//! Many clients, many tasks, many locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use pglock_tests::Database;
use tokio::sync::{Mutex, MutexGuard};

use crate::adapter::{Adapter, Locks, database, ms, options};

over_all_adapters! {
    a_hundred_locks_share_a_few_connections,
}

over_each_driver! {
    a_thousand_tasks_share_one_lock,
    a_crowd_shares_one_lock_under_repeatable_read,
    a_crowd_shares_one_lock_under_serializable,
    a_hundred_clients_hold_a_hundred_locks,
}

/// Crowds take turns, since servers have room for only so many connections.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

async fn clients(adapter: Adapter, database: &Arc<Database>, number: usize) -> Vec<Locks> {
    let options = options().work_sessions(1).poll(ms(100)).connect_deadline(ms(120_000));
    let first = adapter.locks_with(options.clone(), database).await;
    let mut starting = Vec::new();
    for _ in 1..number {
        let (options, database) = (options.clone(), Arc::clone(database));
        starting.push(tokio::spawn(async move { adapter.locks_with(options, &database).await }));
    }
    let mut clients = vec![first];
    for start in starting {
        clients.push(start.await.unwrap());
    }
    clients
}

async fn all_shut_down(clients: Vec<Locks>) {
    for locks in clients {
        locks.shut_down().await;
    }
}

async fn a_thousand_tasks_share_one_lock(adapter: Adapter) {
    share_one_lock(adapter, "read committed", 1_024).await;
}

async fn a_crowd_shares_one_lock_under_repeatable_read(adapter: Adapter) {
    share_one_lock(adapter, "repeatable read", 128).await;
}

async fn a_crowd_shares_one_lock_under_serializable(adapter: Adapter) {
    share_one_lock(adapter, "serializable", 128).await;
}

/// So many tasks of 16 clients.
async fn share_one_lock(adapter: Adapter, isolation: &str, tasks: usize) {
    let _turn = turn().await;
    let database = Arc::new(database());
    database.set_default("default_transaction_isolation", isolation);
    let clients = clients(adapter, &database, 16).await;
    let inside = Arc::new(AtomicUsize::new(0));
    let last = Arc::new(AtomicI64::new(0));
    let mut working = Vec::new();
    for task in 0..tasks {
        let locks = clients[task % clients.len()].clone();
        let (inside, last) = (Arc::clone(&inside), Arc::clone(&last));
        working.push(tokio::spawn(async move {
            let lock = locks.acquire("a").await.unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two tasks hold one lock");
            let token = lock.token().as_i64();
            assert!(last.swap(token, Ordering::SeqCst) < token, "tokens grow");
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            assert!(lock.release().await.unwrap().confirmed);
        }));
    }
    for task in working {
        task.await.unwrap();
    }
    all_shut_down(clients).await;
}

async fn a_hundred_clients_hold_a_hundred_locks(adapter: Adapter) {
    let _turn = turn().await;
    let database = Arc::new(database());
    let clients = clients(adapter, &database, 100).await;
    let mut held = Vec::new();
    for (number, locks) in clients.iter().enumerate() {
        let owner = format!("client {number}");
        let request = locks.request(&format!("{number}")).owner(&owner);
        held.push(request.try_acquire().await.unwrap().expect("a free lock"));
    }
    let entries = clients[0].list("").await.unwrap();
    assert_eq!(entries.len(), 100);
    for entry in entries {
        assert!(entry.is_held());
        assert_eq!(entry.owner, Some(format!("client {}", entry.name)));
    }
    for lock in held {
        assert!(lock.release().await.unwrap().confirmed);
    }
    all_shut_down(clients).await;
}

async fn a_hundred_locks_share_a_few_connections(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let mut acquiring = Vec::new();
    for number in 0..100 {
        let locks = locks.clone();
        let name = format!("{number}");
        acquiring.push(tokio::spawn(async move { locks.acquire(&name).await.unwrap() }));
    }
    let mut held = Vec::new();
    for acquire in acquiring {
        held.push(acquire.await.unwrap());
    }
    for lock in &held {
        lock.heartbeat().await.unwrap();
    }
    let session = database.connect().await;
    let backends = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'pglock'";
    let backends: usize = session.ask(backends).await.unwrap().parse().unwrap();
    assert!((1..=3).contains(&backends), "{backends}");
    for lock in held {
        assert!(lock.is_held());
        assert!(lock.release().await.unwrap().confirmed);
    }
}
