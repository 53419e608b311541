//! Sessions that end, are reset, or fall silent while they hold locks.

use std::sync::{Arc, Mutex};

use pglock_driver::{Error, Loss, SessionKind};
use pglock_tests::{Fault, Proxy, eventually};
use postgres::NoTls;

use crate::adapter::{Adapter, Locks, Stranger, database, ms, options, run};

over_all_adapters! {
    a_killed_session_is_a_loss_and_another_gets_the_lock,
    all_locks_of_a_session_end_with_it,
    a_session_that_was_idle_for_too_long_is_a_loss,
    a_silent_network_is_a_loss_in_time,
    a_lost_answer_leaves_one_hold_or_none,
}

/// It is noticed though nobody looks.
async fn a_killed_session_is_a_loss_and_another_gets_the_lock(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks_with(options().silence(ms(3_600_000)), &database).await;
    let others = adapter.locks(&database).await;
    let lock = locks.acquire("a").await;
    let request = others.advisory("a");
    let waiting = tokio::spawn(async move { request.acquire().await });
    stranger.kills_the_holder("a").await;
    assert_eq!(lock.lost().await, Loss::SessionEnded);
    assert_eq!(lock.ensure_held(), Err(Error::Lost(Loss::SessionEnded)));
    let next = waiting.await.unwrap().unwrap();
    assert_eq!(next.ensure_held(), Ok(()));
    assert!(!locks.finds_free("a").await);
    assert_eq!(lock.release().await, Err(Error::Lost(Loss::SessionEnded)));
    assert!(next.is_held(), "a late release frees nothing of others");
    next.free().await;
    assert!(locks.finds_free("a").await, "a new session carries on");
}

async fn all_locks_of_a_session_end_with_it(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    let first = locks.acquire("a").await;
    let held = [first.again().await.unwrap(), locks.acquire("b").await, first];
    stranger.kills_the_holder("a").await;
    for lock in &held {
        assert_eq!(lock.lost().await, Loss::SessionEnded);
        assert_eq!(lock.again().await.unwrap_err(), Error::Lost(Loss::SessionEnded));
    }
    stranger.sees(0).await;
}

#[test]
fn work_is_dropped_when_its_session_ends() {
    run(async {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let Locks::Async(locks) = Adapter::TOKIO.locks(&database).await else { unreachable!() };
        let work = |_| async {
            stranger.kills_the_holder("a").await;
            std::future::pending::<()>().await;
        };
        let done = locks.advisory("a").run(work).await;
        assert_eq!(done, Err(Error::Lost(Loss::SessionEnded)));
        assert_eq!(locks.advisory("a").run(|hold| async move { hold.is_held() }).await, Ok(true));
    });
}

async fn a_session_that_was_idle_for_too_long_is_a_loss(adapter: Adapter) {
    let database = database();
    let url = format!("{}?options=-c%20idle_session_timeout%3D200ms", database.url());
    let locks = adapter.locks_at(options(), &url).await;
    let lock = locks.acquire("a").await;
    assert_eq!(lock.lost().await, Loss::SessionEnded);
    assert!(locks.finds_free("a").await);
}

async fn a_silent_network_is_a_loss_in_time(adapter: Adapter) {
    let database = database();
    let proxy = Proxy::new(database.url());
    let locks = adapter.locks_at(options().silence(ms(1_500)), proxy.url()).await;
    let lock = locks.acquire("a").await;
    proxy.fall_silent();
    let until = lock.valid_until();
    assert_eq!(lock.lost().await, Loss::SessionEnded);
    assert!(!lock.is_held() && lock.remaining() == ms(0));
    assert!(until > lock.valid_until());
    proxy.cut();
    proxy.heal();
    assert!(locks.acquire("a").await.is_held());
}

/// Whether the statement was applied shows the new session, which the server lets in once the old one is gone.
async fn a_lost_answer_leaves_one_hold_or_none(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let proxy = Proxy::new(database.url());
    let locks = adapter.locks_at(options(), proxy.url()).await;
    for fault in [Fault::ReplyLost, Fault::RequestLost] {
        proxy.strike("pg_try_advisory_lock", fault);
        let lock = locks.acquire("a").await;
        assert!(proxy.has_struck() && lock.is_held());
        stranger.sees(1).await;
        proxy.strike("pg_advisory_unlock", fault);
        let released = lock.release().await;
        assert!(released.is_ok(), "{released:?}");
        stranger.sees(0).await;
    }
}

