//! When a notification arrives, and how often.

use std::time::Duration;

use pglock_tests::{Database, Server};
use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, NoTls};

/// Longer than anything takes that is not stuck.
const LONG: Duration = Duration::from_secs(30);

fn listener_and_other(database: &Database) -> (Client, Client) {
    let connect = || Client::connect(database.url(), NoTls).unwrap();
    let mut listener = connect();
    listener.batch_execute("LISTEN news").unwrap();
    (listener, connect())
}

/// Asks the server something, so that what it has sent by now is here, and takes that.
fn heard(listener: &mut Client) -> Vec<String> {
    listener.simple_query("").unwrap();
    let mut heard = listener.notifications();
    heard.iter().map(|news| Ok(news.payload().into())).collect().unwrap()
}

/// Waits for `last`, and answers all that came up to it.
fn heard_up_to(listener: &mut Client, last: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|heard| heard != last) {
        let news = listener.notifications().timeout_iter(LONG).next().unwrap();
        heard.push(news.expect("a notification").payload().into());
    }
    heard
}

#[test]
fn a_notification_goes_out_on_commit() {
    let database = Server::shared().database();
    let (mut listener, mut other) = listener_and_other(&database);
    other.batch_execute("BEGIN; NOTIFY news, 'written'").unwrap();
    assert!(heard(&mut listener).is_empty());
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(heard_up_to(&mut listener, "written"), ["written"]);
}

#[test]
fn a_rollback_takes_it_back() {
    let database = Server::shared().database();
    let (mut listener, mut other) = listener_and_other(&database);
    other.batch_execute("BEGIN; NOTIFY news, 'undone'; ROLLBACK").unwrap();
    other.batch_execute("NOTIFY news, 'last'").unwrap();
    assert_eq!(heard_up_to(&mut listener, "last"), ["last"]);
}

#[test]
fn duplicates_in_one_transaction_merge() {
    let database = Server::shared().database();
    let (mut listener, mut other) = listener_and_other(&database);
    other.batch_execute("NOTIFY news, 'twice'").unwrap();
    other.batch_execute("NOTIFY news, 'twice'").unwrap();
    other
        .batch_execute(
            "BEGIN; NOTIFY news, 'once'; NOTIFY news, 'once'; NOTIFY news, 'last'; COMMIT",
        )
        .unwrap();
    assert_eq!(heard_up_to(&mut listener, "last"), ["twice", "twice", "once", "last"]);
}

#[test]
fn a_listener_inside_a_transaction_hears_nothing() {
    let database = Server::shared().database();
    let (mut listener, mut other) = listener_and_other(&database);
    listener.batch_execute("BEGIN").unwrap();
    other.batch_execute("NOTIFY news, 'now'").unwrap();
    assert!(heard(&mut listener).is_empty());
    listener.batch_execute("COMMIT").unwrap();
    assert_eq!(heard_up_to(&mut listener, "now"), ["now"]);
}

#[test]
fn who_begins_to_listen_hears_nothing_of_before() {
    let database = Server::shared().database();
    let mut other = Client::connect(database.url(), NoTls).unwrap();
    other.batch_execute("NOTIFY news, 'before'").unwrap();
    let (mut listener, mut other) = listener_and_other(&database);
    other.batch_execute("NOTIFY news, 'after'").unwrap();
    assert_eq!(heard_up_to(&mut listener, "after"), ["after"]);
}
