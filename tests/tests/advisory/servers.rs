//! What needs a server of its own, which serves all adapters, since it takes long to make.

use pglock_driver::{Error, Failure, Unfit};
use pglock_tests::Private;

use crate::adapter::{Adapter, Transaction, run};

#[test]
fn a_standby_grants_nothing_and_tells_of_its_own_locks() {
    run(async {
        let primary = Private::new();
        let database = primary.database();
        let standby = primary.standby();
        standby.follow(&primary);
        let replica = standby.replica_of(&database);
        let (session, reader) = (database.connect().await, replica.connect().await);
        session.execute("SELECT pg_advisory_lock(1)").await;
        reader.execute("SELECT pg_advisory_lock_shared(2)").await;
        for adapter in Adapter::ALL {
            assert_eq!(adapter.holders(replica.url(), 1).await, []);
            let claims = adapter.holders(replica.url(), 2).await;
            assert_eq!(
                claims.iter().map(|claim| claim.pid).collect::<Vec<_>>(),
                [Some(reader.pid())]
            );
            let transaction = adapter.begin(replica.url()).await;
            let refusals = [
                transaction.try_lock(3).await.map(drop),
                transaction.try_lock_shared((3, 3)).await.map(drop),
                transaction.lock("a").await,
                transaction.lock_shared(3).await,
            ];
            for refusal in refusals.map(Result::unwrap_err) {
                assert_eq!(refusal, Error::Failed(Failure::Unfit(Unfit::Standby)));
                assert!(refusal.to_string().contains("connect to the primary"), "{refusal}");
            }
            assert_eq!(adapter.holders(replica.url(), 3).await, [], "nothing was taken");
        }
    });
}

#[test]
fn a_prepared_transaction_holds_without_a_process() {
    run(async {
        let server = Private::new();
        let database = server.database();
        database.execute("ALTER SYSTEM SET max_prepared_transactions = 1");
        server.restart();
        let (session, waiter) = (database.connect().await, database.connect().await);
        session.execute("BEGIN; SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'half'").await;
        tokio::join!(waiter.execute("SELECT pg_advisory_lock(1)"), async {
            waiter.blocked(&session).await;
            for adapter in Adapter::ALL {
                let claims = adapter.holders(database.url(), 1).await;
                let [half, waiting] = &claims[..] else { panic!("{claims:?}") };
                assert_eq!((half.pid, half.is_held(), half.state.as_deref()), (None, true, None));
                assert_eq!(waiting.pid, Some(waiter.pid()));
                assert_eq!(waiting.waiting.as_ref().unwrap().waits_for, [0]);
            }
            session.execute("ROLLBACK PREPARED 'half'").await;
        });
    });
}

/// Where there is no room for a lock, nobody is said to have it.
#[test]
fn a_full_lock_table_is_an_error() {
    run(async {
        let server = Private::new();
        let database = server.database();
        let session = database.connect().await;
        // Nobody can connect when it is full.
        let (first, second) = (
            Adapter::TOKIO.begin(database.url()).await,
            Adapter::Postgres.begin(database.url()).await,
        );
        let fill = "SELECT pg_try_advisory_lock(key) FROM generate_series(1, 10000000) key";
        let full = session.client().execute(fill, &[]).await.unwrap_err();
        assert_eq!(full.code().unwrap().code(), "53200");
        for transaction in [first, second] {
            let refused = refusal(&transaction).await;
            let Error::Failed(Failure::LockTableFull(full)) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(full.sqlstate.as_str(), "53200");
        }
    });
}

/// What comes of trying to take keys that nobody has, until it is refused.
async fn refusal(transaction: &Transaction) -> Error {
    for key in 1..100_000 {
        match transaction.try_lock(-key).await {
            Ok(granted) => assert!(granted, "nobody has it"),
            Err(error) => return error,
        }
    }
    panic!("there is always room for one more");
}
