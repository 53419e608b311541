//! Who waits for an advisory lock, and who comes before whom.

use pglock_tests::{Server, Session, eventually};
use tokio_postgres::NoTls;

use crate::rig::{code, execute, says};

async fn holds(watcher: &Session, pid: i32) -> bool {
    let query =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = $1)";
    watcher.client().query_one(query, &[&pid]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_new_shared_try_fails_while_an_exclusive_waiter_queues() {
    let database = Server::shared().database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    let other = database.connect().await;
    holder.execute("SELECT pg_advisory_lock_shared(1)").await;
    tokio::join!(waiter.execute("SELECT pg_advisory_lock(1)"), async {
        waiter.blocked(&holder).await;
        assert!(!says(&other, "SELECT pg_try_advisory_lock_shared(1)").await);
        holder.execute("SELECT pg_advisory_unlock_shared(1)").await;
    });
}

/// In the other mode only since PostgreSQL 17.
#[tokio::test]
async fn a_holders_own_further_try_succeeds_all_the_same() {
    let database = Server::shared().database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    holder.execute("SELECT pg_advisory_lock_shared(1)").await;
    tokio::join!(waiter.execute("SELECT pg_advisory_lock(1)"), async {
        waiter.blocked(&holder).await;
        assert!(says(&holder, "SELECT pg_try_advisory_lock_shared(1)").await);
        let since_17 = "SELECT current_setting('server_version_num')::int >= 170000";
        let in_other_mode = says(&holder, "SELECT pg_try_advisory_lock(1)").await;
        assert_eq!(in_other_mode, says(&holder, since_17).await);
        holder.execute("SELECT pg_advisory_unlock_all()").await;
    });
}

#[tokio::test]
async fn waiters_are_served_in_their_order() {
    let database = Server::shared().database();
    let (holder, first) = (database.connect().await, database.connect().await);
    let second = database.connect().await;
    holder.execute("SELECT pg_advisory_lock(1)").await;
    let order = std::sync::Mutex::new(Vec::new());
    let take = async |waiter: &Session, number: i32| {
        waiter.execute("SELECT pg_advisory_lock(1)").await;
        order.lock().unwrap().push(number);
        waiter.execute("SELECT pg_advisory_unlock(1)").await;
    };
    tokio::join!(
        take(&first, 1),
        async {
            first.blocked(&holder).await;
            take(&second, 2).await;
        },
        async {
            second.blocked(&holder).await;
            holder.execute("SELECT pg_advisory_unlock(1)").await;
        }
    );
    assert_eq!(order.into_inner().unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_lock_time_out_ends_a_wait_and_leaves_nothing() {
    let database = Server::shared().database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    holder.execute("SELECT pg_advisory_lock(1)").await;
    waiter.execute("SET lock_timeout = '10ms'").await;
    assert_eq!(execute(&waiter, "SELECT pg_advisory_lock(1)").await, Err("55P03".into()));
    holder.execute("SELECT pg_advisory_unlock(1)").await;
    assert!(!holds(&holder, waiter.pid()).await);
    assert!(says(&holder, "SELECT pg_try_advisory_lock(1)").await);
}

#[tokio::test]
async fn a_cancelled_wait_leaves_nothing() {
    let database = Server::shared().database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    holder.execute("SELECT pg_advisory_lock(1)").await;
    let cancel = waiter.client().cancel_token();
    let (waited, ()) = tokio::join!(execute(&waiter, "SELECT pg_advisory_lock(1)"), async {
        waiter.blocked(&holder).await;
        cancel.cancel_query(NoTls).await.unwrap();
    });
    assert_eq!(waited, Err("57014".into()));
    holder.execute("SELECT pg_advisory_unlock(1)").await;
    assert!(!holds(&holder, waiter.pid()).await);
}

#[tokio::test]
async fn a_dropped_future_cancels_nothing() {
    let database = Server::shared().database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    holder.execute("SELECT pg_advisory_lock(1)").await;
    tokio::select! {
        () = waiter.execute("SELECT pg_advisory_lock(1)") => panic!("the lock is held"),
        () = waiter.blocked(&holder) => {}
    }
    holder.execute("SELECT pg_advisory_unlock(1)").await;
    eventually("the abandoned wait is granted", async || holds(&holder, waiter.pid()).await).await;
}

/// Nobody tells the server's process that nobody listens any more.
#[tokio::test]
async fn the_backend_of_a_waiter_that_is_gone_stays_in_the_queue() {
    let database = Server::shared().database();
    let (holder, next) = (database.connect().await, database.connect().await);
    holder.execute("SELECT pg_advisory_lock(1)").await;
    let (gone, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let pid: i32 = gone.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let waits = async |by: i32, whom: i32| -> bool {
        let query = "SELECT $2 = ANY(pg_blocking_pids($1))";
        holder.client().query_one(query, &[&by, &whom]).await.unwrap().get(0)
    };
    tokio::select! {
        _ = gone.execute("SELECT pg_advisory_lock(1)", &[]) => panic!("the lock is held"),
        () = eventually("it waits", async || waits(pid, holder.pid()).await) => {}
    }
    connection.abort();
    assert!(connection.await.unwrap_err().is_cancelled(), "the connection is closed");
    tokio::join!(next.execute("SELECT pg_advisory_lock(1)"), async {
        eventually("the next one waits for it", async || waits(next.pid(), pid).await).await;
        holder.execute("SELECT pg_advisory_unlock(1)").await;
    });
}

#[tokio::test]
async fn a_killed_session_frees_its_locks() {
    let database = Server::shared().database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    holder.execute("SELECT pg_advisory_lock(1)").await;
    let killer = database.connect().await;
    tokio::join!(waiter.execute("SELECT pg_advisory_lock(1)"), async {
        waiter.blocked(&killer).await;
        let kill = "SELECT pg_terminate_backend($1)";
        killer.client().execute(kill, &[&holder.pid()]).await.unwrap();
    });
    let error = holder.client().execute("SELECT 1", &[]).await.unwrap_err();
    assert!(error.is_closed() || code(&error) == "57P01", "{error}");
}
