//! `pglock holders`.

use pglock_tests::{Database, Server, Session};
use serde_json::Value;

use crate::rig::{on, said};

fn database() -> Database {
    Server::shared().database()
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn holders_and_waiters_are_listed() {
    let database = database();
    let (holder, waiter) = (database.connect().await, database.connect().await);
    holder.execute("SET application_name = 'billing'; SELECT pg_advisory_lock(-7)").await;
    let take = "SET application_name = 'mail\ner'; SELECT pg_advisory_lock_shared(-7)";
    let listed = while_waiting(&waiter, take, &holder, || {
        let plain = said(&mut on(&database, &["holders", "--number", "-7"]));
        let json = said(&mut on(&database, &["holders", "--number", "-7", "--json"]));
        assert_eq!((plain.code, plain.err.as_str(), json.code), (0, "", 0));
        (plain.out, serde_json::from_str::<Value>(&json.out).expect("JSON"))
    });
    let (plain, json) = listed.await;
    let lines: Vec<_> = plain.lines().collect();
    let head = ["PID", "LOCK", "MODE", "WAITS", "FOR", "USER", "APPLICATION", "FROM", "STATE"];
    assert_eq!(words(lines[0]), head);
    let (first, second) = (holder.pid().to_string(), waiter.pid().to_string());
    assert_eq!(words(lines[1])[..3], [first.as_str(), "held", "exclusive"]);
    assert!(lines[1].contains("billing") && lines[1].ends_with("idle"), "{plain}");
    assert_eq!(words(lines[2])[..2], [second.as_str(), "waiting"]);
    assert!(lines[2].contains(&format!("shared     {first}")), "{plain}");
    assert!(lines[2].ends_with("active"), "{plain}");
    assert_eq!(lines.len(), 3, "nothing breaks the line");

    assert_eq!((&json[0]["pid"], &json[0]["held"]), (&holder.pid().into(), &Value::Bool(true)));
    assert_eq!((&json[0]["mode"], &json[0]["waits_for"]), (&"exclusive".into(), &Value::Null));
    assert_eq!((&json[1]["mode"], &json[1]["held"]), (&"shared".into(), &Value::Bool(false)));
    assert_eq!(json[1]["waits_for"], Value::from(vec![holder.pid()]));
}

/// Looks while a statement waits for a lock of `holder`, which is then given back.
async fn while_waiting<T>(
    waiter: &Session,
    statement: &str,
    holder: &Session,
    look: impl FnOnce() -> T,
) -> T {
    let look = async {
        waiter.blocked_by(holder, holder).await;
        let seen = tokio::task::block_in_place(look);
        holder.execute("SELECT pg_advisory_unlock_all()").await;
        seen
    };
    tokio::join!(waiter.execute(statement), look).1
}

/// The numbers are those of the mappings' own tests.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_given_in_each_way() {
    let database = database();
    let session = database.connect().await;
    for (arguments, key) in [
        (&["invoice-42"][..], "5023789958151901409"),
        (&["--number", "-9223372036854775808"], "'-9223372036854775808'::bigint"),
        (&["--pair", "-1,2"], "-1, 2"),
        (&["invoice-42", "--mapping", "with-advisory-lock"], "1944164891, 0"),
        (&["invoice-42", "--mapping", "sqlx"], "-3097039121606862008"),
        (&["invoice-42", "--mapping", "sqlx-migrations"], "4201024122771692458"),
    ] {
        let listed = || said(&mut on(&database, &[&["holders"], arguments].concat()));
        assert_eq!(listed().code, 1, "{arguments:?}");
        session.execute(&format!("SELECT pg_advisory_lock({key})")).await;
        let found = listed();
        assert_eq!(found.code, 0, "{arguments:?}");
        assert!(found.out.contains(&session.pid().to_string()), "{found:?}");
        session.execute("SELECT pg_advisory_unlock_all()").await;
    }
}

#[test]
fn nobody_is_said_with_the_place_that_was_looked_at() {
    let database = database();
    let nobody = said(&mut on(&database, &["holders", "--pair", "7,-1"]));
    assert_eq!((nobody.code, nobody.out.as_str()), (1, ""));
    assert_eq!(
        nobody.err,
        "pglock: nobody in this database holds or waits for ints (7, -1) \
         (in pg_locks: classid 7, objid 4294967295, objsubid 2)\n"
    );
    let json = said(&mut on(&database, &["holders", "a", "--json"]));
    assert_eq!((json.code, json.out.as_str(), json.err.as_str()), (1, "[]\n", ""));
    let made = said(&mut on(&database, &["table", "check"]));
    assert_eq!(made.code, 1, "no table was made");
}

#[test]
fn a_key_that_makes_no_sense_is_a_usage_error() {
    for arguments in [&["holders"][..], &["holders", "--number", "x"], &["holders", "--pair", "1"]]
    {
        assert_eq!(said(&mut on(&database(), arguments)).code, 115, "{arguments:?}");
    }
}
