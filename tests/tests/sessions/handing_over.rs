//! What it takes to hand a lock over from one client to another: printed in bare round trips of the same run, so that
//! machines can be compared. From the call that gives back to the guard of the next.
//!
//! `PGLOCK_TEST_HAND_OVERS` sets how many are made on each way over each adapter.

use std::time::{Duration, Instant};

use pglock_driver::Options;
use pglock_tests::{eventually, setting};

use crate::adapter::{Adapter, Stranger, Way, database, never_again};

over_each_driver! {
    a_hand_over_by_default,
    a_hand_over_in_line_needs_no_poll,
}

/// Between two hand-overs; until they have passed, the next one waits for certain.
const ROUND_TRIPS: usize = 20;

async fn a_hand_over_by_default(adapter: Adapter) {
    hand_over(adapter, Way::Default, || Options::default().check_table(false)).await;
}

async fn a_hand_over_in_line_needs_no_poll(adapter: Adapter) {
    hand_over(adapter, Way::InLine, never_again).await;
}

async fn hand_over(adapter: Adapter, way: Way, options: fn() -> Options) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let mut holder = adapter.locks_with(options(), &database).await;
    let mut next = adapter.locks_with(options(), &database).await;
    let mut lock = way.to("a", &holder).acquire().await.unwrap();
    let (mut hand_overs, mut round_trips) = (Vec::new(), Vec::new());
    for _ in 0..setting("PGLOCK_TEST_HAND_OVERS", 10) {
        let before = next.counters().await.commands;
        let request = way.to("a", &next);
        let waiting = tokio::spawn(async move { request.acquire().await.unwrap() });
        eventually("it has asked", async || next.counters().await.commands > before).await;
        if let Way::InLine = way {
            stranger.sees_waiting(1).await;
        }
        for _ in 0..ROUND_TRIPS {
            let start = Instant::now();
            assert!(stranger.says("SELECT true").await);
            round_trips.push(start.elapsed());
        }
        let start = Instant::now();
        lock.free().await;
        lock = waiting.await.unwrap();
        hand_overs.push(start.elapsed());
        std::mem::swap(&mut holder, &mut next);
    }
    say(adapter, way, hand_overs, round_trips);
}

fn say(adapter: Adapter, way: Way, mut hand_overs: Vec<Duration>, mut round_trips: Vec<Duration>) {
    hand_overs.sort_unstable();
    round_trips.sort_unstable();
    for (what, part) in [("by the medians", 2), ("by the quickest tenths", 10)] {
        let hand_over = hand_overs[hand_overs.len() / part];
        let round_trip = round_trips[round_trips.len() / part];
        let ratio = hand_over.as_secs_f64() / round_trip.as_secs_f64();
        println!(
            "{adapter:?}, {way:?}: a hand-over takes {ratio:.1} bare round trips {what}, \
             {hand_over:?} to {round_trip:?}"
        );
    }
}
