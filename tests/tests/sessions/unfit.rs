//! Connections that cannot carry advisory locks.

use std::sync::Arc;

use pglock_driver::{Error, Failure, SessionKind, Unfit};
use postgres::NoTls;

use crate::adapter::{database, options, run};

/// As behind a pooler that hands a session from one to the other.
#[test]
fn a_session_that_is_another_handles_is_refused() {
    run(async {
        let database = database();
        let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let client = Arc::new(client);
        let open = move |_: SessionKind| {
            let client = Arc::clone(&client);
            async move { Ok::<_, tokio_postgres::Error>(client) }
        };
        let handle = async || {
            let builder = pglock_tokio::Locks::builder().options(options());
            builder.connect_with(open.clone()).await.unwrap()
        };
        let (locks, others) = (handle().await, handle().await);
        let lock = locks.advisory("a").acquire().await.unwrap();
        for refused in [
            others.advisory("a").acquire().await,
            others.advisory("b").acquire().await,
            others.advisory("a").try_acquire().await.map(Option::unwrap),
        ] {
            let refused = refused.unwrap_err();
            assert_eq!(refused, Error::Failed(Failure::Unfit(Unfit::SharedSession)));
            assert!(refused.to_string().contains("connect to the server itself"), "{refused}");
        }
        assert!(lock.is_held());
    });
}
