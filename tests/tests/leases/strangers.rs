//! Transactions of strangers that hold row locks or table locks.

use pglock_driver::{Error, Failure, Heartbeat, Loss};
use pglock_tests::eventually;
use tokio::time::timeout;

use crate::adapter::{Adapter, database, ms, options};

over_all_adapters! {
    a_locked_row_is_a_third_answer_to_a_try,
    a_waiter_gets_a_row_that_was_locked,
    one_locked_row_holds_up_no_other_renewal,
    one_poisoned_row_harms_no_other_lock,
    a_blocked_grant_holds_up_no_renewal,
    a_release_waits_for_a_locked_row,
    a_fence_holds_up_grants_but_no_heartbeats,
}

over_each_driver! {
    a_locked_table_does_not_pile_up_connections,
}

async fn a_locked_row_is_a_third_answer_to_a_try(adapter: Adapter) {
    let database = database();
    let options = options().lock_timeout(ms(100));
    let locks = adapter.locks_with(options, &database).await;
    locks.acquire("a").await.unwrap().release().await.unwrap();
    let stranger = database.connect().await;
    stranger.execute("BEGIN; SELECT FROM locks FOR UPDATE").await;
    let tried = locks.try_acquire("a").await.unwrap_err();
    assert_eq!(tried, Error::Failed(Failure::RowLocked), "this is not busy");
    assert!(tried.to_string().contains("ask again"), "{tried}");
    stranger.execute("COMMIT").await;
    assert!(locks.try_acquire("a").await.unwrap().is_some());
}

async fn a_waiter_gets_a_row_that_was_locked(adapter: Adapter) {
    let database = database();
    let options = options().lock_timeout(ms(100));
    let locks = adapter.locks_with(options, &database).await;
    locks.acquire("a").await.unwrap().release().await.unwrap();
    let stranger = database.connect().await;
    stranger.execute("BEGIN; SELECT FROM locks FOR UPDATE").await;
    let before = locks.counters().await.unwrap().commands;
    let mut waiting = tokio::spawn({
        let locks = locks.clone();
        async move { locks.acquire("a").await }
    });
    eventually("it was asked more than once", async || {
        locks.counters().await.unwrap().commands > before + 2
    })
    .await;
    assert!(timeout(ms(0), &mut waiting).await.is_err());
    stranger.execute("COMMIT").await;
    assert!(waiting.await.unwrap().unwrap().is_held());
}

async fn one_locked_row_holds_up_no_other_renewal(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let often = |name: &str| locks.request(name).heartbeat(Heartbeat::Every(ms(50))).acquire();
    let (locked, free) = (often("locked").await.unwrap(), often("free").await.unwrap());
    let stranger = database.connect().await;
    stranger.execute("BEGIN; SELECT FROM locks WHERE name = 'locked' FOR UPDATE").await;
    // Whatever was sent before may still count.
    let stuck = locks.get("locked").await.unwrap().unwrap().rvn;
    for _ in 0..3 {
        let valid_until = free.valid_until();
        eventually("the other is renewed", async || free.valid_until() > valid_until).await;
    }
    assert_eq!(locks.get("locked").await.unwrap().unwrap().rvn, stuck);
    locked.ensure_held().unwrap();
    stranger.execute("COMMIT").await;
    let valid_until = locked.valid_until();
    eventually("it is renewed, too", async || locked.valid_until() > valid_until).await;
    assert!(locked.release().await.unwrap().confirmed);
}

async fn one_poisoned_row_harms_no_other_lock(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let short = |name: &str| locks.request(name).lease(ms(2_000)).acquire();
    let (bad, good) = (short("bad").await.unwrap(), short("good").await.unwrap());
    database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON locks FOR EACH ROW WHEN (OLD.name = 'bad')
             EXECUTE FUNCTION refuse()",
    );
    assert_eq!(bad.lost().await, Loss::Expired);
    let goal = good.valid_until().saturating_add(ms(2_000));
    eventually("the other is renewed", async || {
        good.ensure_held().unwrap();
        good.valid_until() > goal
    })
    .await;
    let refused = bad.release().await;
    assert!(matches!(refused, Err(Error::Lost(Loss::Expired))), "{refused:?}");
    good.release().await.unwrap();
}

async fn a_blocked_grant_holds_up_no_renewal(adapter: Adapter) {
    let database = database();
    let options = options().work_sessions(1).lock_timeout(ms(2_000));
    let locks = adapter.locks_with(options, &database).await;
    locks.acquire("locked").await.unwrap().release().await.unwrap();
    let lock = locks.request("a").lease(ms(2_000)).acquire().await.unwrap();
    let stranger = database.connect().await;
    stranger.execute("BEGIN; SELECT FROM locks WHERE name = 'locked' FOR UPDATE").await;
    let waiting = tokio::spawn(async move { locks.acquire("locked").await });
    let goal = lock.valid_until().saturating_add(ms(4_000));
    eventually("it is renewed", async || {
        lock.ensure_held().unwrap();
        lock.valid_until() > goal
    })
    .await;
    assert!(!waiting.is_finished());
    stranger.execute("COMMIT").await;
    assert!(waiting.await.unwrap().unwrap().is_held());
}

async fn a_release_waits_for_a_locked_row(adapter: Adapter) {
    let database = database();
    let options = options().lock_timeout(ms(100));
    let locks = adapter.locks_with(options, &database).await;
    let lock = locks.acquire("a").await.unwrap();
    let stranger = database.connect().await;
    stranger.execute("BEGIN; SELECT FROM locks FOR UPDATE").await;
    let before = locks.counters().await.unwrap().commands;
    let releasing = tokio::spawn(lock.release());
    eventually("it was asked more than once", async || {
        locks.counters().await.unwrap().commands > before + 2
    })
    .await;
    assert!(!releasing.is_finished());
    stranger.execute("COMMIT").await;
    assert!(releasing.await.unwrap().unwrap().confirmed);
    assert!(!locks.get("a").await.unwrap().unwrap().is_held());
}

/// As when somebody rebuilds it. A statement that waits for the table has not set its time-out yet.
async fn a_locked_table_does_not_pile_up_connections(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks_with(options().lease(ms(4_000)), &database).await;
    let stranger = database.connect().await;
    stranger.execute("BEGIN; LOCK TABLE locks").await;
    let before = locks.counters().await.unwrap().commands;
    let waiting = tokio::spawn({
        let locks = locks.clone();
        async move { locks.acquire("a").await }
    });
    eventually("it was asked again and again", async || {
        locks.counters().await.unwrap().commands > before + 12
    })
    .await;
    let ours = "SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'pglock'";
    let ours: u32 = stranger.ask(ours).await.unwrap().parse().unwrap();
    assert!(ours < 8, "{ours} connections for one waiter");
    stranger.execute("COMMIT").await;
    assert!(waiting.await.unwrap().unwrap().is_held());
}

/// A transaction that holds the row in the mode of a fence.
async fn a_fence_holds_up_grants_but_no_heartbeats(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    let fenced = database.connect().await;
    fenced.execute("BEGIN; SELECT FROM locks WHERE name = 'a' FOR KEY SHARE").await;
    lock.heartbeat().await.unwrap();
    assert!(lock.release().await.unwrap().confirmed);
    let others = adapter.locks_with(options().lock_timeout(ms(100)), &database).await;
    let tried = others.try_acquire("a").await.unwrap_err();
    assert_eq!(tried, Error::Failed(Failure::RowLocked));
    fenced.execute("COMMIT").await;
    assert!(others.try_acquire("a").await.unwrap().is_some());
}
