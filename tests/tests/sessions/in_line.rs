//! Waiting in the server's own queue, slice after slice: handed over at once, and nothing is left behind.

use std::time::Duration;

use pglock_core::{Advisory, AdvisoryMode, Call, Outcome, Row, Sql, Statement, Table, Value};
use pglock_driver::Error;
use pglock_tests::{Database, Proxy, RoundTrip, eventually};
use tokio::time::timeout;

use crate::adapter::{Adapter, Stranger, arguments, database, ms, never_again, options, run};
use crate::waiting::Races;

over_all_adapters! {
    a_stranger_hands_the_lock_over_in_the_order_of_the_queue,
    slice_after_slice_waits_until_the_lock_is_free,
    those_who_share_are_handed_the_lock_together,
    an_owner_stacks_on_what_it_waited_for,
    a_wait_in_line_that_timed_out_leaves_nothing_behind,
    times_and_slices_that_pass_at_any_moment_leave_nothing_behind,
    whoever_is_gone_leaves_the_queue_with_its_slice,
    an_index_is_built_while_some_wait_in_line,
    an_index_is_built_on_a_server_that_soon_looks_for_deadlocks,
    more_than_there_are_lines_are_served_all_the_same,
}

impl Stranger {
    async fn sees_connections(&self, number: usize) {
        let open = format!(
            "SELECT count(*) = {number} FROM pg_stat_activity WHERE datname = current_database() \
             AND backend_type = 'client backend'"
        );
        eventually(&format!("{number} are open"), async || self.says(&open).await).await;
    }
}

async fn strangers(database: &Database) -> [Stranger; 2] {
    [Stranger::of(database).await, Stranger::of(database).await]
}

async fn a_stranger_hands_the_lock_over_in_the_order_of_the_queue(adapter: Adapter) {
    let database = database();
    let [holder, last] = strangers(&database).await;
    let locks = adapter.locks_with(never_again(), &database).await;
    holder.takes("a").await;
    let request = locks.advisory("a").in_line();
    let waiting = tokio::spawn(async move { request.acquire().await.unwrap() });
    holder.sees_waiting(1).await;
    let behind = tokio::spawn(async move {
        last.takes("a").await;
        last
    });
    holder.sees_waiting(2).await;
    let commands = locks.counters().await.commands;
    holder.gives_back("a").await;
    let lock = waiting.await.unwrap();
    assert!(lock.is_held() && !behind.is_finished());
    assert_eq!(locks.counters().await.commands, commands, "nobody asked again");
    lock.free().await;
    behind.await.unwrap().gives_back("a").await;
    holder.sees(0).await;
}

async fn slice_after_slice_waits_until_the_lock_is_free(adapter: Adapter) {
    let database = database();
    let holder = Stranger::of(&database).await;
    let locks = adapter.locks_with(options().slice(ms(20)), &database).await;
    holder.sees_connections(2).await;
    holder.takes("a").await;
    let request = locks.advisory("a").in_line();
    let waiting = tokio::spawn(async move { request.acquire().await.unwrap() });
    let before = locks.counters().await.commands;
    eventually("slices pass", async || locks.counters().await.commands > before + 5).await;
    assert_eq!(locks.counters().await.unknown_outcomes, 0);
    holder.gives_back("a").await;
    waiting.await.unwrap().free().await;
    holder.sees(0).await;
    holder.sees_connections(2).await;
}

async fn those_who_share_are_handed_the_lock_together(adapter: Adapter) {
    let database = database();
    let holder = Stranger::of(&database).await;
    let (locks, others) =
        (adapter.locks_with(never_again(), &database).await, adapter.locks(&database).await);
    holder.takes("a").await;
    let mut waiting = Vec::new();
    for request in [locks.advisory("a"), locks.advisory("a"), others.advisory("a")] {
        let request = request.shared().in_line();
        waiting.push(tokio::spawn(async move { request.acquire().await.unwrap() }));
    }
    holder.sees_waiting(2).await;
    holder.gives_back("a").await;
    let mut held = Vec::new();
    for task in waiting {
        held.push(task.await.unwrap());
    }
    holder.sees(2).await;
    for lock in held {
        lock.free().await;
    }
    holder.sees(0).await;
}

