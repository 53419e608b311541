//! What the statements cost the server: nothing where nothing is granted.

use std::time::Duration;

use pglock_core::{Acquire, Evict, Look, Read, Renew, Statement, Token};
use pglock_tests::{Private, Wal};

use crate::actor::{Answer, Locks, acquire, amend, line_up, lock, release, renewal, rvn, ticket};

#[tokio::test]
async fn a_refused_try_leaves_no_trace() {
    let locks = Locks::new().await;
    let (holder, other) = (locks.actor().await, locks.actor().await);
    holder.take("a", 1).await;
    let before = holder.session.tuple("locks", &lock("a")).await.unwrap();
    for refused in [acquire("a", 2), Acquire { seen: Some(rvn(9)), ..acquire("a", 2) }] {
        other.session.execute("BEGIN").await;
        let answer = other.acquire(refused.clone()).await.unwrap();
        assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
        assert!(!other.session.has_transaction_id().await);
        let row_locks = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode <> 'AccessShareLock' \
                         AND mode <> 'RowExclusiveLock' AND locktype <> 'virtualxid'";
        assert_eq!(other.session.ask(row_locks).await.as_deref(), Some("0"));
        other.session.execute("COMMIT").await;
        let wal = other.session.wal(&locks.query(&Statement::Acquire(refused))).await;
        assert_eq!(wal, Wal::default());
    }
    assert_eq!(holder.session.tuple("locks", &lock("a")).await.unwrap(), before);
}

/// The other side of the measurement above: it does see what a grant writes.
#[tokio::test]
async fn a_grant_leaves_the_traces_that_a_refused_try_does_not() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    actor.take("a", 1).await;
    let before = actor.session.tuple("locks", &lock("a")).await.unwrap();
    actor.release(release("a", 1)).await.unwrap();
    actor.session.execute("BEGIN").await;
    actor.acquire(acquire("a", 2)).await.unwrap().granted().unwrap();
    assert!(actor.session.has_transaction_id().await);
    actor.session.execute("COMMIT").await;
    let wal = actor.session.wal(&locks.query(&Statement::Acquire(acquire("a", 2)))).await;
    assert!(wal > Wal::default());
    assert_ne!(actor.session.tuple("locks", &lock("a")).await.unwrap(), before);
}

#[tokio::test]
async fn releases_and_renewals_that_do_not_fit_write_nothing() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    actor.take("a", 1).await;
    let before = actor.session.tuple("locks", &lock("a")).await.unwrap();
    actor.session.execute("BEGIN").await;
    actor.release(release("a", 9)).await.unwrap();
    actor.renew(vec![renewal("a", 8, 9)]).await.unwrap();
    actor.amend(amend("a", 8, 9)).await.unwrap();
    assert!(!actor.session.has_transaction_id().await);
    actor.session.execute("COMMIT").await;
    assert_eq!(actor.session.tuple("locks", &lock("a")).await.unwrap(), before);
}

#[tokio::test]
async fn reading_writes_nothing() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    actor.take("a", 1).await;
    for read in [Read::One(lock("a")), Read::All { prefix: String::new() }] {
        assert_eq!(actor.session.wal(&locks.query(&Statement::Read(read))).await, Wal::default());
    }
}

/// It is in line already, the lock is free, or a Go client has it.
#[tokio::test]
async fn lining_up_in_vain_writes_nothing() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    actor.take("a", 1).await;
    actor.line_up("a", 1).await;
    actor.take("free", 1).await;
    actor.release(release("free", 1)).await.unwrap();
    actor.session.execute("INSERT INTO locks (name, record_version_number) VALUES ('go', 7)").await;
    for name in ["a", "free", "go"] {
        let in_vain = Statement::LineUp(line_up(name, 1));
        assert_eq!(actor.session.wal(&locks.query(&in_vain)).await, Wal::default(), "{name}");
    }
    let joins = Statement::LineUp(line_up("a", 2));
    assert_ne!(actor.session.wal(&locks.query(&joins)).await, Wal::default());
}

/// No index has to be touched: a row's new version stands beside the old one. On a server of its own, since
/// transactions of other tests would keep old versions from being cleared away.
#[tokio::test]
async fn all_of_200_renewals_and_200_grants_are_heap_only() {
    let server = Private::new();
    let locks = Locks::on(server.database()).await;
    let actor = locks.actor().await;
    for number in 0..200 {
        actor.take(&format!("name {number}"), number).await;
    }
    let count = async || {
        let count = "SELECT pg_stat_get_xact_tuples_hot_updated('locks'::regclass)";
        actor.session.ask(count).await.unwrap().parse::<u32>().unwrap()
    };
    let mut heap_only = (0, 0);
    for number in 0..200 {
        let name = format!("name {number}");
        actor.session.execute("BEGIN").await;
        let before = count().await;
        actor.renew(vec![renewal(&name, number, 1_000 + number)]).await.unwrap();
        heap_only.0 += count().await - before;
        actor.session.execute("COMMIT; BEGIN").await;
        let before = count().await;
        let seen = Some(rvn(1_000 + number));
        let take_over = Acquire { seen, ..acquire(&name, 2_000 + number) };
        actor.acquire(take_over).await.unwrap().granted().unwrap();
        heap_only.1 += count().await - before;
        actor.session.execute("COMMIT").await;
    }
    assert_eq!(heap_only, (200, 200));
}

/// The planner must not turn to reading the whole table, neither when it knows the parameters nor when it
/// plans for any.
#[tokio::test]
async fn among_200_000_locks_each_statement_uses_the_index() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    actor
        .session
        .execute(&format!(
            "INSERT INTO locks (name, record_version_number) \
             SELECT 'name ' || n, {} + n FROM generate_series(1, 200000) n; ANALYZE locks",
            pglock_core::Rvn::MARK
        ))
        .await;
    let renewals = (1..=1_000).map(|n| renewal(&format!("name {n}"), n, 1_000_000 + n)).collect();
    let renew = Statement::Renew(Renew { locks: renewals });
    let take_over = Acquire { seen: Some(rvn(2_001)), ..acquire("name 2001", 1) };
    let lock_timeout = Duration::from_secs(1);
    let statements = [
        &renew,
        &Statement::Acquire(acquire("name 2000", 1)),
        &Statement::Acquire(take_over),
        &Statement::Release(release("name 2002", 2_002)),
        &Statement::Amend(amend("name 2003", 2_003, 1)),
        &Statement::Read(Read::One(lock("name 2004"))),
        &Statement::Look(Look { name: lock("name 2004"), mine: vec![ticket(1)] }),
        &Statement::LineUp(line_up("name 2005", 1)),
        &Statement::Evict(Evict { name: lock("name 2006"), token: Token::new(7), lock_timeout }),
    ];
    for statement in statements {
        let query = locks.query(statement);
        let (once, prepared) =
            (actor.session.explain(&query).await, actor.session.generic_plan(&query).await);
        for plan in [&once, &prepared] {
            assert!(plan.contains("locks_pkey") && !plan.contains("Seq Scan"), "{plan}");
        }
        assert!(prepared.contains("$1"), "for one name only: {prepared}");
    }
    assert_eq!(actor.run(&renew).await.unwrap().len(), 1_000);
}
