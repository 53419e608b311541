//! The texts of the statements as a checked-in file, and the words of what is refused.
//! `PGLOCK_BLESS=1 cargo test -p pglock-core` writes the file anew.

use std::fmt::Write;

use pglock_core::{
    Advisory, AdvisoryKey, AdvisoryPlace, AskError, Call, Failure, Param, Sql, Statement, Table,
    Unfit,
};

use crate::common::check;
use crate::rig::{EXCLUSIVE, SHARED, error};

#[test]
fn sql() {
    let sql = Sql::new(&Table::default());
    let places = [AdvisoryPlace::Bigint(-2), AdvisoryPlace::Pair(-3, 4)];
    let mut calls = vec![Call::Enter, Call::Look];
    for place in places {
        for mode in [EXCLUSIVE, SHARED] {
            calls.extend([Call::Try(place, mode), Call::Unlock(place, mode)]);
        }
    }
    let mut text = String::new();
    for call in calls {
        let statement = Statement::Advisory(Advisory { mark: 7, call });
        let query = sql.query(&statement);
        let params: Vec<_> = query
            .params
            .iter()
            .map(|param| format!("{} {}", param.type_name(), Param::to_text(param).unwrap()))
            .collect();
        writeln!(text, "-- {call:?} ({})\n{};\n", params.join(", "), query.text).unwrap();
    }
    check("advisory.sql", &text);
}

#[test]
fn what_is_refused_says_why_and_what_to_do() {
    let (asked, other) = (AdvisoryKey::named("a", 1), AdvisoryKey::named("b", 1));
    for (refusal, words) in [
        (
            AskError::NameClash { asked: asked.clone(), other },
            "\"a\" at bigint 1 (in pg_locks: classid 0, objid 1, objsubid 1) is the place of \
             \"b\" at bigint 1 (in pg_locks: classid 0, objid 1, objsubid 1), too, and one session would get both; \
             use another mapping or a pair",
        ),
        (
            AskError::Upgrade(asked),
            "whoever shares \"a\" at bigint 1 (in pg_locks: classid 0, objid 1, objsubid 1) may not wait to have it \
             alone, since another may do the same; try it without waiting, or release it first",
        ),
        (
            AskError::TooManyPlaces { budget: 1_000 },
            "this client's advisory locks stand in 1000 places already, which is its limit; release some, or raise \
             `advisory_places` if the server's lock table has the room (max_locks_per_transaction)",
        ),
    ] {
        assert_eq!(refusal.to_string(), words);
    }
}

#[test]
fn failures_say_why_and_what_to_do() {
    let full = Failure::LockTableFull(error("53200"));
    assert_eq!(full.sqlstate(), Some(error("53200").sqlstate));
    assert_eq!(
        full.to_string(),
        "the server's lock table is full, hold fewer locks or raise max_locks_per_transaction: \
         words (SQLSTATE 53200)"
    );
    for (unfit, words) in [
        (
            Unfit::SharedSession,
            "the connection is no session of its own, as behind a pooler in transaction mode, so that it cannot hold \
             advisory locks; connect to the server itself, or use transaction-level locks or leases",
        ),
        (
            Unfit::Standby,
            "this server is a standby, whose advisory locks nobody else sees; connect to the primary",
        ),
        (
            Unfit::NoLocks,
            "this server does not really have advisory locks, though it answers as if; use leases",
        ),
    ] {
        assert_eq!(unfit.to_string(), words);
        assert_eq!(Failure::Unfit(unfit).to_string(), words);
        assert_eq!(Failure::Unfit(unfit).sqlstate(), None);
    }
}