/// Hands out sessions, and keeps a way to them.
async fn meddled_with(
    database: &pglock_tests::Database,
    prepared: bool,
) -> (pglock_tokio::Locks, Arc<Mutex<Vec<Arc<tokio_postgres::Client>>>>) {
    let sessions: Arc<Mutex<Vec<Arc<tokio_postgres::Client>>>> = Arc::default();
    let (kept, url) = (Arc::clone(&sessions), database.url().to_owned());
    let open = move |kind: SessionKind| {
        let (kept, url) = (Arc::clone(&kept), url.clone());
        async move {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            tokio::spawn(connection);
            let client = Arc::new(client);
            if kind == SessionKind::Advisory {
                kept.lock().unwrap().push(Arc::clone(&client));
            }
            Ok::<_, tokio_postgres::Error>(client)
        }
    };
    let builder = pglock_tokio::Locks::builder().options(options().silence(ms(600)));
    (builder.prepared(prepared).connect_with(open).await.unwrap(), sessions)
}

#[test]
fn a_session_that_somebody_resets_is_a_loss() {
    run(async {
        let database = database();
        for reset in ["DISCARD ALL", "RESET ALL", "SET pglock.session = '7'"] {
            let (locks, sessions) = meddled_with(&database, false).await;
            let lock = locks.advisory("a").acquire().await.unwrap();
            let session = sessions.lock().unwrap().pop().unwrap();
            session.batch_execute(reset).await.unwrap();
            assert_eq!(lock.lost().await, Loss::Robbed, "{reset}");
            assert_eq!(lock.release().await, Err(Error::Lost(Loss::Robbed)), "{reset}");
            drop(session);
            assert!(locks.advisory("a").acquire().await.unwrap().is_held(), "{reset}");
        }
    });
}

#[test]
fn a_lock_that_somebody_frees_on_the_session_is_lost_at_its_release() {
    run(async {
        let database = database();
        let (locks, sessions) = meddled_with(&database, true).await;
        let lock = locks.advisory(1).acquire().await.unwrap();
        let session = sessions.lock().unwrap().pop().unwrap();
        session.batch_execute("SELECT pg_advisory_unlock(1)").await.unwrap();
        assert_eq!(lock.release().await, Err(Error::Lost(Loss::Robbed)));
        drop(session);
        eventually("it can be had", async || {
            locks.advisory(1).try_acquire().await.unwrap().is_some()
        })
        .await;
    });
}

/// A session that somebody has begun a transaction on, and not ended after an error, answers nothing any more.
#[test]
fn a_session_whose_transaction_was_aborted_is_a_loss_and_another_gets_the_lock() {
    run(async {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let (locks, sessions) = meddled_with(&database, true).await;
        let lock = locks.advisory(1).acquire().await.unwrap();
        let session = sessions.lock().unwrap().pop().unwrap();
        session.batch_execute("BEGIN; SELECT 1 / 0").await.unwrap_err();
        assert!(!stranger.finds_free(1).await, "a session's lock outlives the transaction");
        assert_eq!(lock.lost().await, Loss::SessionEnded);
        drop(session);
        assert!(locks.advisory(1).acquire().await.unwrap().is_held());
    });
}

#[test]
fn an_unlock_in_the_other_mode_changes_nothing() {
    run(async {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let (locks, sessions) = meddled_with(&database, true).await;
        for (request, other) in [
            (locks.advisory(1), "SELECT pg_advisory_unlock_shared(1)"),
            (locks.advisory(1).shared(), "SELECT pg_advisory_unlock(1)"),
        ] {
            let lock = request.acquire().await.unwrap();
            let session = Arc::clone(sessions.lock().unwrap().last().unwrap());
            session.batch_execute(other).await.unwrap();
            assert!(!stranger.finds_free(1).await, "{other}");
            assert!(lock.release().await.unwrap().confirmed, "{other}");
            assert!(stranger.finds_free(1).await, "{other}");
        }
    });
}
