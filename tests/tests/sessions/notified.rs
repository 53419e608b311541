//! Waiting to be told of an unlock, without a look in between, over both adapters.

use std::time::Duration;

use pglock_core::{
    Advisory, AdvisoryKey, AdvisoryMode, AdvisoryPlace, Call, Outcome, Row, Sql, Statement, Table,
    Value,
};
use pglock_driver::{Error, Options};

use crate::adapter::{Adapter, Locks, Stranger, database, options, run};

over_all_adapters! {
    a_waiter_is_told_of_an_unlock,
    those_who_share_are_told_of_one_who_had_it_alone,
    a_waiter_in_line_tells_those_who_are_not,
    a_place_is_quiet_when_nobody_waits_any_more,
    no_hand_over_is_missed,
    what_a_stranger_unlocks_is_seen_with_the_next_look,
}

/// No test waits so long.
const HOUR: Duration = Duration::from_secs(3_600);

/// Nobody looks of its own accord.
fn deaf_but_for_notifications() -> Options {
    options().poll(HOUR).patience(HOUR)
}

async fn two(adapter: Adapter, database: &pglock_tests::Database) -> [Locks; 2] {
    let options = deaf_but_for_notifications();
    [
        adapter.locks_with(options.clone(), database).await,
        adapter.locks_with(options, database).await,
    ]
}

/// The bell of the place rings beside what is held.
async fn until_it_rings(stranger: &Stranger) {
    stranger.sees(2).await;
}

async fn a_waiter_is_told_of_an_unlock(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let [one, other] = two(adapter, &database).await;
    for key in ["a", "b"] {
        let held = one.acquire(key).await;
        let waits = async { other.acquire(key).await };
        let ends = async {
            until_it_rings(&stranger).await;
            held.free().await;
        };
        let (lock, ()) = tokio::join!(waits, ends);
        assert_eq!(stranger.count().await, 1, "the grant has quieted the bell");
        lock.free().await;
        assert_eq!(stranger.count().await, 0);
    }
}

async fn those_who_share_are_told_of_one_who_had_it_alone(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let [one, other] = two(adapter, &database).await;
    let held = one.acquire((7, 42)).await;
    let shares = || other.advisory((7, 42)).shared().acquire();
    let ends = async {
        until_it_rings(&stranger).await;
        held.free().await;
    };
    let (first, second, ()) = tokio::join!(shares(), shares(), ends);
    first.unwrap().free().await;
    second.unwrap().free().await;
    assert_eq!(stranger.count().await, 0);
}

async fn a_waiter_in_line_tells_those_who_are_not(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let [one, other] = two(adapter, &database).await;
    let held = one.advisory("a").in_line().acquire().await.unwrap();
    let ends = async {
        until_it_rings(&stranger).await;
        held.free().await;
    };
    let (lock, ()) = tokio::join!(other.acquire("a"), ends);
    lock.free().await;
}

async fn a_place_is_quiet_when_nobody_waits_any_more(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let [one, other] = two(adapter, &database).await;
    let held = one.acquire("a").await;
    let waits = other.advisory("a").acquire_within(Duration::from_millis(50));
    assert_eq!(waits.await.unwrap_err(), Error::TimedOut(None));
    stranger.sees(1).await;
    held.free().await;
}

/// Two handles pass a lock on, as fast as they can: if a single notification were missed, both would sleep for an hour.
async fn no_hand_over_is_missed(adapter: Adapter) {
    let database = database();
    let locks = two(adapter, &database).await;
    let passes = async |locks: &Locks| {
        for _ in 0..300 {
            locks.acquire("a").await.free().await;
        }
    };
    tokio::join!(passes(&locks[0]), passes(&locks[0]), passes(&locks[1]), passes(&locks[1]));
}

async fn what_a_stranger_unlocks_is_seen_with_the_next_look(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    stranger.takes("a").await;
    let ends = async {
        until_it_rings(&stranger).await;
        stranger.gives_back("a").await;
    };
    let (lock, ()) = tokio::join!(locks.acquire("a"), ends);
    lock.free().await;
    assert_eq!(stranger.count().await, 0);
}

/// The lock is unlocked after a waiter's first try and before its bell rings, or can ring: no notification comes, but the
/// waiter has the lock.
#[test]
fn an_unlock_just_before_the_bell_rings_is_not_missed() {
    for another_at_the_bell in [false, true] {
        run(async {
            let database = database();
            let [holder, waiter] = [Stranger::of(&database).await, Stranger::of(&database).await];
            let bell = AdvisoryKey::from("a").place().bell();
            let AdvisoryPlace::Pair(first, second) = bell else { panic!("{bell:?}") };
            if another_at_the_bell {
                holder.execute(&format!("SELECT pg_advisory_lock({first}, {second})")).await;
            }
            holder.execute(&format!("SELECT pg_advisory_lock({GATE})")).await;
            holder.takes("a").await;
            waiter.say(Call::Enter).await;
            let place = AdvisoryKey::from("a").place();
            let rings = waiter.say_and_wait_for(GATE, Call::Ring(place, EXCLUSIVE));
            let ends = async {
                waiter.blocked_by(&holder, &holder).await;
                holder.gives_back("a").await;
                holder.execute(&format!("SELECT pg_advisory_unlock({GATE})")).await;
            };
            let (answer, ()) = tokio::join!(rings, ends);
            assert_eq!(answer, Outcome::Rows(vec![Row(vec![Value::Int8(0)])]));
        });
    }
}

const EXCLUSIVE: AdvisoryMode = AdvisoryMode::Exclusive;

/// A lock that nobody else takes.
const GATE: &str = "1, 1";

impl Stranger {
    async fn say(&self, call: Call) -> Outcome {
        let statement = Statement::Advisory(Advisory { mark: 7, tokens: false, call });
        self.run(&Sql::new(&Table::default()).query(&statement)).await
    }

    /// The same, but waits for a lock before the bell rings.
    async fn say_and_wait_for(&self, gate: &str, call: Call) -> Outcome {
        let statement = Statement::Advisory(Advisory { mark: 7, tokens: false, call });
        let sql = Sql::new(&Table::default());
        let mut query = sql.query(&statement);
        let bell = "WHEN pg_try_advisory_lock_shared(";
        assert!(query.text.contains(bell));
        let waits = format!("WHEN pg_advisory_xact_lock({gate}) IS NULL THEN 0 {bell}");
        let text = query.text.replace(bell, &waits);
        query.text = &text;
        self.run(&query).await
    }
}
