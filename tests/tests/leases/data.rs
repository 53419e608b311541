//! The data beside a lock: who puts it there, who finds it, who may change it.

use pglock_driver::{Error, Loss};

use crate::adapter::{Adapter, Locks, database};
use crate::crash::Crashed;

over_all_adapters! {
    data_is_seen_by_others_and_goes_with_the_release,
    data_is_kept_if_asked,
    data_of_the_one_before_is_replaced_if_asked,
    data_survives_a_takeover,
    data_is_replaced_on_takeover_if_asked,
    data_can_change_while_the_lock_is_held,
    a_holder_of_old_changes_nothing,
    empty_data_is_not_no_data,
    data_may_be_large,
}

async fn data_of(locks: &Locks, name: &str) -> Option<Vec<u8>> {
    locks.get(name).await.unwrap().unwrap().data
}

async fn data_is_seen_by_others_and_goes_with_the_release(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.request("a").data(b"\0one\xff").acquire().await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"\0one\xff"[..]));
    assert_eq!(data_of(&others, "a").await.as_deref(), Some(&b"\0one\xff"[..]));
    assert!(others.request("a").data(b"two").try_acquire().await.unwrap().is_none());
    assert_eq!(data_of(&others, "a").await.as_deref(), Some(&b"\0one\xff"[..]));
    lock.release().await.unwrap();
    assert_eq!(data_of(&others, "a").await, None);
    assert_eq!(others.acquire("a").await.unwrap().data(), None);
}

async fn data_is_kept_if_asked(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.request("a").data(b"one").keep_data().acquire().await.unwrap();
    lock.release().await.unwrap();
    assert_eq!(data_of(&others, "a").await.as_deref(), Some(&b"one"[..]));
    let lock = others.request("a").data(b"two").acquire().await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"one"[..]), "there was some already");
    lock.release().await.unwrap();
    assert_eq!(data_of(&others, "a").await, None);
}

async fn data_of_the_one_before_is_replaced_if_asked(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").data(b"one").keep_data().acquire().await.unwrap();
    lock.release().await.unwrap();
    let request = locks.request("a").data(b"two").replace_data().keep_data();
    let lock = request.acquire().await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"two"[..]));
    lock.release().await.unwrap();
    let lock = locks.request("a").replace_data().acquire().await.unwrap();
    assert_eq!(lock.data(), None, "nothing is data, too");
    assert_eq!(data_of(&locks, "a").await, None);
}

async fn data_survives_a_takeover(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let crashed = Crashed::with(adapter, &database, |locks| locks.request("a").data(b"one")).await;
    let lock = locks.request("a").data(b"two").acquire().await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"one"[..]));
    assert_eq!(data_of(&locks, "a").await.as_deref(), Some(&b"one"[..]));
    assert!(lock.token() > crashed.token);
}

async fn data_is_replaced_on_takeover_if_asked(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let crashed = Crashed::with(adapter, &database, |locks| locks.request("a").data(b"one")).await;
    let lock = locks.request("a").data(b"two").replace_data().acquire().await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"two"[..]));
    assert_eq!(data_of(&locks, "a").await.as_deref(), Some(&b"two"[..]));
    assert!(lock.token() > crashed.token);
}

async fn data_can_change_while_the_lock_is_held(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").data(b"one").acquire().await.unwrap();
    let (token, valid_until) = (lock.token(), lock.valid_until());
    lock.set_data(b"two").await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b"two"[..]));
    assert_eq!(data_of(&locks, "a").await.as_deref(), Some(&b"two"[..]));
    assert!(lock.valid_until() > valid_until, "it is a heartbeat, too");
    lock.clear_data().await.unwrap();
    assert_eq!(lock.data(), None);
    assert_eq!(data_of(&locks, "a").await, None);
    assert_eq!(lock.token(), token);
    lock.release().await.unwrap();
}

async fn a_holder_of_old_changes_nothing(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").data(b"one").acquire().await.unwrap();
    database.execute("UPDATE locks SET record_version_number = 7, data = 'theirs'");
    assert_eq!(lock.set_data(b"two").await, Err(Error::Lost(Loss::TakenOver)));
    assert_eq!(data_of(&locks, "a").await.as_deref(), Some(&b"theirs"[..]));
}

async fn empty_data_is_not_no_data(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.request("a").data(b"").acquire().await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&b""[..]));
    assert_eq!(data_of(&locks, "a").await, Some(vec![]));
}

async fn data_may_be_large(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let large: Vec<u8> = (0..1_u32 << 20).map(|n| (n * 7 % 251) as u8).collect();
    let lock = locks.request("a").data(&large).keep_data().acquire().await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&large[..]));
    lock.release().await.unwrap();
    let lock = locks.acquire("a").await.unwrap();
    assert_eq!(lock.data().as_deref(), Some(&large[..]));
}
