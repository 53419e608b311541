use pglock_async_std::Locks;
use pglock_driver::Connect;
use pglock_testkit::conformance::Subject;
use pglock_tests::Server;

fn connect(url: &str) -> impl Connect + use<> {
    Locks::builder().connector(url).unwrap()
}

fn subject() -> Subject {
    let database = Server::shared().database();
    let timer = Locks::builder().timer();
    Subject::new(database.url(), connect, timer, pglock_tests::run).keeping(database)
}

pglock_testkit::conformance!(async subject);
