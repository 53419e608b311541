//! Acquire, release, and the data that goes with them, one actor at a time.

use std::time::Duration;

use pglock_core::{Acquire, Owner, Release, Rvn, Token};

use crate::actor::{Answer, Locks, Seen, acquire, release, rvn, with_data};

#[tokio::test]
async fn the_first_use_of_a_name_takes_two_trips() {
    let actor = Locks::new().await.actor().await;
    let free =
        Seen { rvn: None, owner: Some("me".into()), lease_ms: None, data: None, token: None };
    assert_eq!(actor.acquire(acquire("a", 1)).await.unwrap(), Answer::Refused(free));
    assert_eq!(actor.acquire(acquire("a", 1)).await.unwrap().granted(), Some(1));
}

#[tokio::test]
async fn a_grant_answers_what_stands_in_the_row() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 1).await;
    actor.release(release("a", 1)).await.unwrap();
    let content = with_data(b"x", false);
    let answer = actor.acquire(Acquire { content, ..acquire("a", 2) }).await.unwrap();
    let row = Seen {
        rvn: Some(rvn(2)),
        owner: Some("me".into()),
        lease_ms: Some(20_000),
        data: Some(b"x".to_vec()),
        token: Some(2),
    };
    assert_eq!(answer, Answer::Granted(row.clone()));
    assert_eq!(actor.read("a").await, Some(row));
}

#[tokio::test]
async fn a_refused_try_answers_who_holds_it() {
    let locks = Locks::new().await;
    let (holder, other) = (locks.actor().await, locks.actor().await);
    holder.take("a", 1).await;
    let held = holder.read("a").await.unwrap();
    assert_eq!(other.acquire(acquire("a", 2)).await.unwrap(), Answer::Refused(held));
}

#[tokio::test]
async fn a_take_over_needs_the_number_that_was_seen() {
    let locks = Locks::new().await;
    let (dead, other) = (locks.actor().await, locks.actor().await);
    dead.take("a", 1).await;
    let wrong = Acquire { seen: Some(rvn(9)), ..acquire("a", 2) };
    assert_eq!(other.acquire(wrong).await.unwrap().granted(), None);
    let right = Acquire { seen: Some(rvn(1)), ..acquire("a", 2) };
    assert_eq!(other.acquire(right).await.unwrap().granted(), Some(2));
    assert_eq!(dead.release(release("a", 1)).await.unwrap(), None);
}

#[tokio::test]
async fn any_number_of_ours_settles_a_lost_reply() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 1).await;
    let again = Acquire { mine: vec![rvn(1), rvn(2), rvn(3)], ..acquire("a", 3) };
    let answer = actor.acquire(again).await.unwrap();
    assert!(matches!(&answer, Answer::Granted(seen) if seen.rvn == Some(rvn(3))), "{answer:?}");
}

#[tokio::test]
async fn run_twice_it_keeps_its_token() {
    let actor = Locks::new().await.actor().await;
    let token = actor.take("a", 1).await;
    assert_eq!(actor.acquire(acquire("a", 1)).await.unwrap().granted(), Some(token));
}

#[tokio::test]
async fn tokens_grow_from_grant_to_grant_also_when_the_row_was_deleted() {
    let actor = Locks::new().await.actor().await;
    let mut last = 0;
    for number in 1..=5 {
        let token = actor.take("a", number).await;
        assert!(token > last, "{token} after {last}");
        last = token;
        actor.release(release("a", number)).await.unwrap();
        if number == 3 {
            actor.session.execute("DELETE FROM locks").await;
        }
    }
}

#[tokio::test]
async fn when_the_tokens_run_out_nothing_is_granted() {
    let actor = Locks::new().await.actor().await;
    let last = Token::EPOCH - 1;
    actor.session.execute(&format!("SELECT setval('locks_token', {})", last - 1)).await;
    assert_eq!(actor.take("a", 1).await, last);
    actor.release(release("a", 1)).await.unwrap();
    let before = actor.read("a").await;
    let error = actor.acquire(acquire("a", 2)).await.unwrap_err();
    assert_eq!(error.sqlstate.as_str(), "2200H");
    assert_eq!(actor.read("a").await, before);
}

#[tokio::test]
async fn a_release_frees_the_row_and_answers_its_token() {
    let actor = Locks::new().await.actor().await;
    let token = actor.take("a", 1).await;
    assert_eq!(actor.release(release("a", 1)).await.unwrap(), Some(token));
    assert_eq!(actor.read("a").await.unwrap().rvn, None);
    assert_eq!(actor.release(release("a", 1)).await.unwrap(), None);
}

#[tokio::test]
async fn a_release_accepts_any_number_of_ours_and_no_other() {
    let actor = Locks::new().await.actor().await;
    let token = actor.take("a", 2).await;
    assert_eq!(actor.release(release("a", 1)).await.unwrap(), None);
    let either = Release { mine: vec![rvn(1), rvn(2)], ..release("a", 1) };
    assert_eq!(actor.release(either).await.unwrap(), Some(token));
}

