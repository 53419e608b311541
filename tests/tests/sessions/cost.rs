//! What things cost: round trips.

use pglock_tests::Proxy;

use crate::adapter::{Adapter, database, ms, options};

over_all_adapters! {
    a_lock_and_its_release_are_two_round_trips,
    a_nested_pair_is_none,
}

/// The texts executed since the last look, each of them one round trip.
fn executed(proxy: &Proxy) -> Vec<String> {
    let round_trips = proxy.round_trips();
    proxy.forget();
    assert!(round_trips.iter().all(|trip| trip.executed), "{round_trips:?}");
    round_trips.into_iter().map(|trip| trip.text).collect()
}

async fn a_lock_and_its_release_are_two_round_trips(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    let locks = adapter.locks_at(options().silence(ms(600_000)), proxy.url()).await;
    // Marks the session, and prepares the statements.
    locks.acquire("a").await.free().await;
    proxy.forget();
    for key in ["a", "b"] {
        let lock = locks.acquire(key).await;
        let texts = executed(&proxy);
        assert!(
            matches!(texts.as_slice(), [one] if one.contains("pg_try_advisory_lock")),
            "{texts:#?}"
        );
        lock.free().await;
        let texts = executed(&proxy);
        assert!(
            matches!(texts.as_slice(), [one] if one.contains("pg_advisory_unlock")),
            "{texts:#?}"
        );
    }
}

async fn a_nested_pair_is_none(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    let locks = adapter.locks_at(options().silence(ms(600_000)), proxy.url()).await;
    let owner = locks.owner();
    let outer = locks.advisory("a").by(&owner).acquire().await.unwrap();
    proxy.forget();
    let inner = locks.advisory("a").by(&owner).acquire().await.unwrap();
    inner.again().await.unwrap().free().await;
    inner.free().await;
    assert!(locks.advisory("a").try_acquire().await.unwrap().is_none());
    assert_eq!(executed(&proxy), Vec::<String>::new());
    assert!(outer.is_held());
}
