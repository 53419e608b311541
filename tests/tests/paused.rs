//! The tokio adapter on tokio's paused time, against a real server. The protocol knows no time but its clients', so hours
//! of it pass while the server's clock hardly moves.
#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::mem::forget;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use pglock_driver::{Clock, Instant};
use pglock_tests::{Database, Server, in_time};
use pglock_tokio::Locks;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{spawn, spawn_blocking, yield_now};
use tokio::time::{self, advance};

const LEASE: Duration = Duration::from_secs(20);

/// A step within which a heartbeat falls due.
const STEP: Duration = Duration::from_secs(5);

/// Tokio's time since it was made.
struct TokioTime(time::Instant);

impl Clock for TokioTime {
    fn now(&self) -> Instant {
        Instant::default().saturating_add(self.0.elapsed())
    }
}

/// While this lives, time passes only when it is told to: not whenever nothing is to be done but to wait for the server.
struct Standstill(#[expect(dead_code, reason = "dropped")] Sender<()>);

impl Standstill {
    fn begin() -> Self {
        time::pause();
        let (sender, dropped) = channel::<()>();
        drop(spawn_blocking(move || dropped.recv()));
        Self(sender)
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Gives the test a database, and time that stands still.
fn paused<F: Future<Output = ()>>(test: impl FnOnce(Database) -> F + Send + 'static) {
    let database = Server::shared().database();
    in_time(|| {
        runtime().block_on(async {
            let _standstill = Standstill::begin();
            test(database).await;
        });
    });
}

async fn open(database: &Database) -> Locks {
    let clock = TokioTime(time::Instant::now());
    Locks::builder().lease(LEASE).clock(clock).connect(database.url()).await.unwrap()
}

/// A process that has the lock and ends without a word.
fn crashes_with_the_lock(database: &Database) -> i64 {
    let url = database.url().to_owned();
    let process = move || {
        runtime().block_on(async {
            let locks = Locks::builder().lease(LEASE).connect(&url).await.unwrap();
            let lock = locks.acquire("a").await.unwrap();
            let token = lock.token().as_i64();
            forget((lock, locks));
            token
        })
    };
    thread::spawn(process).join().unwrap()
}

#[test]
fn a_lock_is_kept_for_two_hours() {
    paused(async |database| {
        let locks = open(&database).await;
        let lock = locks.acquire("a").await.unwrap();
        let began = time::Instant::now();
        while began.elapsed() < Duration::from_secs(7_200) {
            let before = lock.valid_until();
            advance(STEP).await;
            while lock.valid_until() == before {
                yield_now().await;
            }
        }
        assert!(lock.release().await.unwrap().confirmed);
    });
}

#[test]
fn a_lock_is_held_no_more_when_its_lease_has_passed_in_one_step() {
    paused(async |database| {
        let locks = open(&database).await;
        let lock = locks.acquire("a").await.unwrap();
        assert!(lock.is_held());
        advance(LEASE).await;
        assert!(!lock.is_held());
        lock.lost().await;
    });
}

#[test]
fn a_crashed_holder_is_waited_for_as_long_as_its_lease() {
    paused(async |database| {
        let token = crashes_with_the_lock(&database);
        let locks = open(&database).await;
        let began = time::Instant::now();
        let waiting = spawn(async move { locks.acquire("a").await.unwrap().token().as_i64() });
        while !waiting.is_finished() {
            advance(Duration::from_millis(100)).await;
            // The server had the time to answer the client, too.
            database.connect().await.ask("SELECT 1").await.unwrap();
        }
        assert!(began.elapsed() >= LEASE);
        assert!(waiting.await.unwrap() > token);
    });
}
