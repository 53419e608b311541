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

#[test]
fn what_a_check_prints_mends_the_table() {
    let database = Server::shared().database();
    database.execute(
        "CREATE TABLE locks (name varchar(255), record_version_number bigint, owner varchar(255), data bytea)",
    );
    let broken = said(&mut on(&database, &["table", "check"]));
    assert_eq!(broken.code, 1);
    assert!(broken.out.contains("-- column fencing_token is missing\n"), "{broken:?}");
    database.execute(&broken.out);
    let mended = said(&mut on(&database, &["table", "check"]));
    assert_eq!((mended.code, mended.out.as_str()), (0, "\"locks\" is fit for use\n"));
}