async fn an_owner_stacks_on_what_it_waited_for(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks(&database).await;
    let owner = locks.owner();
    let outer = locks.advisory("a").by(&owner).in_line().acquire().await.unwrap();
    let commands = locks.counters().await.commands;
    let inner = locks.advisory("a").by(&owner).acquire().await.unwrap();
    let again = outer.again().await.unwrap();
    assert_eq!(locks.counters().await.commands, commands);
    assert!(!locks.finds_free("a").await);
    drop((outer, inner));
    assert!(again.is_held() && !stranger.finds_free("a").await);
    again.free().await;
    assert!(stranger.finds_free("a").await);
}

async fn a_wait_in_line_that_timed_out_leaves_nothing_behind(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await;
    let late = others.advisory("a").in_line().acquire_within(ms(120)).await;
    assert_eq!(late.unwrap_err(), Error::TimedOut(None));
    stranger.sees(1).await;
    lock.free().await;
    assert!(stranger.finds_free("a").await);
    stranger.sees(0).await;
}

async fn times_and_slices_that_pass_at_any_moment_leave_nothing_behind(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let others = adapter.locks(&database).await;
    let locks = adapter.locks_with(options().slice(ms(2)), &database).await;
    let mut races = Races::default();
    for step in 0..200_u64 {
        let contended = others.acquire("a").await;
        let request = locks.advisory("a").in_line();
        let span = ms(5) + Duration::from_micros(step % 40 * 250);
        let asking = tokio::spawn(async move { request.acquire_within(span).await });
        let eased = span / 4 * u32::try_from(step % 6).unwrap();
        tokio::time::sleep(eased).await;
        drop(contended);
        races.note(asking.await.unwrap());
    }
    races.left_nothing_behind(&stranger, [&locks, &others]).await;
}

/// The server does not notice while the statement waits, nor has it to.
async fn whoever_is_gone_leaves_the_queue_with_its_slice(adapter: Adapter) {
    let database = database();
    let holder = Stranger::of(&database).await;
    let proxy = Proxy::new(database.url());
    let locks = adapter.locks_at(options(), proxy.url()).await;
    holder.takes("a").await;
    let request = locks.advisory("a").in_line();
    let waiting = tokio::spawn(async move { request.acquire().await });
    holder.sees_waiting(1).await;
    proxy.cut();
    holder.sees(1).await;
    assert!(!waiting.is_finished());
    waiting.abort();
}

async fn an_index_is_built_while_some_wait_in_line(adapter: Adapter) {
    let database = database();
    database.execute("CREATE TABLE thing AS SELECT generate_series(1, 1000) AS number");
    let stranger = Stranger::of(&database).await;
    let (locks, others) = (adapter.locks(&database).await, adapter.locks(&database).await);
    let lock = locks.acquire("a").await;
    stranger.takes("b").await;
    let mut waiting = Vec::new();
    for (waiter, name) in [(&others, "a"), (&others, "b"), (&locks, "b")] {
        let request = waiter.advisory(name).in_line();
        waiting.push(tokio::spawn(async move { request.acquire().await.unwrap().free().await }));
    }
    stranger.sees_waiting(3).await;
    database.execute("CREATE INDEX CONCURRENTLY ON thing (number)");
    // The same where the lock is held: each waits for the other, until a slice has passed.
    stranger.execute("CREATE INDEX CONCURRENTLY ON thing (number)").await;
    assert!(waiting.iter().all(|task| !task.is_finished()) && lock.is_held());
    lock.free().await;
    stranger.gives_back("b").await;
    for task in waiting {
        task.await.unwrap();
    }
}

