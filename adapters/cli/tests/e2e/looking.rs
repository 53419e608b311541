//! `pglock list`, `show` and `release`.

use pglock_tests::Server;
use serde_json::Value;

use crate::rig::{Said, holder, on, said};

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).expect("JSON")
}

#[test]
fn locks_are_listed_by_prefix_with_large_numbers_as_texts() {
    let database = Server::shared().database();
    for name in ["job-1", "job-2", "other"] {
        assert_eq!(
            said(&mut on(&database, &["run", name, "--owner", "ann", "--", "true"])).code,
            0
        );
    }
    let (_holder, _) = holder(&database, "job-2", &["--owner", "ben\n"], ":");
    let listed = json(&said(&mut on(&database, &["list", "job-", "--json"])));
    let names: Vec<_> = listed.as_array().expect("rows").iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["job-1", "job-2"]);
    assert_eq!((&listed[0]["held"], &listed[1]["held"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!((&listed[1]["owner"], &listed[1]["token"]), (&"ben\n".into(), &"4".into()));
    assert_eq!(listed[1]["lease_ms"], 20_000);
    let rvn = listed[1]["record_version_number"].as_str().expect("a text");
    assert!(rvn.parse::<i64>().expect("a number") >= 1 << 62);

    let plain = said(&mut on(&database, &["list"]));
    let lines: Vec<Vec<_>> =
        plain.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "HELD", "BY", "TOKEN", "LEASE", "DATA"]);
    assert_eq!(lines[2], ["job-2", "ben\\n", "4", "20s"]);
    assert_eq!(lines[3], ["other", "-", "3"]);
}

#[test]
fn one_lock_is_shown_or_said_to_be_missing() {
    let database = Server::shared().database();
    let (_holder, _) = holder(&database, "a", &["--owner", "ann", "--data", "paying"], ":");
    let shown = said(&mut on(&database, &["show", "a", "--json"]));
    assert_eq!((shown.code, &json(&shown)["data"]), (0, &"paying".into()));
    let missing = said(&mut on(&database, &["show", "b"]));
    assert_eq!((missing.code, missing.err.as_str()), (1, "pglock: there is no lock b\n"));
}

#[test]
fn a_release_by_force_wants_the_current_token() {
    let database = Server::shared().database();
    let (_holder, _) = holder(&database, "a", &["--owner", "ann", "--data", "paying"], ":");
    let release = |token| said(&mut on(&database, &["release", "a", "--token", token]));
    let refused = release("2");
    assert_eq!(refused.code, 1);
    assert_eq!(refused.err, "pglock: refused: a is held by ann with token 1, not 2\n");
    let shown = || json(&said(&mut on(&database, &["show", "a", "--json"])));
    assert_eq!(shown()["held"], true);
    assert_eq!(release("1").code, 0);
    assert_eq!((&shown()["held"], &shown()["data"]), (&Value::Bool(false), &"paying".into()));
    let again = release("1");
    assert_eq!((again.code, again.err.as_str()), (1, "pglock: a is not held by anybody\n"));
}

#[test]
fn a_release_by_force_does_not_touch_the_lock_of_a_go_client() {
    let database = Server::shared().database();
    assert_eq!(said(&mut on(&database, &["run", "a", "--", "true"])).code, 0);
    database.execute("UPDATE locks SET record_version_number = 1, owner = 'gopher'");
    let refused = said(&mut on(&database, &["release", "a", "--token", "1"]));
    assert_eq!(refused.code, 1);
    assert_eq!(refused.err, "pglock: refused: a is held by gopher with no token, not 1\n");
    assert_eq!(json(&said(&mut on(&database, &["show", "a", "--json"])))["held"], true);
}
