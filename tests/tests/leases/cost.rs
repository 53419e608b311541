//! What things cost: statements, round trips, traces on the server.

use std::sync::Arc;
use std::task::{Context, Waker};

use pglock_core::LockName;
use pglock_driver::{Heartbeat, SessionKind};
use pglock_tests::{Proxy, eventually};
use postgres::NoTls;

use crate::adapter::{Adapter, Locks, database, ms, options, run};

over_all_adapters! {
    every_ask_is_one_round_trip,
    the_first_use_of_a_name_is_two,
    unnamed_statements_are_one_round_trip_too,
    a_refused_try_leaves_the_tuple_untouched,
}

/// The texts executed since the last look, each of them one round trip.
fn executed(proxy: &Proxy) -> Vec<String> {
    let round_trips = proxy.round_trips();
    proxy.forget();
    assert!(round_trips.iter().all(|trip| trip.executed), "{round_trips:?}");
    round_trips.into_iter().map(|trip| trip.text).collect()
}

fn assert_one(proxy: &Proxy, part: &str) {
    let texts = executed(proxy);
    assert!(matches!(texts.as_slice(), [text] if text.contains(part)), "{part}: {texts:#?}");
}

/// Acquires, renews, changes and releases; `look` looks after each.
async fn life_of_a_lock(locks: &Locks, mut look: impl FnMut(&str)) {
    let lock = locks.acquire("a").await.unwrap();
    look("INSERT INTO");
    lock.heartbeat().await.unwrap();
    look("SKIP LOCKED");
    lock.set_data(b"one").await.unwrap();
    look("lease_ms = coalesce(");
    assert!(locks.try_acquire("a").await.unwrap().is_none());
    lock.release().await.unwrap();
    look("l.waiters[1]");
    locks.get("a").await.unwrap();
    look("WHERE l.name = ");
}

async fn every_ask_is_one_round_trip(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    let options = options().lease(ms(600_000)).work_sessions(1);
    let locks = adapter.open(options, proxy.url()).await.unwrap();
    eventually("renewals have a connection of their own", async || {
        proxy.forget();
        life_of_a_lock(&locks, |_| ()).await;
        let (renewals, work): (Vec<_>, Vec<_>) =
            proxy.round_trips().into_iter().partition(|trip| trip.text.contains("SKIP LOCKED"));
        renewals[0].connection != work[0].connection
    })
    .await;
    proxy.forget();
    life_of_a_lock(&locks, |part| assert_one(&proxy, part)).await;
    let before = locks.counters().await.unwrap().commands;
    life_of_a_lock(&locks, |_| ()).await;
    assert_eq!(locks.counters().await.unwrap().commands, before + 5);
}

async fn the_first_use_of_a_name_is_two(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let before = locks.counters().await.unwrap().commands;
    let lock = locks.acquire("a").await.unwrap();
    assert_eq!(locks.counters().await.unwrap().commands, before + 2);
    drop(lock);
}

async fn unnamed_statements_are_one_round_trip_too(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    let locks = adapter.unprepared(options().lease(ms(600_000)), proxy.url()).await;
    locks.acquire("a").await.unwrap().release().await.unwrap();
    proxy.forget();
    life_of_a_lock(&locks, |part| assert_one(&proxy, part)).await;
}

/// Nor does whoever waits write, unless it is to be told.
async fn a_refused_try_leaves_the_tuple_untouched(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let others = adapter.locks_with(options().hints(false), &database).await;
    let lock = locks.acquire("a").await.unwrap();
    let (session, name) = (database.connect().await, LockName::new("a").unwrap());
    let before = session.tuple("locks", &name).await.unwrap();
    for _ in 0..3 {
        assert!(others.try_acquire("a").await.unwrap().is_none());
    }
    assert!(others.acquire_within("a", ms(200)).await.is_err());
    assert_eq!(session.tuple("locks", &name).await.unwrap(), before);
    assert!(lock.release().await.unwrap().confirmed);
    assert_ne!(session.tuple("locks", &name).await.unwrap(), before);
}

/// All statements of a session go into one transaction, which is asked afterwards.
#[test]
fn a_refused_try_has_no_transaction_id() {
    run(async {
        let database = database();
        let holder = Adapter::TOKIO.locks(&database).await;
        let lock = holder.acquire("a").await.unwrap();
        let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("BEGIN").await.unwrap();
        let client = Arc::new(client);
        let session = Arc::clone(&client);
        let open = move |_: SessionKind| {
            let session = Arc::clone(&session);
            async move { Ok::<_, tokio_postgres::Error>(session) }
        };
        let builder = pglock_tokio::Locks::builder().options(options());
        let locks = builder.connect_with(open).await.unwrap();
        let written = async || -> bool {
            let query = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL";
            client.query_one(query, &[]).await.unwrap().get(0)
        };
        for _ in 0..3 {
            assert!(locks.try_acquire("a").await.unwrap().is_none());
        }
        assert!(!written().await);
        lock.release().await.unwrap();
        assert!(locks.try_acquire("a").await.unwrap().is_some());
        assert!(written().await, "a granted one has");
    });
}

/// The table is locked until all are due, so that they leave together. Until the connection for renewals
/// is open, one may go ahead on each of the two connections.
#[test]
fn a_thousand_locks_are_renewed_by_one_statement() {
    run(async {
        let database = database();
        let options = options().lease(ms(60_000)).work_sessions(1);
        let locks = Adapter::TOKIO.locks_with(options, &database).await;
        database
            .execute("INSERT INTO locks (name) SELECT 'n' || n FROM generate_series(0, 1399) n");
        let mut held = Vec::new();
        for name in 0..1_400 {
            let request = locks.request(&format!("n{name}")).heartbeat(Heartbeat::ByHand);
            held.push(request.acquire().await.unwrap());
        }
        let stranger = database.connect().await;
        stranger.execute("BEGIN; LOCK TABLE locks").await;
        let before = locks.counters().await.unwrap().commands;
        let mut beating = Vec::new();
        for lock in held {
            let mut heartbeat = Box::pin(async move { lock.heartbeat().await.map(|()| lock) });
            // No statement waits long for the table, so nothing here may.
            let polled = heartbeat.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            beating.push(heartbeat);
            if beating.len() == 1 {
                eventually("the first waits for the table", async || {
                    locks.counters().await.unwrap().commands > before
                })
                .await;
            }
        }
        // Asks are taken in their order, so all heartbeats have been taken when this one is answered.
        assert!(locks.counters().await.unwrap().commands <= before + 2);
        stranger.execute("COMMIT").await;
        let mut held = Vec::new();
        for heartbeat in beating {
            held.push(heartbeat.await.unwrap());
        }
        assert!(locks.counters().await.unwrap().commands <= before + 4);
        assert!(held.iter().all(|lock| lock.is_held()));
        let session = database.connect().await;
        let writers = "SELECT max(count) FROM (SELECT count(*) FROM locks GROUP BY xmin::text) _";
        assert_eq!(session.ask(writers).await.as_deref(), Some("1000"));
    });
}
