//! Who holds an advisory lock, and who waits for whom.

use pglock_driver::{AdvisoryClaim, AdvisoryKey, AdvisoryMode, AdvisoryPlace};
use pglock_tests::{Database, Server, Session};

use crate::adapter::Adapter;

over_all_adapters! {
    nobody_is_an_answer,
    whoever_waits_is_told_with_whom_it_waits_for,
    all_that_share_are_told,
    a_session_with_both_modes_comes_twice,
    keys_are_apart_and_found_where_they_stand,
    databases_are_apart,
    a_session_is_described,
    a_role_without_rights_sees_who_but_not_what,
}

fn database() -> Database {
    Server::shared().database()
}

/// Process, mode, and whom it waits for.
type Claim = (i32, AdvisoryMode, Option<Vec<i32>>);

fn in_short(claims: &[AdvisoryClaim]) -> Vec<Claim> {
    let waits = |claim: &AdvisoryClaim| claim.waiting.as_ref().map(|it| it.waits_for.clone());
    claims.iter().map(|claim| (claim.pid.unwrap(), claim.mode, waits(claim))).collect()
}

const EXCLUSIVE: AdvisoryMode = AdvisoryMode::Exclusive;
const SHARED: AdvisoryMode = AdvisoryMode::Shared;

async fn nobody_is_an_answer(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    session.execute("SELECT pg_advisory_lock(2)").await;
    assert_eq!(adapter.holders(database.url(), 1).await, []);
    assert_eq!(session.ask("SELECT to_regclass('locks')").await, None, "no table is made");
}

/// For a moment the server says that somebody waits, and not yet since when.
async fn all_known_to_wait(adapter: Adapter, database: &Database) -> Vec<AdvisoryClaim> {
    let is_known = |claim: &AdvisoryClaim| {
        claim.waiting.as_ref().is_none_or(|waiting| waiting.waited.is_some())
    };
    loop {
        let claims = adapter.holders(database.url(), "a").await;
        if claims.iter().all(is_known) {
            return claims;
        }
    }
}

async fn whoever_waits_is_told_with_whom_it_waits_for(adapter: Adapter) {
    let database = database();
    let AdvisoryPlace::Bigint(number) = AdvisoryKey::from("a").place() else { panic!() };
    let holder = database.connect().await;
    let (first, second) = (database.connect().await, database.connect().await);
    holder.execute(&format!("SELECT pg_advisory_lock({number})")).await;
    let (first_takes, second_takes) = (
        format!("BEGIN; SELECT pg_advisory_xact_lock_shared({number}); COMMIT"),
        format!("SELECT pg_advisory_lock({number})"),
    );
    tokio::join!(
        first.execute(&first_takes),
        second_waits(&first, &second, &holder, &second_takes),
        async {
            second.blocked_by(&first, &holder).await;
            let claims = all_known_to_wait(adapter, &database).await;
            let [held, earlier, later] = &in_short(&claims)[..] else { panic!("{claims:?}") };
            assert_eq!(held, &(holder.pid(), EXCLUSIVE, None));
            assert_eq!(earlier, &(first.pid(), SHARED, Some(vec![holder.pid()])));
            let (pid, mode, waits_for) = later;
            assert_eq!((*pid, *mode), (second.pid(), EXCLUSIVE));
            let mut both = waits_for.clone().unwrap();
            both.sort_unstable();
            let mut wanted = vec![holder.pid(), first.pid()];
            wanted.sort_unstable();
            assert_eq!(both, wanted, "the one that holds, and the one before it in the queue");
            holder.execute("SELECT pg_advisory_unlock_all()").await;
        }
    );
    assert_eq!(
        in_short(&adapter.holders(database.url(), "a").await),
        [(second.pid(), EXCLUSIVE, None)]
    );
}

async fn second_waits(first: &Session, second: &Session, watcher: &Session, statement: &str) {
    first.blocked(watcher).await;
    second.execute(statement).await;
}

async fn all_that_share_are_told(adapter: Adapter) {
    let database = database();
    let (one, other) = (database.connect().await, database.connect().await);
    one.execute("SELECT pg_advisory_lock_shared(1, -1)").await;
    other.execute("BEGIN; SELECT pg_advisory_xact_lock_shared(1, -1)").await;
    let mut claims = in_short(&adapter.holders(database.url(), (1, -1)).await);
    claims.sort_by_key(|claim| claim.0 == other.pid());
    assert_eq!(claims, [(one.pid(), SHARED, None), (other.pid(), SHARED, None)]);
}

