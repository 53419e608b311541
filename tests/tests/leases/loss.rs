//! Locks that are lost behind their holder's back.

use pglock_driver::{Error, Heartbeat, Loss, Token};
use pglock_tests::eventually;

use crate::adapter::{Adapter, database, ms};

over_all_adapters! {
    releasing_a_lock_that_was_lost_says_so,
    the_next_heartbeat_finds_a_loss,
    a_holder_that_is_evicted_learns_of_it,
    a_lost_lock_can_be_had_again,
    a_dropped_table_is_a_loss,
}

/// What strangers can do to a row.
const MEDDLING: [&str; 4] = [
    "DELETE FROM locks",
    "UPDATE locks SET record_version_number = 7",
    "UPDATE locks SET record_version_number = NULL",
    "UPDATE locks SET record_version_number = record_version_number # 1",
];

async fn releasing_a_lock_that_was_lost_says_so(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    for meddling in MEDDLING {
        let lock = locks.acquire("a").await.unwrap();
        database.execute(meddling);
        let before = locks.get("a").await.unwrap();
        let released = lock.release().await;
        assert_eq!(released.unwrap_err(), Error::Lost(Loss::TakenOver), "{meddling}");
        assert_eq!(locks.get("a").await.unwrap(), before, "{meddling}");
        database.execute("DELETE FROM locks");
    }
}

async fn the_next_heartbeat_finds_a_loss(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    for meddling in MEDDLING {
        let often = Heartbeat::Every(ms(20));
        let lock = locks.request("a").heartbeat(often).acquire().await.unwrap();
        assert!(lock.is_held());
        database.execute(meddling);
        assert_eq!(lock.lost().await, Loss::TakenOver, "{meddling}");
        assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::TakenOver)));
        assert_eq!(lock.remaining(), ms(0));
        database.execute("DELETE FROM locks");
    }
}

async fn a_holder_that_is_evicted_learns_of_it(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").heartbeat(Heartbeat::Every(ms(20))).acquire().await.unwrap();
    let token = lock.token();
    assert_eq!(locks.evict("a", Token::new(token.as_i64() + 1)).await.unwrap(), None);
    lock.heartbeat().await.unwrap();
    let freed = locks.evict("a", token).await.unwrap().expect("a lock that was held");
    assert_eq!((freed.is_held(), freed.token), (false, Some(token)));
    assert_eq!(lock.lost().await, Loss::TakenOver);
}

async fn a_lost_lock_can_be_had_again(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    database.execute("UPDATE locks SET record_version_number = NULL");
    assert_eq!(lock.heartbeat().await, Err(Error::Lost(Loss::TakenOver)));
    let again = locks.try_acquire("a").await.unwrap().expect("a free lock");
    assert!(again.token() > lock.token());
    drop(lock);
    again.heartbeat().await.unwrap();
    assert!(again.release().await.unwrap().confirmed);
}

async fn a_dropped_table_is_a_loss(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.request("a").lease(ms(2_000)).acquire().await.unwrap();
    others.drop_table().await.unwrap();
    let loss = lock.lost().await;
    assert!(matches!(loss, Loss::TakenOver | Loss::Expired), "{loss:?}");
    others.create_table().await.unwrap();
    eventually("there are locks again", async || locks.try_acquire("a").await.is_ok()).await;
}
