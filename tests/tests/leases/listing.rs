//! Reading rows without acquiring anything.

use pglock_driver::{Error, Wait};

use crate::adapter::{Adapter, database, ms};

over_all_adapters! {
    a_list_shows_names_owners_and_data,
    a_list_of_a_prefix_shows_what_starts_so,
    rows_of_others_are_shown_as_they_are,
    a_go_holder_is_not_shown_with_the_token_of_another,
    rows_without_an_owner_do_no_harm,
}

async fn a_list_shows_names_owners_and_data(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let held = locks.request("b").owner("first").data(b"one").acquire().await.unwrap();
    let kept = locks.request("a").owner("second").data(b"two").keep_data();
    let kept = kept.lease(ms(30_000)).acquire().await.unwrap();
    let (held_token, kept_token) = (held.token(), kept.token());
    kept.release().await.unwrap();
    let entries = locks.list("").await.unwrap();
    let [a, b] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((a.name.as_str(), a.is_held()), ("a", false));
    assert_eq!((a.owner.as_deref(), a.data.as_deref()), (Some("second"), Some(&b"two"[..])));
    assert_eq!((a.token, a.lease), (Some(kept_token), Some(ms(30_000))));
    assert_eq!((b.name.as_str(), b.is_held()), ("b", true));
    assert_eq!((b.owner.as_deref(), b.data.as_deref()), (Some("first"), Some(&b"one"[..])));
    assert_eq!((b.token, b.lease), (Some(held_token), Some(ms(20_000))));
    assert!(b.rvn.unwrap().is_marked());
    assert_eq!(locks.get("b").await.unwrap().as_ref(), Some(b));
}

async fn a_list_of_a_prefix_shows_what_starts_so(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let names = ["job/10", "job/2", "jobs", "Job/1", "j_b/1", "%", "job%"];
    for name in names {
        locks.acquire(name).await.unwrap().release().await.unwrap();
    }
    let list = async |prefix: &str| -> Vec<String> {
        let entries = locks.list(prefix).await.unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    };
    assert_eq!(list("job/").await, ["job/10", "job/2"], "in byte order");
    assert_eq!(list("j_").await, ["j_b/1"], "no pattern");
    assert_eq!(list("%").await, ["%"]);
    assert_eq!(list("job%").await, ["job%"]);
    assert_eq!(list("x").await, [""; 0]);
    let mut all = names;
    all.sort_unstable();
    assert_eq!(list("").await, all);
}

async fn rows_of_others_are_shown_as_they_are(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    database.execute(
        "INSERT INTO locks (name, record_version_number, data, owner) VALUES
         ('', 1, NULL, 'nameless'), ('go', 17, 'theirs', 'gopher'), ('idle', NULL, '', NULL)",
    );
    let entries = locks.list("").await.unwrap();
    let [nameless, go, idle] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((nameless.name.as_str(), nameless.is_held()), ("", true));
    assert!(!go.rvn.unwrap().is_marked());
    assert_eq!((go.token, go.lease), (None, None));
    assert_eq!((go.owner.as_deref(), go.data.as_deref()), (Some("gopher"), Some(&b"theirs"[..])));
    assert_eq!(
        (idle.rvn, idle.owner.as_deref(), idle.data.as_deref()),
        (None, None, Some(&[][..]))
    );
}

async fn a_go_holder_is_not_shown_with_the_token_of_another(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let lock = locks.acquire("a").await.unwrap();
    let token = lock.token();
    lock.release().await.unwrap();
    let free = locks.get("a").await.unwrap().unwrap();
    assert_eq!((free.token, free.lease), (Some(token), Some(ms(20_000))), "the last one's");
    database.execute("UPDATE locks SET record_version_number = 1, owner = 'gopher'");
    let held = locks.get("a").await.unwrap().unwrap();
    assert_eq!((held.is_held(), held.owner.as_deref()), (true, Some("gopher")));
    assert_eq!((held.token, held.lease), (None, None));
    assert_eq!(locks.list("").await.unwrap(), [held]);
}

async fn rows_without_an_owner_do_no_harm(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    database.execute(
        "INSERT INTO locks (name, record_version_number, owner, lease_ms, fencing_token) VALUES
         ('free', NULL, NULL, NULL, NULL), ('dead', 5000000000000000000, NULL, 300, 0)",
    );
    let free = locks.acquire("free").await.unwrap();
    assert_eq!(locks.get("free").await.unwrap().unwrap().owner.as_deref(), Some(""));
    let tried = locks.request("dead").wait(Wait::Try).acquire().await.unwrap_err();
    assert!(matches!(&tried, Error::Busy(Some(holder)) if holder.owner.is_none()), "{tried:?}");
    assert_eq!(tried.to_string(), "the lock is held by somebody else");
    let dead = locks.acquire("dead").await.unwrap();
    assert!(free.is_held() && dead.is_held());
    assert_eq!(locks.get("dead").await.unwrap().unwrap().owner.as_deref(), Some(""));
}