async fn a_session_with_both_modes_comes_twice(adapter: Adapter) {
    let database = database();
    let session = database.connect().await;
    let take = "SELECT pg_advisory_lock(1), pg_advisory_lock(1), pg_advisory_lock_shared(1)";
    session.execute(take).await;
    let claims = in_short(&adapter.holders(database.url(), 1).await);
    assert_eq!(claims, [(session.pid(), EXCLUSIVE, None), (session.pid(), SHARED, None)]);
}

async fn keys_are_apart_and_found_where_they_stand(adapter: Adapter) {
    let database = database();
    let keys: [(AdvisoryKey, &str); 8] = [
        (1.into(), "1"),
        ((0, 1).into(), "0, 1"),
        ((1, 0).into(), "1, 0"),
        ((-1).into(), "-1"),
        ((-1, -1).into(), "-1, -1"),
        (i64::MIN.into(), "'-9223372036854775808'::bigint"),
        ((i32::MIN, i32::MAX).into(), "'-2147483648'::int, 2147483647"),
        (0x8000_0000.into(), "2147483648"),
    ];
    let mut sessions = Vec::new();
    for (key, arguments) in keys {
        let session = database.connect().await;
        session.execute(&format!("SELECT pg_advisory_lock({arguments})")).await;
        sessions.push((key, session));
    }
    for (key, session) in &sessions {
        let claims = in_short(&adapter.holders(database.url(), key.clone()).await);
        assert_eq!(claims, [(session.pid(), EXCLUSIVE, None)], "{key}");
    }
}

async fn databases_are_apart(adapter: Adapter) {
    let (here, there) = (database(), database());
    let session = there.connect().await;
    session.execute("SELECT pg_advisory_lock(1)").await;
    assert_eq!(adapter.holders(here.url(), 1).await, []);
    assert_eq!(adapter.holders(there.url(), 1).await.len(), 1);
}

async fn a_session_is_described(adapter: Adapter) {
    let database = database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    let user = holder.ask("SELECT current_user").await;
    let version: i32 = holder.ask("SHOW server_version_num").await.unwrap().parse().unwrap();
    let address =
        holder.ask("SELECT host(client_addr) FROM pg_stat_get_activity(pg_backend_pid())");
    let address = address.await;
    holder.execute("SET application_name = 'billing'; BEGIN; SELECT pg_advisory_lock(1)").await;
    waiter.execute("SET application_name = ''").await;
    let waits = tokio::join!(waiter.execute("SELECT pg_advisory_lock(1)"), async {
        waiter.blocked(&holder).await;
        pglock_tests::eventually("the server tells since when somebody waits", async || {
            let claims = adapter.holders(database.url(), 1).await;
            claims[1].waiting.as_ref().unwrap().waited.is_some() == (version >= 140_000)
        })
        .await;
        let claims = adapter.holders(database.url(), 1).await;
        holder.execute("SELECT pg_advisory_unlock(1)").await;
        claims
    });
    let [held, waiting] = &waits.1[..] else { panic!("{waits:?}") };
    assert!(held.is_held() && !waiting.is_held());
    assert_eq!(held.application_name.as_deref(), Some("billing"));
    assert_eq!(waiting.application_name, None);
    for claim in [held, waiting] {
        assert_eq!((&claim.user, &claim.client_address), (&user, &address));
    }
    assert_eq!(held.state.as_deref(), Some("idle in transaction"));
    assert_eq!(waiting.state.as_deref(), Some("active"));
}

/// The role is one of the server's own that may not read what sessions of others do.
async fn a_role_without_rights_sees_who_but_not_what(adapter: Adapter) {
    let database = database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    let user = holder.ask("SELECT current_user").await;
    holder.execute("SELECT pg_advisory_lock(1)").await;
    let url = format!("{}?options=-c%20role%3Dpg_signal_backend", database.url());
    let ((), claims) = tokio::join!(waiter.execute("SELECT pg_advisory_lock(1)"), async {
        waiter.blocked(&holder).await;
        let claims = adapter.holders(&url, 1).await;
        holder.execute("SELECT pg_advisory_unlock(1)").await;
        claims
    });
    let wanted =
        [(holder.pid(), EXCLUSIVE, None), (waiter.pid(), EXCLUSIVE, Some(vec![holder.pid()]))];
    assert_eq!(in_short(&claims), wanted);
    for claim in &claims {
        assert_eq!((&claim.user, &claim.state, &claim.client_address), (&user, &None, &None));
    }
}
