use pglock_driver::BootClock;
use pglock_driver::blocking::Connect;
use pglock_postgres::Locks;
use pglock_testkit::conformance::Subject;
use pglock_tests::Server;

pub(crate) fn connect(url: &str) -> impl Connect + use<> {
    Locks::builder().connector(url).unwrap()
}

fn subject() -> Subject {
    let database = Server::shared().database();
    Subject::blocking(database.url(), connect, BootClock).keeping(database)
}

pglock_testkit::conformance!(blocking subject);
