//! A promise that nothing has ever broken proves nothing: drivers with one bug each, around the shipped ones. Each is
//! found out by the promise that is named for it.

#![allow(clippy::wildcard_enum_match_arm, reason = "a bug is somewhere, and nowhere else")]

mod blocking;
#[macro_use]
mod bug;
mod carry;
mod clock;
mod driver;
mod news;
mod opening;
mod swap;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pglock_testkit::conformance::{PROMISES, Promise, Subject};
use pglock_tests::{Database, Server};

use self::bug::Bug;
use self::clock::WrongClock;
use self::swap::Swap;

/// How long whoever breaks a promise may make the test wait.
const PATIENCE: Duration = Duration::from_secs(10);

fn over_async(bug: Bug, database: &Arc<Database>) -> Subject {
    let swap = Arc::new(Swap::default());
    let connect = move |url: &str| driver::Wrong::new(super::tokio::connect(url), bug, &swap);
    Subject::new(database.url(), connect, WrongClock::new(bug), pglock_tests::run)
        .keeping(Arc::clone(database))
}

fn over_blocking(bug: Bug, database: &Arc<Database>) -> Subject {
    let swap = Arc::new(Swap::default());
    let connect = move |url: &str| blocking::Wrong::new(super::postgres::connect(url), bug, &swap);
    Subject::blocking(database.url(), connect, WrongClock::new(bug)).keeping(Arc::clone(database))
}

fn is_found_out(bug: Bug, over: fn(Bug, &Arc<Database>) -> Subject) {
    let database = Arc::new(Server::shared().database());
    let promise = PROMISES.iter().find(|promise| promise.name() == bug.breaks()).unwrap();
    let subject = over(bug, &database).patience(PATIENCE);
    assert!(promise.is_made_by(&subject), "{promise:?} is not asked of such drivers");
    let words = promise.test(subject).expect_err("a broken promise").to_string();
    assert!(words.contains(bug.words()), "{bug:?} is seen as: {words}");
}

macro_rules! found_out {
    (Both $bug:ident) => {
        mod $bug {
            #[test]
            fn over_async() {
                super::super::is_found_out(super::super::Bug::$bug, super::super::over_async);
            }

            #[test]
            fn over_blocking() {
                super::super::is_found_out(super::super::Bug::$bug, super::super::over_blocking);
            }
        }
    };
    (Async $bug:ident) => {
        #[test]
        fn $bug() {
            super::is_found_out(super::Bug::$bug, super::over_async);
        }
    };
    (Blocking $bug:ident) => {
        #[test]
        fn $bug() {
            super::is_found_out(super::Bug::$bug, super::over_blocking);
        }
    };
}

#[expect(non_snake_case, reason = "tests are named for bugs")]
mod found_out {
    for_each_bug! { found_out }
}

#[test]
fn every_promise_has_been_broken() {
    let broken: BTreeSet<_> = Bug::ALL.iter().map(|bug| bug.breaks()).collect();
    let promised: BTreeSet<_> = PROMISES.iter().map(Promise::name).collect();
    assert_eq!(broken, promised);
}

/// A driver that says beforehand what its client cannot do is not asked for it.
#[test]
fn what_is_not_promised_is_not_asked() {
    let database = Arc::new(Server::shared().database());
    let of =
        |part: &'static str| PROMISES.iter().filter(move |promise| promise.name().contains(part));
    for promise in of("notification") {
        let deaf = over_async(Bug::NotificationLost, &database).without_notifications();
        promise.test(deaf).unwrap();
    }
    for promise in of("the_end_of_a_connection_is_told") {
        let unaware = over_async(Bug::EndUntold, &database).without_closing();
        promise.test(unaware).unwrap();
    }
}
