//! Actors at work on one row at the same moment.

use std::collections::BTreeMap;
use std::time::Duration;

use pglock_core::{Acquire, Rvn};

use crate::actor::{Actor, Answer, Locks, acquire, release, renewal, rvn};

/// What the second gets that has to wait for the first one's open transaction, once that is committed.
async fn after_commit<T>(first: &Actor, second: &Actor, asks: impl Future<Output = T>) -> T {
    let commit = async {
        second.session.blocked(&first.session).await;
        first.session.execute("COMMIT").await;
    };
    tokio::join!(asks, commit).0
}

#[tokio::test]
async fn a_take_over_compares_again_after_waiting_for_a_heartbeat() {
    let locks = Locks::new().await;
    let (holder, other) = (locks.actor().await, locks.actor().await);
    let token = holder.take("a", 1).await;
    holder.session.execute("BEGIN").await;
    holder.renew(vec![renewal("a", 1, 2)]).await.unwrap();
    let answer = after_commit(
        &holder,
        &other,
        other.acquire(Acquire { seen: Some(rvn(1)), ..acquire("a", 3) }),
    )
    .await;
    assert_eq!(answer.unwrap().granted(), None);
    let row = holder.read("a").await.unwrap();
    assert_eq!((row.rvn, row.token), (Some(rvn(2)), Some(token)));
}

#[tokio::test]
async fn a_free_row_is_compared_again_after_waiting_for_another_grant() {
    let locks = Locks::new().await;
    let (first, second) = (locks.actor().await, locks.actor().await);
    first.take("a", 1).await;
    first.release(release("a", 1)).await.unwrap();
    first.session.execute("BEGIN").await;
    first.acquire(acquire("a", 2)).await.unwrap().granted().unwrap();
    let answer = after_commit(&first, &second, second.acquire(acquire("a", 3))).await;
    assert_eq!(answer.unwrap().granted(), None);
    assert_eq!(first.read("a").await.unwrap().rvn, Some(rvn(2)));
}

/// The release is not missed, in either order.
#[tokio::test]
async fn who_lines_up_while_the_row_is_freed_is_told_to_ask_again() {
    let locks = Locks::new().await;
    let (holder, waiter) = (locks.actor().await, locks.actor().await);
    holder.take("a", 1).await;
    holder.session.execute("BEGIN").await;
    holder.release(release("a", 1)).await.unwrap();
    let answer = after_commit(&holder, &waiter, waiter.line_up("a", 1)).await;
    assert_eq!(answer, None);
    assert_eq!(waiter.line_up("a", 1).await, Some((None, 0)));
}

#[tokio::test]
async fn forty_that_line_up_at_once_stand_in_one_line_each_once() {
    let locks = Locks::new().await;
    let holder = locks.actor().await;
    holder.take("a", 1).await;
    let mut waiters = tokio::task::JoinSet::new();
    for number in 0..40 {
        let waiter = locks.actor().await;
        waiters.spawn(async move { waiter.line_up("a", number).await.unwrap().1 });
    }
    let mut places = waiters.join_all().await;
    places.sort_unstable();
    assert_eq!(places, (1..=40).collect::<Vec<_>>());
    holder.release(release("a", 1)).await.unwrap();
    assert_eq!(holder.line_up("a", 99).await.unwrap().1, 40, "the first has left the line");
}

/// If the token were drawn before the wait for the row, it would be older than the one that is drawn meanwhile.
#[tokio::test]
async fn the_token_is_drawn_after_the_row_is_locked() {
    let locks = Locks::new().await;
    let (first, second) = (locks.actor().await, locks.actor().await);
    first.take("a", 1).await;
    first.release(release("a", 1)).await.unwrap();
    first.session.execute("BEGIN; SELECT 1 FROM locks FOR UPDATE").await;
    let (answer, earlier) = tokio::join!(second.acquire(acquire("a", 2)), async {
        second.session.blocked(&first.session).await;
        let token = first.acquire(acquire("a", 3)).await.unwrap().granted().unwrap();
        first.release(release("a", 3)).await.unwrap();
        first.session.execute("COMMIT").await;
        token
    });
    let later = answer.unwrap().granted().unwrap();
    assert!(later > earlier, "{later} after {earlier}");
}

#[tokio::test]
async fn a_locked_row_is_waited_for_no_longer_than_asked() {
    let locks = Locks::new().await;
    let (stranger, actor) = (locks.actor().await, locks.actor().await);
    actor.take("a", 1).await;
    stranger.session.execute("BEGIN; SELECT 1 FROM locks FOR UPDATE").await;
    let lock_timeout = Duration::from_millis(10);
    let take_over = Acquire { seen: Some(rvn(1)), lock_timeout, ..acquire("a", 2) };
    let give_back = pglock_core::Release { lock_timeout, ..release("a", 1) };
    let change = pglock_core::Amend { lock_timeout, ..crate::actor::amend("a", 1, 2) };
    assert_eq!(actor.acquire(take_over).await.unwrap_err().sqlstate.as_str(), "55P03");
    assert_eq!(actor.release(give_back).await.unwrap_err().sqlstate.as_str(), "55P03");
    assert_eq!(actor.amend(change).await.unwrap_err().sqlstate.as_str(), "55P03");
    assert_eq!(actor.read("a").await.unwrap().rvn, Some(rvn(1)));
}

