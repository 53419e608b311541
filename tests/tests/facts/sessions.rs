//! What a client knows of its session.

use pglock_tests::Server;
use postgres::{Client, NoTls};

/// It looks only when it is asked to do something.
#[test]
fn a_sync_session_does_not_notice_that_its_backend_was_killed() {
    let database = Server::shared().database();
    let connect = || Client::connect(database.url(), NoTls).unwrap();
    let (mut killed, mut killer) = (connect(), connect());
    let pid: i32 = killed.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    // With a time to wait it answers once the process is gone.
    let kill = "SELECT pg_terminate_backend($1, 60000)";
    assert!(killer.query_one(kill, &[&pid]).unwrap().get::<_, bool>(0));
    assert!(!killed.is_closed());
    assert!(killed.simple_query("").is_err());
    assert!(killed.simple_query("").is_err() && killed.is_closed());
}
