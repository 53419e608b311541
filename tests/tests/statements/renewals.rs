//! Renewals of many locks at once, and of one with changes.

use std::time::Duration;

use pglock_core::{Acquire, Amend, Renewal};

use crate::actor::{Actor, Locks, acquire, amend, lock, renewal, rvn, with_data};

/// Verdicts as they read: `a renewed 20000`.
async fn renew(actor: &Actor, locks: Vec<Renewal>) -> Vec<String> {
    let verdicts = actor.renew(locks).await.unwrap();
    let words = |(name, verdict, lease): (String, String, Option<i64>)| match lease {
        Some(lease) => format!("{name} {verdict} {lease}"),
        None => format!("{name} {verdict}"),
    };
    verdicts.into_iter().map(words).collect()
}

#[tokio::test]
async fn each_lock_gets_a_verdict_of_its_own() {
    let actor = Locks::new().await.actor().await;
    actor.take("mine", 1).await;
    actor.take("stolen", 2).await;
    let thief = Acquire { seen: Some(rvn(2)), ..acquire("stolen", 9) };
    actor.acquire(thief).await.unwrap().granted().unwrap();
    let batch = vec![renewal("mine", 1, 11), renewal("stolen", 2, 12), renewal("gone", 3, 13)];
    assert_eq!(renew(&actor, batch).await, ["gone lost", "mine renewed 20000", "stolen lost"]);
    assert_eq!(actor.read("mine").await.unwrap().rvn, Some(rvn(11)));
    assert_eq!(actor.read("stolen").await.unwrap().rvn, Some(rvn(9)));
    assert_eq!(actor.read("gone").await, None);
}

#[tokio::test]
async fn a_row_that_a_stranger_has_locked_does_not_hold_up_the_rest() {
    let locks = Locks::new().await;
    let (actor, stranger) = (locks.actor().await, locks.database.connect().await);
    for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
        actor.take(name, number).await;
    }
    stranger.execute("BEGIN; SELECT 1 FROM locks WHERE name = 'b' FOR UPDATE").await;
    let batch = || vec![renewal("a", 1, 11), renewal("b", 2, 12), renewal("c", 3, 13)];
    assert_eq!(
        renew(&actor, batch()).await,
        ["a renewed 20000", "b row locked", "c renewed 20000"]
    );
    stranger.execute("COMMIT").await;
    assert_eq!(renew(&actor, batch()).await[1], "b renewed 20000");
}

#[tokio::test]
async fn run_twice_it_renews_twice() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 1).await;
    for _ in 0..2 {
        assert_eq!(renew(&actor, vec![renewal("a", 1, 2)]).await, ["a renewed 20000"]);
    }
}

#[tokio::test]
async fn any_number_of_ours_is_accepted() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 2).await;
    let mine = vec![rvn(1), rvn(2), rvn(3), rvn(4)];
    let unsure = Renewal { name: lock("a"), mine, new: rvn(4) };
    assert_eq!(renew(&actor, vec![unsure]).await, ["a renewed 20000"]);
    assert_eq!(actor.read("a").await.unwrap().rvn, Some(rvn(4)));
}

#[tokio::test]
async fn a_renewal_changes_nothing_but_the_number() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 1).await;
    actor.acquire(Acquire { content: with_data(b"x", true), ..acquire("a", 1) }).await.unwrap();
    let before = actor.read("a").await.unwrap();
    renew(&actor, vec![renewal("a", 1, 2)]).await;
    let mut after = actor.read("a").await.unwrap();
    assert_eq!(after.rvn.replace(rvn(1)), Some(rvn(2)));
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_thousand_locks_are_renewed_by_one_statement() {
    let actor = Locks::new().await.actor().await;
    let all = format!(
        "INSERT INTO locks (name, record_version_number, lease_ms) \
         SELECT 'name ' || n, {} + n, 1000 FROM generate_series(0, 999) n",
        pglock_core::Rvn::MARK
    );
    actor.session.execute(&all).await;
    let batch = (0..1_000).map(|n| renewal(&format!("name {n}"), n, 1_000 + n)).collect();
    let verdicts = renew(&actor, batch).await;
    assert_eq!(verdicts.len(), 1_000);
    assert!(verdicts.iter().all(|verdict| verdict.ends_with(" renewed 1000")));
}

#[tokio::test]
async fn names_in_a_batch_may_be_of_any_kind() {
    let actor = Locks::new().await.actor().await;
    let names = ["a", "a ", "{a,b}", "\"", "\\", "NULL", "null", ",", "🔒"];
    for (number, name) in (0..).zip(names) {
        actor.take(name, number).await;
    }
    let batch = (0..).zip(names).map(|(number, name)| renewal(name, number, 100 + number));
    let verdicts = renew(&actor, batch.collect()).await;
    assert_eq!(verdicts.len(), names.len());
    assert!(verdicts.iter().all(|verdict| verdict.ends_with(" renewed 20000")), "{verdicts:?}");
}

#[tokio::test]
async fn an_amendment_writes_what_it_changes_and_renews() {
    let actor = Locks::new().await.actor().await;
    let token = actor.take("a", 1).await;
    let lease = Some(Duration::from_secs(30));
    assert_eq!(actor.amend(Amend { lease, ..amend("a", 1, 2) }).await.unwrap(), Some(30_000));
    let data = Some(Some(b"x"[..].into()));
    assert_eq!(actor.amend(Amend { data, ..amend("a", 2, 3) }).await.unwrap(), Some(30_000));
    let row = actor.read("a").await.unwrap();
    assert_eq!((row.rvn, row.lease_ms, row.token), (Some(rvn(3)), Some(30_000), Some(token)));
    assert_eq!(row.data.as_deref(), Some(&b"x"[..]));
    actor.amend(Amend { data: Some(None), ..amend("a", 3, 4) }).await.unwrap();
    assert_eq!(actor.read("a").await.unwrap().data, None);
}

#[tokio::test]
async fn an_amendment_of_somebody_elses_row_changes_nothing() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 1).await;
    let before = actor.read("a").await;
    let lease = Some(Duration::from_secs(30));
    assert_eq!(actor.amend(Amend { lease, ..amend("a", 8, 9) }).await.unwrap(), None);
    assert_eq!(actor.read("a").await, before);
}
