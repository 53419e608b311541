//! Signs of life: made by the handle, by hand, or not at all.

use pglock_driver::{Error, Heartbeat, Loss};
use pglock_tests::eventually;
use tokio::time::Instant;

use crate::adapter::{Adapter, Locks, database, ms};

over_all_adapters! {
    heartbeats_keep_a_lock_beyond_its_lease,
    heartbeats_come_as_often_as_they_are_told,
    a_lock_without_heartbeats_lasts_one_lease,
    heartbeats_by_hand_keep_a_lock,
    a_heartbeat_on_a_lock_that_is_lost_is_an_error,
    heartbeats_that_race_with_releases_leave_nothing_locked,
}

async fn rvn(locks: &Locks, name: &str) -> i64 {
    locks.get(name).await.unwrap().unwrap().rvn.expect("a held row").as_i64()
}

async fn heartbeats_keep_a_lock_beyond_its_lease(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.request("a").lease(ms(2_000)).acquire().await.unwrap();
    let waiting = tokio::spawn(async move { others.acquire("a").await });
    let goal = lock.valid_until().saturating_add(ms(4_000));
    eventually("it outlives its lease", async || {
        lock.ensure_held().unwrap();
        lock.valid_until() > goal
    })
    .await;
    assert!(!waiting.is_finished());
    lock.release().await.unwrap();
    waiting.await.unwrap().unwrap();
}

async fn heartbeats_come_as_often_as_they_are_told(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let often = Heartbeat::Every(ms(20));
    let lock = locks.request("a").heartbeat(often).acquire().await.unwrap();
    for _ in 0..3 {
        let (before, valid_until) = (rvn(&locks, "a").await, lock.valid_until());
        eventually("there is a heartbeat", async || {
            rvn(&locks, "a").await != before && lock.valid_until() > valid_until
        })
        .await;
    }
    let too_slow = locks.request("b").heartbeat(Heartbeat::Every(ms(9_000))).acquire().await;
    assert!(matches!(too_slow, Err(Error::Config(_))), "{too_slow:?}");
}

async fn a_lock_without_heartbeats_lasts_one_lease(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let request = locks.request("a").lease(ms(600)).heartbeat(Heartbeat::ByHand);
    let begun = Instant::now();
    let lock = request.acquire().await.unwrap();
    assert_eq!(lock.lost().await, Loss::Expired);
    assert!(begun.elapsed() >= ms(580), "{:?}", begun.elapsed());
    assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::Expired)));
    let other = others.acquire("a").await.unwrap();
    assert!(begun.elapsed() >= ms(600));
    assert!(other.token() > lock.token());
    assert_eq!(lock.release().await.unwrap_err(), Error::Lost(Loss::Expired));
    assert!(other.is_held());
}

async fn heartbeats_by_hand_keep_a_lock(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").heartbeat(Heartbeat::ByHand).acquire().await.unwrap();
    let mut seen = vec![rvn(&locks, "a").await];
    let mut valid_until = lock.valid_until();
    for _ in 0..3 {
        lock.heartbeat().await.unwrap();
        let now = rvn(&locks, "a").await;
        assert!(!seen.contains(&now), "a number comes only once");
        assert!(lock.valid_until() > valid_until);
        seen.push(now);
        valid_until = lock.valid_until();
    }
    lock.release().await.unwrap();
}

async fn a_heartbeat_on_a_lock_that_is_lost_is_an_error(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    database.execute("UPDATE locks SET record_version_number = 7");
    for _ in 0..2 {
        assert_eq!(lock.heartbeat().await, Err(Error::Lost(Loss::TakenOver)));
    }
    let refused = lock.extend(ms(30_000)).await;
    assert_eq!(refused, Err(Error::Lost(Loss::TakenOver)));
    assert_eq!(rvn(&locks, "a").await, 7, "whoever has it now is left alone");
}

async fn heartbeats_that_race_with_releases_leave_nothing_locked(adapter: Adapter) {
    let database = database();
    let handles = [adapter.locks(&database).await, adapter.locks(&database).await];
    let mut racing = Vec::new();
    for name in 0..12_usize {
        let locks = handles[name % 2].clone();
        racing.push(tokio::spawn(async move {
            for round in 0..10 {
                let often = Heartbeat::Every(ms(1));
                let name = format!("{name}");
                let lock = locks.request(&name).heartbeat(often).acquire().await.unwrap();
                if round % 2 == 0 {
                    lock.heartbeat().await.unwrap();
                }
                assert!(lock.release().await.unwrap().confirmed);
            }
        }));
    }
    for race in racing {
        race.await.unwrap();
    }
    assert!(handles[0].list("").await.unwrap().iter().all(|entry| !entry.is_held()));
    let session = database.connect().await;
    session.execute("SELECT FROM locks FOR UPDATE NOWAIT").await;
    for locks in &handles {
        locks.shut_down().await;
    }
    // A backend tells what it has counted when it ends.
    let backends = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND application_name = 'pglock'";
    eventually("all connections are closed", async || {
        session.ask(backends).await.as_deref() == Some("0")
    })
    .await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(session.ask(deadlocks).await.as_deref(), Some("0"));
}
