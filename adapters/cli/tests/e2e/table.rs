//! `pglock table`.

use pglock_tests::Server;

use crate::rig::{on, pglock, said};

const REFUSED: i32 = 114;
const USAGE: i32 = 115;

#[test]
fn a_table_comes_is_checked_and_goes() {
    let database = Server::shared().database();
    let table = |arguments: &[&str]| {
        let arguments = [&["table", "--table", "Odd \"Name"][..], arguments].concat();
        said(&mut on(&database, &arguments))
    };
    let missing = table(&["check"]);
    assert_eq!((missing.code, missing.err.as_str()), (1, ""));
    assert!(missing.out.contains("there is no table"), "{missing:?}");
    assert_eq!(said(&mut on(&database, &["list", "--table", "Odd \"Name"])).code, REFUSED);
    assert_eq!(table(&["create"]).code, 0);
    assert_eq!(table(&["create"]).code, 0);
    assert_eq!(table(&["check"]).code, 0);
    assert_eq!(table(&["drop"]).code, USAGE);
    assert_eq!(table(&["check"]).code, 0);
    assert_eq!(table(&["drop", "--yes"]).code, 0);
    assert_eq!(table(&["check"]).code, 1);
    assert_eq!(table(&["drop", "--yes"]).code, 1);
}

#[test]
fn what_is_printed_makes_the_table() {
    let database = Server::shared().database();
    let sql = said(&mut pglock(&["table", "sql"]));
    assert_eq!((sql.code, sql.err.as_str()), (0, ""));
    database.execute(&sql.out);
    assert_eq!(said(&mut on(&database, &["table", "check"])).code, 0);
}

/// What the Go library makes.
const GO: &str = "CREATE TABLE locks (name varchar(255) PRIMARY KEY, record_version_number bigint, \
                  data bytea, owner varchar(255)); \
                  CREATE SEQUENCE locks_rvn CYCLE OWNED BY locks.record_version_number";
/// A table that cannot be mended in passing.
const KEYLESS: &str = "CREATE TABLE locks (name varchar(255), record_version_number bigint, \
                       owner varchar(255), data bytea)";

#[test]
fn a_table_that_is_not_fit_for_use_goes_and_is_not_touched_before() {
    for made in [GO, KEYLESS] {
        let database = Server::shared().database();
        database.execute(made);
        let drop = |more: &[&str]| said(&mut on(&database, &[&["table", "drop"], more].concat()));
        let asked = drop(&[]);
        database.execute(
            "DO $$ BEGIN ASSERT (SELECT count(*) = 4 FROM information_schema.columns \
             WHERE table_name = 'locks'), 'it was changed'; END $$",
        );
        assert_eq!(asked.code, USAGE, "{asked:?}");
        assert_eq!(drop(&["--yes"]).code, 0);
        assert_eq!(drop(&["--yes"]).code, 1);
    }
}

#[test]
fn what_a_check_prints_mends_the_table() {
    let database = Server::shared().database();
    database.execute(KEYLESS);
    let broken = said(&mut on(&database, &["table", "check"]));
    assert_eq!(broken.code, 1);
    assert!(broken.out.contains("-- column fencing_token is missing\n"), "{broken:?}");
    database.execute(&broken.out);
    let mended = said(&mut on(&database, &["table", "check"]));
    assert_eq!((mended.code, mended.out.as_str()), (0, "\"locks\" is fit for use\n"));
}