#[tokio::test]
async fn a_refused_try_does_not_wait_for_a_locked_row() {
    let locks = Locks::new().await;
    let (holder, other) = (locks.actor().await, locks.actor().await);
    holder.take("a", 1).await;
    holder.session.execute("BEGIN; SELECT 1 FROM locks FOR UPDATE").await;
    let lock_timeout = Duration::from_millis(10);
    let answer = other.acquire(Acquire { lock_timeout, ..acquire("a", 2) }).await.unwrap();
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}

#[tokio::test]
async fn four_race_for_the_first_use_of_200_names_and_each_goes_to_one() {
    let locks = Locks::new().await;
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..4 {
        let actor = locks.actor().await;
        racers.spawn(async move {
            let mut grants = Vec::new();
            for number in 0..200 {
                let wanted = acquire(&format!("name {number}"), racer * 1_000 + number);
                let _first = actor.acquire(wanted.clone()).await.unwrap();
                if let Answer::Granted(seen) = actor.acquire(wanted).await.unwrap() {
                    grants.push((number, seen.token.unwrap(), seen.rvn.unwrap()));
                }
            }
            grants
        });
    }
    let grants = racers.join_all().await.concat();
    let names: BTreeMap<i64, Rvn> = grants.iter().map(|(name, _, rvn)| (*name, *rvn)).collect();
    let tokens: BTreeMap<i64, Rvn> = grants.iter().map(|(_, token, rvn)| (*token, *rvn)).collect();
    assert_eq!((grants.len(), names.len(), tokens.len()), (200, 200, 200));
    let actor = locks.actor().await;
    for (name, rvn) in names {
        assert_eq!(actor.read(&format!("name {name}")).await.unwrap().rvn, Some(rvn));
    }
}

/// Under the Go library's statements a name can appear while we are about to insert it.
#[tokio::test]
async fn a_row_that_another_client_inserts_meanwhile_is_not_taken() {
    let locks = Locks::new().await;
    let (go, actor) = (locks.actor().await, locks.actor().await);
    go.session
        .execute(
            "BEGIN; INSERT INTO locks (name, record_version_number, owner) VALUES ('a', 7, 'go')",
        )
        .await;
    let answer = after_commit(&go, &actor, actor.acquire(acquire("a", 1))).await;
    assert_eq!(answer.unwrap(), Answer::Nothing);
    assert_eq!(actor.read("a").await.unwrap().rvn, Some(Rvn::new(7)));
}

/// Go clients delete the row when they release.
#[tokio::test]
async fn a_row_that_another_client_deletes_meanwhile_is_made_anew() {
    let locks = Locks::new().await;
    let (go, actor) = (locks.actor().await, locks.actor().await);
    actor.take("a", 1).await;
    go.session.execute("BEGIN; DELETE FROM locks").await;
    let answer =
        after_commit(&go, &actor, actor.acquire(Acquire { seen: Some(rvn(1)), ..acquire("a", 2) }))
            .await;
    assert_eq!(answer.unwrap().granted(), None);
    assert_eq!(actor.acquire(acquire("a", 2)).await.unwrap().granted(), Some(2));
}

/// Once all have what they want, the rows are free and every grant had a token of its own.
#[tokio::test]
async fn heartbeats_racing_releases_and_grants_never_deadlock() {
    let locks = Locks::new().await;
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..8_i64 {
        let actor = locks.actor().await;
        racers.spawn(async move {
            let mut tokens = Vec::new();
            for round in 0..100_i64 {
                let (name, number) = (
                    ["a", "b", "c"][usize::try_from(round % 3).unwrap()],
                    racer * 1_000 + round * 2,
                );
                let answer = actor.acquire(acquire(name, number)).await.unwrap();
                let Some(token) = answer.granted() else { continue };
                tokens.push(token);
                let renewed = actor.renew(vec![renewal(name, number, number + 1)]).await.unwrap();
                assert_ne!(renewed[0].1, "lost");
                let mine = vec![rvn(number), rvn(number + 1)];
                let freed = actor.release(pglock_core::Release { mine, ..release(name, number) });
                assert_eq!(freed.await.unwrap(), Some(token));
            }
            tokens
        });
    }
    let mut tokens = racers.join_all().await.concat();
    let grants = tokens.len();
    tokens.sort_unstable();
    tokens.dedup();
    assert!(grants > 0 && tokens.len() == grants);
    let actor = locks.actor().await;
    for name in actor.list("").await {
        assert_eq!(actor.read(&name).await.unwrap().rvn, None, "{name}");
    }
}
