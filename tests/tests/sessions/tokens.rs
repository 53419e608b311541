//! Fencing tokens of advisory locks, over both adapters.

use pglock_driver::{Error, Failure};

use crate::adapter::{Adapter, Stranger, database, options};

over_all_adapters! {
    tokens_grow_from_holder_to_holder_and_with_those_of_leases,
    those_who_share_a_hold_share_its_token,
    nobody_draws_who_wants_none,
    a_missing_sequence_is_named_and_leaves_nothing_behind,
}

async fn tokens_grow_from_holder_to_holder_and_with_those_of_leases(adapter: Adapter) {
    let database = database();
    let options = options().check_table(true).advisory_tokens(true);
    let mut last = 0;
    let locks = [
        adapter.locks_with(options.clone(), &database).await,
        adapter.locks_with(options, &database).await,
    ];
    for holder in locks.iter().cycle().take(6) {
        let tried = holder.acquire("a").await;
        let waited = holder.advisory("b").in_line().acquire().await.unwrap();
        for lock in [&tried, &waited] {
            let token = lock.token().unwrap().as_i64();
            assert!(token > last, "{token} after {last}");
            last = token;
        }
        tried.free().await;
        waited.free().await;
    }
    let next = database.connect().await.ask("SELECT nextval('locks_token')").await;
    assert_eq!(next.unwrap().parse(), Ok(last + 1), "nothing else was drawn");
}

async fn those_who_share_a_hold_share_its_token(adapter: Adapter) {
    let database = database();
    let options = options().check_table(true).advisory_tokens(true);
    let locks = adapter.locks_with(options, &database).await;
    let share = || locks.advisory("a").shared().acquire();
    let (first, second) = (share().await.unwrap(), share().await.unwrap());
    assert_eq!(first.token(), second.token());
    let again = second.again().await.unwrap();
    assert_eq!(first.token(), again.token());
    for lock in [first, second, again] {
        lock.free().await;
    }
    assert!(share().await.unwrap().token() > None);
}

async fn nobody_draws_who_wants_none(adapter: Adapter) {
    let database = database();
    let lock = adapter.locks(&database).await.acquire("a").await;
    assert_eq!(lock.token(), None);
}

async fn a_missing_sequence_is_named_and_leaves_nothing_behind(adapter: Adapter) {
    let database = database();
    let stranger = Stranger::of(&database).await;
    let locks = adapter.locks_with(options().advisory_tokens(true), &database).await;
    let refused = locks.advisory("a").acquire().await.unwrap_err();
    let Error::Failed(Failure::Server(error)) = &refused else { panic!("{refused:?}") };
    assert_eq!(error.sqlstate.as_str(), "42P01");
    assert!(refused.to_string().contains("locks_token"), "{refused}");
    assert_eq!(stranger.count().await, 0);
}