#[tokio::test]
async fn an_eviction_wants_the_current_token_and_leaves_the_rest() {
    let actor = Locks::new().await.actor().await;
    let token = actor.take("a", 1).await;
    actor.acquire(Acquire { content: with_data(b"x", true), ..acquire("a", 1) }).await.unwrap();
    let before = actor.read("a").await.unwrap();
    assert_eq!(actor.evict("a", token + 1).await, None);
    assert_eq!(actor.read("a").await.unwrap(), before);
    let after = Seen { rvn: None, ..before };
    assert_eq!(actor.evict("a", token).await, Some(after.clone()));
    assert_eq!(actor.read("a").await.unwrap(), after);
    assert_eq!(actor.evict("a", token).await, None, "it is free already");
}

/// A Go client leaves the token of the grant before it in the row.
#[tokio::test]
async fn an_eviction_does_not_touch_the_lock_of_a_go_client() {
    let actor = Locks::new().await.actor().await;
    let token = actor.take("a", 1).await;
    actor.release(release("a", 1)).await.unwrap();
    actor.session.execute("UPDATE locks SET record_version_number = 1, owner = 'go'").await;
    assert_eq!(actor.evict("a", token).await, None);
    assert_eq!(actor.read("a").await.unwrap().rvn, Some(Rvn::new(1)));
}

#[tokio::test]
async fn data_goes_with_a_release_unless_kept() {
    let actor = Locks::new().await.actor().await;
    for (keep_data, left) in [(true, Some(b"x".to_vec())), (false, None)] {
        actor.take("a", 1).await;
        actor.acquire(Acquire { content: with_data(b"x", true), ..acquire("a", 1) }).await.unwrap();
        actor.release(Release { keep_data, ..release("a", 1) }).await.unwrap();
        assert_eq!(actor.read("a").await.unwrap().data, left);
    }
}

#[tokio::test]
async fn a_take_over_keeps_the_data_unless_asked_to_replace_it() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 1).await;
    actor.acquire(Acquire { content: with_data(b"old", true), ..acquire("a", 1) }).await.unwrap();
    for (number, replace, left) in [(2, false, &b"old"[..]), (3, true, b"new")] {
        let content = with_data(b"new", replace);
        let take_over = Acquire { seen: Some(rvn(number - 1)), content, ..acquire("a", number) };
        actor.acquire(take_over).await.unwrap().granted().unwrap();
        assert_eq!(actor.read("a").await.unwrap().data.as_deref(), Some(left));
    }
}

#[tokio::test]
async fn kept_data_stays_when_a_free_row_is_granted() {
    let actor = Locks::new().await.actor().await;
    actor.take("a", 1).await;
    actor.acquire(Acquire { content: with_data(b"kept", true), ..acquire("a", 1) }).await.unwrap();
    actor.release(Release { keep_data: true, ..release("a", 1) }).await.unwrap();
    let answer =
        actor.acquire(Acquire { content: with_data(b"new", false), ..acquire("a", 2) }).await;
    assert!(matches!(answer, Ok(Answer::Granted(seen)) if seen.data.as_deref() == Some(b"kept")));
}

#[tokio::test]
async fn no_data_and_empty_data_are_told_apart() {
    let actor = Locks::new().await.actor().await;
    actor.take("none", 1).await;
    assert_eq!(actor.read("none").await.unwrap().data, None);
    actor.take("empty", 2).await;
    actor.acquire(Acquire { content: with_data(b"", true), ..acquire("empty", 2) }).await.unwrap();
    assert_eq!(actor.read("empty").await.unwrap().data, Some(vec![]));
}

#[tokio::test]
async fn names_owners_and_data_of_any_kind_come_back_unchanged() {
    let actor = Locks::new().await.actor().await;
    let longest = "ß".repeat(255);
    let names = [
        "a",
        "a ",
        " a",
        "A",
        "é",
        "e\u{301}",
        "'",
        "\"; DROP TABLE locks --",
        "\\",
        "%_",
        "🔒",
        "\n\t",
        &longest,
    ];
    let every_byte: Vec<u8> = (0..=255).collect();
    for (number, name) in (1..).zip(names) {
        let wanted = Acquire {
            owner: Owner::new(name).unwrap(),
            content: with_data(&every_byte, true),
            ..acquire(name, number)
        };
        actor.acquire(wanted.clone()).await.unwrap();
        let token = actor.acquire(wanted).await.unwrap().granted();
        let row = actor.read(name).await.unwrap();
        assert_eq!(row.rvn, Some(rvn(number)), "{name:?}");
        assert_eq!(row.owner.as_deref(), Some(name));
        assert_eq!(row.data.as_deref(), Some(&every_byte[..]));
        assert_eq!(row.token, token);
    }
    assert_eq!(actor.list("").await.len(), names.len());
}

#[tokio::test]
async fn extreme_numbers_and_leases_fit() {
    let actor = Locks::new().await.actor().await;
    let last = Rvn::new(i64::MAX);
    let longest = Duration::from_millis(i64::MAX.unsigned_abs());
    let extreme = Acquire { new: last, mine: vec![last], lease: longest, ..acquire("a", 0) };
    actor.acquire(extreme.clone()).await.unwrap();
    actor.acquire(extreme).await.unwrap().granted().unwrap();
    let row = actor.read("a").await.unwrap();
    assert_eq!((row.rvn, row.lease_ms), (Some(last), Some(i64::MAX)));
}
