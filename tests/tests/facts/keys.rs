//! Keys of advisory locks on a real server: those of the library stand where those of others do.

use pglock_core::{AdvisoryKey, AdvisoryPlace, KeyMapping};
use pglock_tests::{Server, Session};

use crate::rig::says;

/// What `pg_locks` shows of the session's only advisory lock, in the words of [`AdvisoryPlace`].
const SHOWN: &str = "SELECT format('(in pg_locks: classid %s, objid %s, objsubid %s)', \
                     classid, objid, objsubid) FROM pg_locks \
                     WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid()";

/// Whether the session got the lock, or had it already.
async fn tries(session: &Session, key: &AdvisoryKey) -> bool {
    let client = session.client();
    let answer = match key.place() {
        AdvisoryPlace::Bigint(number) => {
            client.query_one("SELECT pg_try_advisory_lock($1)", &[&number]).await
        }
        AdvisoryPlace::Pair(first, second) => {
            client.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&first, &second]).await
        }
    };
    answer.unwrap().get(0)
}

/// `theirs` are the arguments that another library hands over for the same name, made by Python: how, is
/// told by the tests of the mappings.
async fn excludes(theirs: &str, key: AdvisoryKey) {
    let database = Server::shared().database();
    let (other, ours) = (database.connect().await, database.connect().await);
    other.execute(&format!("SELECT pg_advisory_lock({theirs})")).await;
    assert!(!tries(&ours, &key).await, "{key} is free while {theirs} is held");
    assert!(says(&other, &format!("SELECT pg_advisory_unlock({theirs})")).await);
    assert!(tries(&ours, &key).await, "{key} is held, but not by {theirs}");
    assert!(!says(&other, &format!("SELECT pg_try_advisory_lock({theirs})")).await);
}

#[tokio::test]
async fn a_name_excludes_the_id_that_go_pglocks_manual_makes_of_it() {
    excludes("5023789958151901409", "invoice-42".into()).await;
    excludes("-1534129778052292512", "ключ 🔒".into()).await;
    excludes("-3750763034362895579", "".into()).await;
}

#[tokio::test]
async fn a_name_excludes_the_numbers_that_the_ruby_gem_makes_of_it() {
    let gem = |prefix| KeyMapping::WithAdvisoryLock { prefix };
    excludes("1944164891,0", gem(0).key("invoice-42")).await;
    excludes("806152207,2147483647", gem(-1).key("ключ 🔒")).await;
}

#[tokio::test]
async fn a_databases_name_excludes_the_number_that_sqlxs_migrations_make_of_it() {
    excludes("368907709894077238", KeyMapping::SqlxMigrations.key("postgres")).await;
}

#[tokio::test]
async fn a_bigint_and_a_pair_of_the_same_bits_are_both_free() {
    let database = Server::shared().database();
    let (first, second) = (database.connect().await, database.connect().await);
    let places = [(0_i32, 1_i32), (1_169_692_249, -1_982_754_591), (-1, -1), (i32::MIN, 0)];
    for (high, low) in places {
        let bits = i64::from(high) << 32 | i64::from(low.cast_unsigned());
        assert!(tries(&first, &bits.into()).await);
        assert!(tries(&second, &(high, low).into()).await);
        assert!(!tries(&second, &bits.into()).await);
        assert!(!tries(&first, &(high, low).into()).await);
    }
}

#[tokio::test]
async fn a_key_names_the_columns_that_pg_locks_shows() {
    let database = Server::shared().database();
    let session = database.connect().await;
    for key in [
        "invoice-42".into(),
        "ключ 🔒".into(),
        AdvisoryKey::from(1),
        AdvisoryKey::from(-2),
        AdvisoryKey::from(i64::MIN),
        AdvisoryKey::from((0, 1)),
        AdvisoryKey::from((-1, i32::MIN)),
    ] {
        assert!(tries(&session, &key).await);
        let shown = session.ask(SHOWN).await.unwrap();
        assert!(key.to_string().ends_with(&shown), "{key}, shown as {shown}");
        session.execute("SELECT pg_advisory_unlock_all()").await;
    }
}
