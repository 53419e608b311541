//! A fence is a row lock that a user takes in a transaction of their own, to be sure that nobody else is
//! granted the lock before it commits.

use std::time::Duration;

use pglock_core::{Acquire, Rvn};
use pglock_tests::Session;

use crate::actor::{Locks, acquire, release, renewal, rvn};

/// Whether the fence stands: the name is held with this token, by this library.
async fn fence(session: &Session, name: &str, token: i64) -> bool {
    let fence = "SELECT 1 FROM locks WHERE name = $1 AND fencing_token = $2 \
                 AND record_version_number >= 4611686018427387904 FOR KEY SHARE";
    session.client().query_opt(fence, &[&name, &token]).await.unwrap().is_some()
}

#[tokio::test]
async fn heartbeats_pass_a_fence_and_a_take_over_waits() {
    let locks = Locks::new().await;
    let (holder, other) = (locks.actor().await, locks.actor().await);
    let user = locks.database.connect().await;
    let token = holder.take("a", 1).await;
    user.execute("BEGIN").await;
    assert!(fence(&user, "a", token).await);
    let renewed = vec![("a".into(), "renewed".into(), Some(20_000))];
    assert_eq!(holder.renew(vec![renewal("a", 1, 2)]).await.unwrap(), renewed);
    let (answer, ()) =
        tokio::join!(other.acquire(Acquire { seen: Some(rvn(2)), ..acquire("a", 9) }), async {
            other.session.blocked(&user).await;
            assert_eq!(holder.renew(vec![renewal("a", 2, 3)]).await.unwrap(), renewed);
            user.execute("COMMIT").await;
        });
    assert_eq!(answer.unwrap().granted(), None, "the heartbeat came first");
    let take_over = Acquire { seen: Some(rvn(3)), ..acquire("a", 10) };
    assert_eq!(other.acquire(take_over).await.unwrap().granted(), Some(2));
    assert!(!fence(&user, "a", token).await);
}

#[tokio::test]
async fn a_release_passes_a_fence_and_the_next_grant_waits() {
    let locks = Locks::new().await;
    let (holder, other) = (locks.actor().await, locks.actor().await);
    let user = locks.database.connect().await;
    let token = holder.take("a", 1).await;
    user.execute("BEGIN").await;
    assert!(fence(&user, "a", token).await);
    assert_eq!(holder.release(release("a", 1)).await.unwrap(), Some(token));
    let hasty = Acquire { lock_timeout: Duration::from_millis(10), ..acquire("a", 2) };
    assert_eq!(other.acquire(hasty).await.unwrap_err().sqlstate.as_str(), "55P03");
    user.execute("COMMIT").await;
    assert!(other.acquire(acquire("a", 2)).await.unwrap().granted().is_some());
}

#[tokio::test]
async fn a_fence_does_not_stand_without_the_mark() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    let token = actor.take("a", 1).await;
    let go = format!("UPDATE locks SET record_version_number = {}", Rvn::MARK - 1);
    actor.session.execute(&go).await;
    assert!(!fence(&actor.session, "a", token).await);
}
