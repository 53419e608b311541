//! Sequences near their ends.

use pglock_driver::{Error, Rvn, Token};

use crate::adapter::{Adapter, database, options};

over_all_adapters! {
    tokens_grow_up_to_the_end_of_an_epoch,
    the_sequence_of_other_clients_does_not_matter,
    a_sequence_among_our_numbers_is_a_problem,
}

async fn tokens_grow_up_to_the_end_of_an_epoch(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    let last = Token::EPOCH - 1;
    database.execute(&format!("ALTER SEQUENCE locks_token RESTART WITH {}", last - 1));
    for token in [last - 1, last] {
        let lock = locks.acquire("a").await.unwrap();
        assert_eq!(lock.token().as_i64(), token);
        lock.heartbeat().await.unwrap();
        assert!(lock.release().await.unwrap().confirmed);
    }
    let refused = locks.acquire("a").await.unwrap_err();
    assert_eq!(refused.sqlstate().unwrap().as_str(), "2200H", "rather none than a smaller one");
    assert!(matches!(refused, Error::Failed(_)));
    assert!(!locks.get("a").await.unwrap().unwrap().is_held());
}

async fn the_sequence_of_other_clients_does_not_matter(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    database.execute(&format!("SELECT setval('locks_rvn', {})", i64::MAX));
    let lock = locks.acquire("a").await.unwrap();
    lock.heartbeat().await.unwrap();
    assert!(locks.get("a").await.unwrap().unwrap().rvn.unwrap().is_marked());
    assert!(lock.release().await.unwrap().confirmed);
    database.execute("SELECT nextval('locks_rvn')");
}

async fn a_sequence_among_our_numbers_is_a_problem(adapter: Adapter) {
    let database = database();
    let locks = adapter.locks(&database).await;
    assert_eq!(locks.check_table().await.unwrap().problems, []);
    database.execute(&format!("SELECT setval('locks_rvn', {})", Rvn::MARK));
    let report = locks.check_table().await.unwrap();
    let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
    let refused = adapter.open(options(), database.url()).await.unwrap_err();
    assert_eq!(refused, Error::Table(report.clone()), "this cannot be mended in passing");
    database.execute(&problem.mend);
    assert_eq!(locks.check_table().await.unwrap().problems, []);
}
