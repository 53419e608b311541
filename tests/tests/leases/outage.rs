//! The whole server or network is away for a while.

use pglock_driver::{Error, Failure, Loss};
use pglock_tests::{Private, Proxy, eventually};
use tokio::time::Instant;

use crate::adapter::{Adapter, database, ms, options};

over_all_adapters! {
    locks_survive_that_their_backends_are_killed,
    locks_survive_a_restart_of_the_server,
    a_holder_cut_off_knows_that_it_lost_its_lock,
    a_waiter_waits_through_an_outage,
    a_handle_shuts_down_without_a_server,
}

over_each_driver! {
    a_holder_in_a_silent_network_knows_it_too,
    a_try_does_not_last_for_ever,
}

const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'pglock'";

async fn locks_survive_that_their_backends_are_killed(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    let idle = locks.acquire("b").await.unwrap();
    for _ in 0..3 {
        database.execute(KILL);
        lock.heartbeat().await.unwrap();
        database.execute(KILL);
        lock.set_data(b"alive").await.unwrap();
    }
    database.execute(KILL);
    for lock in [lock, idle] {
        lock.ensure_held().unwrap();
        assert!(lock.release().await.unwrap().confirmed);
    }
    assert!(locks.list("").await.unwrap().iter().all(|entry| !entry.is_held()));
}

async fn locks_survive_a_restart_of_the_server(adapter: Adapter) {
    let server = Private::new();
    let database = server.database();
    let options = options().lease(ms(60_000));
    let locks = adapter.locks_with(options, &database).await;
    let lock = locks.acquire("a").await.unwrap();
    for end in [Private::stop, Private::crash] {
        end(&server);
        server.start();
        let valid_until = lock.valid_until();
        lock.heartbeat().await.unwrap();
        assert!(lock.valid_until() > valid_until);
        let entry = locks.get("a").await.unwrap().unwrap();
        assert_eq!(entry.token, Some(lock.token()));
        let others = adapter.locks(&database).await;
        assert!(others.try_acquire("a").await.unwrap().is_none());
    }
    assert!(lock.release().await.unwrap().confirmed);
}

async fn a_holder_cut_off_knows_that_it_lost_its_lock(adapter: Adapter) {
    loses_its_lock_by_its_own_clock(adapter, Proxy::cut).await;
}

async fn a_holder_in_a_silent_network_knows_it_too(adapter: Adapter) {
    loses_its_lock_by_its_own_clock(adapter, Proxy::fall_silent).await;
}

async fn loses_its_lock_by_its_own_clock(adapter: Adapter, end: impl FnOnce(&Proxy)) {
    let database = database();
    let proxy = Proxy::new(database.url());
    let locks = adapter.open(options(), proxy.url()).await.unwrap();
    let others = adapter.locks(&database).await;
    let short = locks.request("short").lease(ms(1_000)).acquire().await.unwrap();
    let long = locks.request("long").lease(ms(60_000)).acquire().await.unwrap();
    end(&proxy);
    let hold = short.hold();
    let taking = tokio::spawn(async move {
        let taken = others.acquire("short").await.unwrap();
        assert!(!hold.is_held(), "two believe in one lock");
        taken
    });
    assert_eq!(short.lost().await, Loss::Expired);
    assert_eq!(short.ensure_held(), Err(Error::Lost(Loss::Expired)));
    long.ensure_held().expect("a lock with a long lease lives on");
    let taken = taking.await.unwrap();
    assert!(taken.token() > short.token());
    proxy.heal();
    long.heartbeat().await.unwrap();
    assert!(long.release().await.unwrap().confirmed);
    assert_eq!(short.release().await.unwrap_err(), Error::Lost(Loss::Expired));
    taken.heartbeat().await.expect("a lock that the one before leaves alone");
}

async fn a_waiter_waits_through_an_outage(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    let locks = adapter.open(options(), proxy.url()).await.unwrap();
    let others = adapter.locks(&database).await;
    let lock = others.acquire("a").await.unwrap();
    proxy.forget();
    let waiting = tokio::spawn(async move { locks.acquire("a").await });
    // Who asks again has had an answer, and waits.
    let asked = || proxy.round_trips().iter().filter(|trip| trip.executed).count();
    eventually("it waits", async || asked() > 1).await;
    proxy.cut();
    lock.release().await.unwrap();
    eventually("it has asked in vain", async || proxy.refused() > 0).await;
    assert!(!waiting.is_finished());
    proxy.heal();
    let other = waiting.await.unwrap().unwrap();
    assert!(other.is_held());
}

async fn a_try_does_not_last_for_ever(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    adapter.locks(&database).await;
    let options = options().patience(ms(1_000));
    let locks = adapter.open(options, proxy.url()).await.unwrap();
    for end in [Proxy::cut, Proxy::fall_silent] {
        end(&proxy);
        let begun = Instant::now();
        let tried = locks.try_acquire("a").await.map(|lock| lock.is_some());
        assert_eq!(tried, Err(Error::Failed(Failure::Unreachable(None))));
        assert!(begun.elapsed() >= ms(1_000));
        let asked = locks.get("a").await;
        assert_eq!(asked, Err(Error::Failed(Failure::Unreachable(None))));
        let message = asked.unwrap_err().to_string();
        assert!(message.contains("no answer"), "{message}");
    }
    proxy.heal();
    eventually("there are locks again", async || locks.try_acquire("a").await.is_ok()).await;
}

async fn a_handle_shuts_down_without_a_server(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    adapter.locks(&database).await;
    let options = options().lease(ms(1_000)).patience(ms(1_000));
    let locks = adapter.open(options, proxy.url()).await.unwrap();
    let lock = locks.acquire("a").await.unwrap();
    let hold = lock.hold();
    proxy.cut();
    locks.shut_down().await;
    assert!(!hold.is_held());
    let released = lock.release().await;
    assert!(!matches!(released, Ok(released) if released.confirmed), "{released:?}");
    assert_eq!(locks.counters().await, Err(Error::Closed));
}