/// Sooner than a slice would pass: the slice is shorter there. The victim of a deadlock would have to unlock what it may
/// hold.
async fn an_index_is_built_on_a_server_that_soon_looks_for_deadlocks(adapter: Adapter) {
    let database = database();
    database.execute("CREATE TABLE thing AS SELECT generate_series(1, 1000) AS number");
    database.set_default("deadlock_timeout", "300ms");
    let (holder, proxy) = (Stranger::of(&database).await, Proxy::new(database.url()));
    let locks = adapter.locks_at(options().slice(ms(4_000)), proxy.url()).await;
    holder.takes("a").await;
    let request = locks.advisory("a").in_line();
    let waiting = tokio::spawn(async move { request.acquire().await.unwrap() });
    holder.sees_waiting(1).await;
    holder.execute("CREATE INDEX CONCURRENTLY ON thing (number)").await;
    let unlocked = |trip: &RoundTrip| trip.text.contains("pg_advisory_unlock");
    holder.gives_back("a").await;
    let lock = waiting.await.unwrap();
    assert!(!proxy.round_trips().iter().any(unlocked));
    lock.free().await;
    assert!(proxy.round_trips().iter().any(unlocked));
}

async fn more_than_there_are_lines_are_served_all_the_same(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks_with(options().lines(2), &database).await;
    let mut held = Vec::new();
    for key in 0..5 {
        held.push(locks.advisory(key).in_line().acquire().await.unwrap());
    }
    assert!(stranger.finds("count(DISTINCT pid) = 3").await);
    drop(held);
    stranger.sees(0).await;
}

#[test]
fn a_waiter_in_line_that_was_dropped_never_gets_the_lock_and_leaves_the_queue_soon() {
    run(async {
        let database = database();
        let stranger = Stranger::of(&database).await;
        let locks = Adapter::TOKIO.locks(&database).await;
        stranger.takes("a").await;
        stranger.sees_connections(2).await;
        let mut waiting = Box::pin(locks.advisory("a").in_line().acquire());
        while timeout(ms(10), &mut waiting).await.is_err() {
            if stranger.finds("count(*) FILTER (WHERE NOT granted) = 1").await {
                break;
            }
        }
        drop(waiting);
        stranger.sees(1).await;
        stranger.gives_back("a").await;
        stranger.sees(0).await;
        stranger.sees_connections(2).await;
    });
}

/// A time-out that comes with the grant, as a plain timed wait of a session leaks.
#[test]
fn a_statement_that_waits_holds_the_lock_if_and_only_if_it_says_so() {
    run(async {
        let database = database();
        let [holder, waiter] = strangers(&database).await;
        let sql = Sql::new(&Table::default());
        let say = async |call| {
            let statement = Statement::Advisory(Advisory { mark: 7, tokens: false, call });
            waiter.run(&sql.query(&statement)).await
        };
        let answer = |value| Outcome::Rows(vec![Row(vec![value])]);
        say(Call::Enter).await;
        let (mut late, mut granted) = (0, 0);
        for round in 0..400_u64 {
            let mode = [AdvisoryMode::Exclusive, AdvisoryMode::Shared][usize::from(round % 2 == 0)];
            holder.takes("a").await;
            let give_back = format!(
                "SELECT CASE WHEN pg_sleep({}e-6) IS NOT NULL THEN pg_advisory_unlock({}) END",
                600 + round % 50 * 30,
                arguments(&"a".into())
            );
            let (outcome, given_back) =
                tokio::join!(say(Call::Take(place(), mode, ms(2))), holder.says(&give_back));
            assert!(given_back);
            if outcome == answer(Value::Int8(0)) {
                granted += 1;
                let unlocked = say(Call::Unlock(place(), mode)).await;
                assert_eq!(unlocked, answer(Value::Bool(true)));
            } else {
                late += 1;
                assert!(
                    matches!(&outcome, Outcome::Failed(error) if error.sqlstate.as_str() == "55P03")
                );
            }
            // Asked of the session itself, which says that it failed before it has given all back.
            assert_eq!(waiter.count().await, 0, "{granted} were granted, {late} late");
        }
        assert!(late > 0 && granted > 0, "{granted} were granted, {late} late");
        println!("{granted} were granted, {late} late");
    });
}

fn place() -> pglock_core::AdvisoryPlace {
    pglock_core::AdvisoryKey::from("a").place()
}
