//! The session's settings: which of them the statements bring along, and which they bear.

use pglock_core::Acquire;
use pglock_tests::{Private, Server};

use crate::actor::{Locks, acquire, amend, release, renewal, rvn};

async fn settings(actor: &crate::actor::Actor) -> String {
    let query = "SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('synchronous_commit'))";
    actor.session.ask(query).await.unwrap()
}

#[tokio::test]
async fn the_statements_settings_end_with_them() {
    let actor = Locks::new().await.actor().await;
    actor.session.execute("SET lock_timeout = '7s'; SET synchronous_commit = off").await;
    actor.take("a", 1).await;
    assert_eq!(settings(&actor).await, "7s off");
    actor.renew(vec![renewal("a", 1, 2)]).await.unwrap();
    assert_eq!(settings(&actor).await, "7s off");
    actor.amend(amend("a", 2, 3)).await.unwrap();
    assert_eq!(settings(&actor).await, "7s off");
    actor.release(release("a", 3)).await.unwrap();
    assert_eq!(settings(&actor).await, "7s off");
}

/// Inside a transaction the settings stay until its end, and so can be seen.
#[tokio::test]
async fn an_asynchronous_commit_is_made_synchronous_and_a_stronger_one_is_left_alone() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    for (before, during) in
        [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")]
    {
        for number in [1, 2, 3, 4] {
            actor.session.execute(&format!("SET synchronous_commit = {before}; BEGIN")).await;
            match number {
                1 => drop(actor.take("a", 1).await),
                2 => drop(actor.renew(vec![renewal("a", 1, 2)]).await.unwrap()),
                3 => drop(actor.amend(amend("a", 2, 3)).await.unwrap()),
                _ => drop(actor.release(release("a", 3)).await.unwrap()),
            }
            let now = actor.session.ask("SHOW synchronous_commit").await;
            assert_eq!(now.as_deref(), Some(during), "statement {number} under {before}");
            actor.session.execute("COMMIT").await;
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_though_the_default_is_asynchronous() {
    let server = Private::new();
    let locks = Locks::on(server.database()).await;
    locks.database.execute("ALTER SYSTEM SET wal_writer_delay = '10s'");
    locks.database.execute("CREATE TABLE others (n int)");
    locks.database.set_default("synchronous_commit", "off");
    server.restart();
    let mut lost = 0;
    for round in 0..10 {
        let actor = locks.actor().await;
        for number in 0..20 {
            actor.take(&format!("{round} {number}"), number).await;
        }
        actor.session.execute(&format!("INSERT INTO others VALUES ({round})")).await;
        server.crash();
        server.start();
        let actor = locks.actor().await;
        assert_eq!(actor.list(&format!("{round} ")).await.len(), 20);
        for number in 0..20 {
            let row = actor.read(&format!("{round} {number}")).await.unwrap();
            assert_eq!(row.rvn, Some(rvn(number)));
        }
        let kept = format!("SELECT count(*) FROM others WHERE n = {round}");
        lost += u32::from(actor.session.ask(&kept).await.as_deref() == Some("0"));
        if lost > 0 {
            break;
        }
    }
    assert!(lost > 0, "the crashes lose nothing at all, so they prove nothing");
}

#[tokio::test]
async fn stricter_isolation_by_default_gives_serialization_failures_and_no_other_error() {
    for isolation in ["repeatable read", "serializable"] {
        let database = Server::shared().database();
        database.set_default("default_transaction_isolation", isolation);
        let locks = Locks::on(database).await;
        let (holder, other) = (locks.actor().await, locks.actor().await);
        holder.take("a", 1).await;
        holder.session.execute("BEGIN").await;
        holder.renew(vec![renewal("a", 1, 2)]).await.unwrap();
        let (answer, ()) =
            tokio::join!(other.acquire(Acquire { seen: Some(rvn(1)), ..acquire("a", 3) }), async {
                other.session.blocked(&holder.session).await;
                holder.session.execute("COMMIT").await;
            });
        assert_eq!(answer.unwrap_err().sqlstate.as_str(), "40001");
        assert_eq!(holder.read("a").await.unwrap().rvn, Some(rvn(2)));
    }
}

#[tokio::test]
async fn racing_under_serializable_defaults_fails_with_40001_only() {
    let database = Server::shared().database();
    database.set_default("default_transaction_isolation", "serializable");
    let locks = Locks::on(database).await;
    let mut racers = tokio::task::JoinSet::new();
    for racer in 0..8_i64 {
        let actor = locks.actor().await;
        racers.spawn(async move {
            let mut grants = 0;
            for number in (racer * 1_000..).take(50) {
                match actor.acquire(acquire("a", number)).await {
                    Ok(answer) if answer.granted().is_some() => grants += 1,
                    Ok(_) => continue,
                    Err(error) => {
                        assert_eq!(error.sqlstate.as_str(), "40001");
                        continue;
                    }
                }
                while let Err(error) = actor.release(release("a", number)).await {
                    assert_eq!(error.sqlstate.as_str(), "40001");
                }
            }
            grants
        });
    }
    assert!(racers.join_all().await.into_iter().sum::<u32>() > 0);
}

#[tokio::test]
async fn the_search_path_and_other_habits_of_the_server_do_no_harm() {
    let locks = Locks::new().await;
    let actor = locks.actor().await;
    actor
        .session
        .execute(
            "SET standard_conforming_strings = off; SET backslash_quote = off; SET datestyle = 'German'; \
             SET extra_float_digits = 0; SET bytea_output = escape; SET plan_cache_mode = force_generic_plan; \
             SET enable_indexscan = off; SET client_min_messages = debug1",
        )
        .await;
    actor.take("it's \\ a", 1).await;
    actor.renew(vec![renewal("it's \\ a", 1, 2)]).await.unwrap();
    assert_eq!(actor.release(release("it's \\ a", 2)).await.unwrap(), Some(1));
}
