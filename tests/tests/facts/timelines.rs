//! How a client can tell that a server was promoted.

use pglock_tests::{Database, Private};

/// As a role without any rights sees it.
async fn timeline(database: &Database) -> Option<String> {
    let session = database.connect().await;
    session.execute("SET ROLE nobody").await;
    session.ask("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)").await
}

#[tokio::test]
async fn the_timeline_is_readable_by_any_role_and_changes_at_once() {
    let primary = Private::new();
    let database = primary.database();
    database.execute("CREATE ROLE nobody");
    assert_eq!(timeline(&database).await.as_deref(), Some("00000001"));
    let standby = primary.standby();
    standby.follow(&primary);
    primary.crash();
    standby.promote();
    assert_eq!(timeline(&standby.replica_of(&database)).await.as_deref(), Some("00000002"));
}

/// It is the write-ahead log's, not the data's: a restart and a crash leave it.
#[tokio::test]
async fn neither_a_restart_nor_a_crash_changes_the_timeline() {
    let server = Private::new();
    let database = server.database();
    database.execute("CREATE ROLE nobody");
    for end in [Private::stop, Private::crash] {
        end(&server);
        server.start();
        assert_eq!(timeline(&database).await.as_deref(), Some("00000001"));
    }
}
