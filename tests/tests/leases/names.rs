//! What a lock can be called.

use pglock_driver::{Error, NameError, OwnerError};

use crate::adapter::{Adapter, Lock, Locks, database};

over_all_adapters! {
    any_name_that_fits_is_a_lock_of_its_own,
    other_names_are_refused_with_the_reason,
    an_owner_that_does_not_fit_is_refused,
    a_name_is_case_and_space_and_all,
}

async fn any_name_that_fits_is_a_lock_of_its_own(adapter: Adapter) {
    let database = database();
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let (long, wide) = ("x".repeat(255), "ß🔒€".repeat(85));
    let strange = "'; DROP TABLE locks; -- \\ \"$1\" {} %s";
    let names = ["a", " ", &long, &wide, strange, "\n\t\u{1}", "ключ", "e\u{301}", "é", "NULL"];
    let mut held: Vec<Lock> = Vec::new();
    for name in names {
        let lock = locks.try_acquire(name).await.unwrap().expect(name);
        assert_eq!(lock.name(), name);
        held.push(lock);
    }
    for lock in held {
        assert!(others.try_acquire(lock.name()).await.unwrap().is_none());
        assert_eq!(others.get(lock.name()).await.unwrap().unwrap().name, lock.name());
        lock.heartbeat().await.unwrap();
        assert!(lock.release().await.unwrap().confirmed);
    }
    assert_eq!(others.list("").await.unwrap().len(), names.len());
}

async fn refusal(locks: &Locks, name: &str) -> NameError {
    let refusals = [
        locks.acquire(name).await.map(drop).unwrap_err(),
        locks.try_acquire(name).await.map(drop).unwrap_err(),
        locks.get(name).await.map(drop).unwrap_err(),
    ];
    let [Error::Name(one), Error::Name(two), Error::Name(three)] = refusals else {
        panic!("{refusals:?}");
    };
    assert!(one == two && two == three);
    one
}

async fn other_names_are_refused_with_the_reason(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    assert_eq!(refusal(&locks, "").await, NameError::Empty);
    assert_eq!(refusal(&locks, "a\0b").await, NameError::Nul);
    for name in ["x".repeat(256), "🔒".repeat(256)] {
        let refusal = refusal(&locks, &name).await;
        assert_eq!(refusal, NameError::TooLong { characters: 256 });
        assert!(refusal.to_string().contains("at most 255"), "{refusal}");
    }
    assert_eq!(locks.list("").await.unwrap(), []);
    assert!(locks.acquire("a").await.is_ok(), "nothing was lost by it");
}

async fn an_owner_that_does_not_fit_is_refused(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let owned = async |owner: &str| locks.request("a").owner(owner).acquire().await;
    let Err(Error::Owner(refused)) = owned("a\0b").await else { panic!("NUL was stored") };
    assert_eq!(refused, OwnerError::Nul);
    let refused = owned(&"🔒".repeat(256)).await.unwrap_err();
    assert_eq!(refused, Error::Owner(OwnerError::TooLong { characters: 256 }));
    let (wide, nothing) = ("🔒".repeat(255), String::new());
    for owner in [wide, nothing] {
        let lock = owned(&owner).await.unwrap();
        assert_eq!(locks.get("a").await.unwrap().unwrap().owner, Some(owner));
        lock.release().await.unwrap();
    }
}

async fn a_name_is_case_and_space_and_all(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let mut held = Vec::new();
    for name in ["a", "A", "a ", " a", "a  "] {
        held.push(locks.try_acquire(name).await.unwrap().expect(name));
    }
    for lock in held {
        assert!(lock.release().await.unwrap().confirmed);
    }
}
