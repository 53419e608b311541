use ::tokio::time::sleep;
use pglock_driver::{Alarm, BootClock, Connect};
use pglock_sqlx::Locks;
use pglock_testkit::conformance::Subject;
use pglock_tests::{Server, pool};

fn connect(url: &str) -> impl Connect + use<> {
    Locks::builder().connector(&pool(url), sleep)
}

/// Of a connection for work an end is noticed with the next statement; of one for advisory locks it is noticed at once,
/// as the tests of sessions show.
fn subject() -> Subject {
    let database = Server::shared().database();
    let timer = Alarm::new(BootClock, sleep);
    Subject::new(database.url(), connect, timer, pglock_tests::run)
        .without_closing()
        .keeping(database)
}

pglock_testkit::conformance!(async subject);

mod unnamed {
    use super::*;

    fn connect(url: &str) -> impl Connect + use<> {
        Locks::builder().prepared(false).connector(&pool(url), sleep)
    }

    fn subject() -> Subject {
        let database = Server::shared().database();
        let timer = Alarm::new(BootClock, sleep);
        Subject::new(database.url(), connect, timer, pglock_tests::run)
            .without_closing()
            .keeping(database)
    }

    pglock_testkit::conformance!(async subject);
}
