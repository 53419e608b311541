//! Holders that crash, and whoever takes over from them: never before the lease has passed, but then.
//!
//! A holder that crashes is one whose connections are cut for good; nothing is released.

use std::time::Duration;

use pglock_driver::{Error, Foreign, Heartbeat, Token};
use pglock_tests::{Database, Proxy, eventually};
use tokio::time::Instant;

use crate::adapter::{Adapter, Lock, Locks, Request, database, ms, options, run};

over_all_adapters! {
    a_waiter_takes_over,
    a_probe_of_a_new_handle_takes_over,
    repeated_tries_of_one_handle_take_over,
    a_probe_of_a_living_holder_is_refused,
    the_lease_of_the_holder_counts,
    one_of_many_takes_over,
    a_holder_of_the_go_library_is_waited_for_longer,
}

/// A holder that has crashed. The process lives on, so it must find out by itself that it lost the lock.
pub(crate) struct Crashed {
    pub(crate) token: Token,
    pub(crate) lock: Lock,
    _locks: Locks,
    _proxy: Proxy,
}

impl Crashed {
    pub(crate) const LEASE: Duration = Duration::from_millis(600);

    /// Holds the lock "a" with a short lease and crashes.
    pub(crate) async fn new(adapter: Adapter, database: &Database) -> Self {
        Self::with(adapter, database, |locks| locks.request("a")).await
    }

    pub(crate) async fn with(
        adapter: Adapter,
        database: &Database,
        request: impl FnOnce(&Locks) -> Request,
    ) -> Self {
        let proxy = Proxy::new(database.url());
        let locks = adapter.open(options(), proxy.url()).await.unwrap();
        let request = request(&locks).lease(Self::LEASE).owner("crashed");
        let lock = request.acquire().await.unwrap();
        proxy.cut();
        Self { token: lock.token(), lock, _locks: locks, _proxy: proxy }
    }
}

async fn a_waiter_takes_over(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let crashed = Crashed::new(adapter, &database).await;
    let begun = Instant::now();
    let lock = locks.acquire("a").await.unwrap();
    assert!(begun.elapsed() >= Crashed::LEASE, "{:?}", begun.elapsed());
    assert!(!crashed.lock.is_held(), "it knows without being told");
    assert!(lock.token() > crashed.token);
    assert!(lock.release().await.unwrap().confirmed);
}

async fn a_probe_of_a_new_handle_takes_over(adapter: Adapter) {
    let database = database();
    let crashed = Crashed::new(adapter, &database).await;
    let locks = adapter.locks(&database).await;
    let begun = Instant::now();
    let lock = locks.probe("a").await.unwrap().expect("a dead holder's lock");
    assert!(begun.elapsed() >= Crashed::LEASE, "{:?}", begun.elapsed());
    assert!(!crashed.lock.is_held());
    assert!(lock.token() > crashed.token);
}

async fn repeated_tries_of_one_handle_take_over(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let crashed = Crashed::new(adapter, &database).await;
    let begun = Instant::now();
    let mut refused = 0;
    let lock = loop {
        match locks.try_acquire("a").await.unwrap() {
            Some(lock) => break lock,
            None => refused += 1,
        }
        tokio::time::sleep(ms(20)).await;
    };
    assert!(begun.elapsed() >= Crashed::LEASE, "{:?}", begun.elapsed());
    assert!(refused > 0);
    assert!(!crashed.lock.is_held());
    assert!(lock.token() > crashed.token);
}

async fn a_probe_of_a_living_holder_is_refused(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let request = locks.request("a").heartbeat(Heartbeat::Every(ms(100)));
    let lock = request.acquire().await.unwrap();
    let begun = Instant::now();
    assert!(others.probe("a").await.unwrap().is_none());
    assert!(begun.elapsed() < ms(20_000), "its first sign of life is enough");
    assert!(lock.is_held());
    let free = others.probe("b").await.unwrap().expect("a free lock");
    assert!(free.is_held());
}

async fn the_lease_of_the_holder_counts(adapter: Adapter) {
    let database = database();
    let crashed = Crashed::with(adapter, &database, |locks| locks.request("short")).await;
    let patient = adapter.locks_with(options().lease(ms(60_000)), &database).await;
    let begun = Instant::now();
    let lock = patient.acquire("short").await.unwrap();
    assert!(begun.elapsed() >= Crashed::LEASE, "{:?}", begun.elapsed());
    assert!(begun.elapsed() < ms(60_000), "its own lease does not count: {:?}", begun.elapsed());
    assert!(lock.token() > crashed.token);

    let proxy = Proxy::new(database.url());
    let locks = adapter.open(options(), proxy.url()).await.unwrap();
    let long = locks.request("long").lease(ms(1_500)).acquire().await.unwrap();
    let hasty = adapter.locks_with(options().lease(ms(400)), &database).await;
    proxy.cut();
    let begun = Instant::now();
    let lock = hasty.acquire("long").await.unwrap();
    assert!(begun.elapsed() >= ms(1_500), "{:?}", begun.elapsed());
    assert!(!long.is_held() && lock.token() > long.token());
}

async fn one_of_many_takes_over(adapter: Adapter) {
    let database = database();
    let crashed = Crashed::new(adapter, &database).await;
    let mut taking = Vec::new();
    for _ in 0..8 {
        let locks = adapter.locks(&database).await;
        taking.push(tokio::spawn(async move {
            let lock = locks.probe("a").await.unwrap();
            lock.map(|lock| (lock, locks))
        }));
    }
    let mut taken = Vec::new();
    for take in taking {
        taken.extend(take.await.unwrap());
    }
    assert_eq!(taken.len(), 1, "one, and only one");
    assert!(taken[0].0.token() > crashed.token);
}

/// It keeps no deadline of its own, and whatever lease stands in its row is from somebody else.
async fn a_holder_of_the_go_library_is_waited_for_longer(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    database
        .execute("INSERT INTO locks (name, record_version_number, lease_ms) VALUES ('a', 7, 100)");
    let late = locks.acquire_within("a", ms(700)).await;
    let Err(Error::TimedOut(Some(holder))) = late else { panic!("{late:?}") };
    assert_eq!(holder.lease, ms(30_000));
    let foreign = Foreign { lease: ms(200), heartbeat: ms(200), shortest_lease: None };
    let options = options().lease(ms(500)).foreign(foreign);
    let hasty = adapter.locks_with(options, &database).await;
    let begun = Instant::now();
    drop(hasty.acquire("a").await.unwrap());
    assert!(begun.elapsed() >= ms(900), "{:?}", begun.elapsed());
}

#[test]
fn a_handle_whose_runtime_has_ended_holds_nothing_and_asks_for_nothing() {
    let database = database();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (locks, lock) = runtime.block_on(async {
        let locks = Adapter::TOKIO.locks(&database).await;
        let lock = locks.request("a").lease(Crashed::LEASE).acquire().await.unwrap();
        (locks, lock)
    });
    let begun = Instant::now();
    runtime.shutdown_background();
    run(async {
        eventually("the loop has ended", async || !lock.is_held()).await;
        assert!(matches!(lock.ensure_held(), Err(Error::Lost(_))));
        assert_eq!(locks.get("a").await, Err(Error::Closed));
        let others = Adapter::TOKIO.locks(&database).await;
        let other = others.acquire("a").await.unwrap();
        assert!(begun.elapsed() >= Crashed::LEASE);
        assert!(other.token() > lock.token());
        assert_eq!(lock.release().await.unwrap_err(), Error::Closed);
    });
}
