//! Behind PgBouncer, which gives each transaction another session: a lock of the transaction is as good there.

use pglock_tests::{Pooler, Pooling, Server};

use crate::adapter::Adapter;

over_all_adapters! {
    a_lock_lasts_as_long_as_its_transaction,
}

async fn a_lock_lasts_as_long_as_its_transaction(adapter: Adapter) {
    let database = Server::shared().database();
    let pooler = Pooler::new(&database, Pooling::Transaction, 3);
    for commit in [true, false] {
        let first = adapter.begin(pooler.url()).await;
        let second = adapter.begin(pooler.url()).await;
        first.lock("a").await.unwrap();
        first.lock_shared(7).await.unwrap();
        assert_eq!(second.try_lock("a").await, Ok(false));
        assert_eq!(second.try_lock(7).await, Ok(false));
        assert_eq!(second.try_lock_shared(7).await, Ok(true));
        if commit {
            first.commit().await;
        } else {
            first.roll_back().await;
        }
        second.lock("a").await.unwrap();
        assert_eq!(second.try_lock(7).await, Ok(true));
        second.commit().await;
    }
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = \
                (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(database.connect().await.ask(held).await.as_deref(), Some("0"));
}
