//! Advisory locks, rule by rule: A1 to A13 are what PostgreSQL promises about them.

use std::collections::{BTreeSet, HashSet};

use pglock_core::AdvisoryPlace;
use pglock_testkit::advisory::{
    AdvisoryMode, Answer, Command, Deadlock, Entry, Failure, Interruption, Level, Lock, Postgres,
    Reply, Session, Table, Want,
};

use AdvisoryMode::{Exclusive, Shared};

const KEY: AdvisoryPlace = AdvisoryPlace::Bigint(1);
const OTHER: AdvisoryPlace = AdvisoryPlace::Bigint(2);
const THIRD: AdvisoryPlace = AdvisoryPlace::Bigint(3);

fn want(place: AdvisoryPlace, mode: AdvisoryMode) -> Want {
    Want { place, mode, level: Level::Session }
}

fn in_transaction(place: AdvisoryPlace, mode: AdvisoryMode) -> Want {
    Want { place, mode, level: Level::Transaction }
}

fn tries(table: &mut Table, session: Session, mode: AdvisoryMode) -> Answer {
    table.execute(session, Command::Try(want(KEY, mode))).answer
}

fn takes(table: &mut Table, session: Session, place: AdvisoryPlace, mode: AdvisoryMode) -> Answer {
    table.execute(session, Command::Take(want(place, mode))).answer
}

fn unlocks(table: &mut Table, session: Session, mode: AdvisoryMode) -> Reply {
    table.execute(session, Command::Unlock(KEY, mode))
}

/// Sessions take the key, each in its mode, and wait if they must.
fn taken(modes: &[(Session, AdvisoryMode)]) -> Table {
    let mut table = Table::default();
    for (session, mode) in modes {
        takes(&mut table, *session, KEY, *mode);
    }
    table
}

fn failed(failure: Failure, woken: &[Session]) -> Reply {
    Reply { answer: Answer::Failed(failure), woken: woken.to_vec() }
}

mod a1_one_exclusively_or_many_shared {
    use super::*;

    #[test]
    fn an_exclusive_lock_keeps_all_others_out() {
        let mut table = taken(&[(1, Exclusive)]);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Busy);
        assert_eq!(tries(&mut table, 2, Shared), Answer::Busy);
        assert_eq!(table.blockers(2), BTreeSet::new());
    }

    #[test]
    fn many_share_a_key_and_none_of_them_has_it_alone() {
        let mut table = taken(&[(1, Shared), (2, Shared)]);
        assert_eq!(tries(&mut table, 3, Shared), Answer::Granted);
        assert_eq!(tries(&mut table, 3, Exclusive), Answer::Busy);
    }

    #[test]
    fn nobody_is_in_its_own_way() {
        let mut table = taken(&[(1, Shared)]);
        assert_eq!(tries(&mut table, 1, Exclusive), Answer::Granted);
        assert_eq!(tries(&mut table, 1, Shared), Answer::Granted);
        let xact = Command::Try(in_transaction(KEY, Exclusive));
        assert_eq!(table.execute(1, xact).answer, Answer::Granted);
    }
}

mod a2_counted_by_session_key_and_mode {
    use super::*;

    #[test]
    fn a_key_is_free_when_it_is_unlocked_as_often_as_it_was_taken() {
        let mut table = taken(&[(1, Exclusive), (1, Exclusive)]);
        assert_eq!(unlocks(&mut table, 1, Exclusive).answer, Answer::Unlocked);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Busy);
        assert_eq!(unlocks(&mut table, 1, Exclusive).answer, Answer::Unlocked);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Granted);
    }

    #[test]
    fn an_unlock_of_what_is_not_held_changes_nothing() {
        let mut table = taken(&[(1, Exclusive)]);
        let before = table.clone();
        assert_eq!(unlocks(&mut table, 2, Exclusive).answer, Answer::NotHeld);
        assert_eq!(unlocks(&mut table, 1, Shared).answer, Answer::NotHeld);
        let other = Command::Unlock(OTHER, Exclusive);
        assert_eq!(table.execute(1, other).answer, Answer::NotHeld);
        assert_eq!(table, before);
    }

    #[test]
    fn unlocking_all_forgets_the_count() {
        let mut table = taken(&[(1, Exclusive), (1, Exclusive), (1, Shared)]);
        table.execute(1, Command::UnlockAll);
        assert_eq!(table, Table::default());
    }
}

mod a3_the_queue {
    use super::*;

    #[test]
    fn a_shared_try_fails_behind_an_exclusive_waiter() {
        let mut table = taken(&[(1, Shared), (2, Exclusive)]);
        assert_eq!(tries(&mut table, 3, Shared), Answer::Busy);
        assert_eq!(takes(&mut table, 3, KEY, Shared), Answer::Queued);
        assert_eq!(table.blockers(2), BTreeSet::from([1]));
        assert_eq!(table.blockers(3), BTreeSet::from([2]));
    }

    #[test]
    fn a_holder_takes_it_again_all_the_same() {
        let mut table = taken(&[(1, Shared), (2, Exclusive)]);
        assert_eq!(tries(&mut table, 1, Shared), Answer::Granted);
        assert_eq!(takes(&mut table, 1, KEY, Exclusive), Answer::Granted);
    }

    #[test]
    fn a_holders_try_in_the_other_mode_passes_since_17() {
        for (postgres, answer) in
            [(Postgres::Before17, Answer::Busy), (Postgres::Since17, Answer::Granted)]
        {
            let mut table = Table::new(postgres);
            takes(&mut table, 1, KEY, Shared);
            takes(&mut table, 2, KEY, Exclusive);
            assert_eq!(tries(&mut table, 1, Exclusive), answer);
        }
    }

    #[test]
    fn who_is_waited_for_waits_in_front() {
        let mut table = taken(&[(1, Shared), (2, Shared), (3, Exclusive)]);
        assert_eq!(takes(&mut table, 1, KEY, Exclusive), Answer::Queued);
        assert_eq!(table.blockers(1), BTreeSet::from([2]));
        assert_eq!(table.blockers(3), BTreeSet::from([1, 2]));
        assert_eq!(unlocks(&mut table, 2, Shared).woken, [1]);
    }

    #[test]
    fn those_in_front_that_do_not_wait_for_a_holder_stay_in_front() {
        let mut table = taken(&[(1, Exclusive), (2, Shared), (3, Exclusive)]);
        assert_eq!(unlocks(&mut table, 1, Exclusive).woken, [2]);
        assert_eq!(takes(&mut table, 4, KEY, Shared), Answer::Queued);
        assert_eq!(unlocks(&mut table, 2, Shared).woken, [3]);
    }

    #[test]
    fn all_that_may_share_are_woken_in_their_order_up_to_one_that_may_not() {
        let mut table =
            taken(&[(1, Exclusive), (4, Shared), (2, Shared), (3, Exclusive), (5, Shared)]);
        assert_eq!(unlocks(&mut table, 1, Exclusive).woken, [4, 2]);
        assert_eq!(table.blockers(5), BTreeSet::from([3]));
    }

    #[test]
    fn those_behind_one_that_gives_up_move_up() {
        let mut table = taken(&[(1, Shared), (2, Exclusive), (3, Shared)]);
        let reply = table.interrupt(2, Interruption::LockTimeout);
        assert_eq!(reply, failed(Failure::LockTimeout, &[3]));
    }
}

mod a4_an_acquire_that_fails {
    use super::*;

    #[test]
    fn leaves_what_was_held_before() {
        for interruption in
            [Interruption::LockTimeout, Interruption::Cancel, Interruption::Deadlock]
        {
            let mut table = taken(&[(1, Shared), (2, Shared)]);
            let before = table.clone();
            assert_eq!(takes(&mut table, 1, KEY, Exclusive), Answer::Queued);
            assert_eq!(table.interrupt(1, interruption), failed(interruption.into(), &[]));
            assert_eq!(table, before);
        }
    }

    #[test]
    fn has_the_lock_if_it_was_woken_before() {
        let mut table = taken(&[(1, Exclusive), (2, Exclusive)]);
        assert_eq!(unlocks(&mut table, 1, Exclusive).woken, [2]);
        let before = table.clone();
        assert_eq!(table.interrupt(2, Interruption::Cancel).answer, Answer::Done);
        assert_eq!(table, before);
    }

    #[test]
    fn is_not_heard_while_another_waits() {
        let mut table = taken(&[(1, Exclusive), (2, Exclusive)]);
        let before = table.clone();
        assert_eq!(tries(&mut table, 2, Shared), Answer::Unread);
        assert_eq!(table.execute(2, Command::UnlockAll).answer, Answer::Unread);
        assert_eq!(table, before);
    }
}

mod a5_transactions {
    use super::*;

    #[test]
    fn a_sessions_lock_survives_the_rollback() {
        let mut table = Table::default();
        table.execute(1, Command::Begin);
        takes(&mut table, 1, KEY, Exclusive);
        table.execute(1, Command::Rollback);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Busy);
    }

    #[test]
    fn an_unlock_survives_it_too() {
        let mut table = taken(&[(1, Exclusive)]);
        table.execute(1, Command::Begin);
        assert_eq!(unlocks(&mut table, 1, Exclusive).answer, Answer::Unlocked);
        table.execute(1, Command::Rollback);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Granted);
    }

    #[test]
    fn a_transactions_lock_ends_with_it_and_not_before() {
        for end in [Command::Commit, Command::Rollback] {
            let mut table = Table::default();
            table.execute(1, Command::Begin);
            table.execute(1, Command::Take(in_transaction(KEY, Exclusive)));
            assert_eq!(takes(&mut table, 2, KEY, Exclusive), Answer::Queued);
            assert_eq!(unlocks(&mut table, 1, Exclusive).answer, Answer::NotHeld);
            assert_eq!(table.execute(1, Command::UnlockAll).woken, []);
            assert_eq!(table.execute(1, end).woken, [2]);
        }
    }

    #[test]
    fn both_levels_share_the_lock() {
        let mut table = Table::default();
        table.execute(1, Command::Begin);
        table.execute(1, Command::Take(in_transaction(KEY, Exclusive)));
        takes(&mut table, 1, KEY, Exclusive);
        takes(&mut table, 2, KEY, Exclusive);
        assert_eq!(
            unlocks(&mut table, 1, Exclusive),
            Reply { answer: Answer::Unlocked, woken: vec![] }
        );
        assert_eq!(table.execute(1, Command::Commit).woken, [2]);
    }

    #[test]
    fn outside_of_a_transaction_it_ends_with_the_statement() {
        let mut table = taken(&[(1, Exclusive)]);
        for (session, level) in
            [(2, Level::Transaction), (3, Level::Transaction), (4, Level::Session)]
        {
            table.execute(session, Command::Take(Want { place: KEY, mode: Exclusive, level }));
        }
        assert_eq!(unlocks(&mut table, 1, Exclusive).woken, [2, 3, 4]);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Busy);
        table.execute(4, Command::UnlockAll);
        let xact = Command::Try(in_transaction(KEY, Exclusive));
        assert_eq!(table.execute(2, xact).answer, Answer::Granted);
        assert_eq!(table, Table::default());
    }

    #[test]
    fn one_that_has_failed_holds_nothing_and_hears_only_its_end() {
        let mut table = taken(&[(1, Exclusive)]);
        table.execute(2, Command::Begin);
        table.execute(2, Command::Take(in_transaction(OTHER, Exclusive)));
        assert_eq!(takes(&mut table, 3, OTHER, Exclusive), Answer::Queued);
        assert_eq!(takes(&mut table, 2, KEY, Exclusive), Answer::Queued);
        let reply = table.interrupt(2, Interruption::Cancel);
        assert_eq!(reply, failed(Failure::Cancelled, &[3]));
        let unheard = Answer::Failed(Failure::InFailedTransaction);
        assert_eq!(tries(&mut table, 2, Shared), unheard);
        assert_eq!(table.execute(2, Command::Begin).answer, unheard);
        table.execute(2, Command::Commit);
        assert_eq!(tries(&mut table, 2, Shared), Answer::Busy);
    }
}

mod a6_discarding_all {
    use super::*;

    #[test]
    fn frees_all() {
        let mut table = taken(&[(1, Exclusive), (1, Exclusive), (2, Shared)]);
        takes(&mut table, 1, OTHER, Shared);
        assert_eq!(table.execute(1, Command::DiscardAll).woken, [2]);
        assert_eq!(table.entries().iter().map(|entry| entry.session).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn is_refused_in_a_transaction() {
        let mut table = taken(&[(1, Exclusive)]);
        table.execute(1, Command::Begin);
        let refused = table.execute(1, Command::DiscardAll);
        assert_eq!(refused, failed(Failure::ActiveTransaction, &[]));
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Busy);
    }
}

mod a7_keys {
    use super::*;

    #[test]
    fn one_number_and_two_numbers_are_apart() {
        let mut table = Table::default();
        assert_eq!(takes(&mut table, 1, AdvisoryPlace::Bigint(1), Exclusive), Answer::Granted);
        assert_eq!(takes(&mut table, 2, AdvisoryPlace::Pair(0, 1), Exclusive), Answer::Granted);
        assert_eq!(takes(&mut table, 3, AdvisoryPlace::Pair(1, 0), Exclusive), Answer::Granted);
        assert_eq!(takes(&mut table, 4, AdvisoryPlace::Bigint(1), Exclusive), Answer::Queued);
    }
}

mod a8_deadlocks {
    use super::*;

    /// Each holds a key, takes another in its transaction, and waits for the other's.
    fn opposite() -> Table {
        let mut table = Table::default();
        for (session, mine, third) in [(1, KEY, THIRD), (2, OTHER, AdvisoryPlace::Bigint(4))] {
            table.execute(session, Command::Begin);
            takes(&mut table, session, mine, Exclusive);
            table.execute(session, Command::Take(in_transaction(third, Exclusive)));
        }
        takes(&mut table, 1, OTHER, Exclusive);
        assert_eq!(table.deadlock(1), Deadlock::None);
        takes(&mut table, 2, KEY, Exclusive);
        table
    }

    #[test]
    fn the_victim_keeps_what_it_had_for_itself() {
        let mut table = opposite();
        takes(&mut table, 3, THIRD, Exclusive);
        assert_eq!(table.deadlock(1), Deadlock::Hard(vec![1, 2]));
        assert_eq!(table.deadlock(2), Deadlock::Hard(vec![2, 1]));
        assert_eq!(table.deadlock(3), Deadlock::None);
        assert_eq!(table.check_deadlock(1), failed(Failure::Deadlock, &[3]));
        assert_eq!(table.deadlock(2), Deadlock::None);
        assert_eq!(tries(&mut table, 4, Shared), Answer::Busy);
        table.execute(1, Command::Rollback);
        assert_eq!(unlocks(&mut table, 1, Exclusive).woken, [2]);
    }

    #[test]
    fn who_waits_for_a_deadlock_is_not_in_it() {
        let mut table = opposite();
        takes(&mut table, 3, KEY, Exclusive);
        assert_eq!(table.deadlock(3), Deadlock::None);
        let before = table.clone();
        assert_eq!(table.check_deadlock(3), Reply { answer: Answer::Queued, woken: vec![] });
        assert_eq!(table, before);
    }

    #[test]
    fn two_who_share_a_key_and_both_want_it_alone_are_found_at_once() {
        let mut table = taken(&[(1, Shared), (2, Shared), (1, Exclusive)]);
        let before = table.clone();
        let reply = table.execute(2, Command::Take(want(KEY, Exclusive)));
        assert_eq!(reply, failed(Failure::Deadlock, &[]));
        assert_eq!(table, before);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Busy);
    }

    /// 3 waits for 2 only because 2 came first, and 2 waits for 1, who waits for 3.
    fn solvable() -> Table {
        let mut table = taken(&[(1, Shared)]);
        takes(&mut table, 3, OTHER, Exclusive);
        takes(&mut table, 2, KEY, Exclusive);
        takes(&mut table, 3, KEY, Shared);
        takes(&mut table, 1, OTHER, Exclusive);
        table
    }

    #[test]
    fn another_order_of_the_queue_may_help() {
        let mut table = solvable();
        assert_eq!(table.deadlock(1), Deadlock::Soft(vec![1, 3, 2]));
        assert_eq!(table.check_deadlock(1), Reply { answer: Answer::Queued, woken: vec![3] });
        assert_eq!(table.blockers(2), BTreeSet::from([1, 3]));
        assert_eq!(table.deadlock(1), Deadlock::None);
    }

    #[test]
    fn the_one_who_asks_may_be_let_past() {
        let mut table = solvable();
        assert_eq!(table.check_deadlock(3), Reply { answer: Answer::Granted, woken: vec![] });
        assert_eq!(table.blockers(1), BTreeSet::from([3]));
    }
}

mod a9_a_full_table {
    use super::*;

    #[test]
    fn is_an_error_and_changes_nothing() {
        let mut table = Table::default().with_capacity(2);
        takes(&mut table, 1, KEY, Exclusive);
        takes(&mut table, 2, KEY, Exclusive);
        let before = table.clone();
        let full = failed(Failure::OutOfMemory, &[]);
        assert_eq!(table.execute(3, Command::Try(want(KEY, Exclusive))), full);
        assert_eq!(table.execute(1, Command::Take(want(OTHER, Shared))), full);
        assert_eq!(table, before);
    }

    #[test]
    fn has_room_for_more_of_what_is_there() {
        let mut table = Table::default().with_capacity(1);
        takes(&mut table, 1, KEY, Exclusive);
        assert_eq!(takes(&mut table, 1, KEY, Exclusive), Answer::Granted);
        assert_eq!(takes(&mut table, 1, KEY, Shared), Answer::Granted);
        table.execute(1, Command::UnlockAll);
        assert_eq!(takes(&mut table, 2, OTHER, Shared), Answer::Granted);
    }

    #[test]
    fn fails_the_transaction() {
        let mut table = Table::default().with_capacity(1);
        table.execute(1, Command::Begin);
        table.execute(1, Command::Take(in_transaction(KEY, Exclusive)));
        let full = table.execute(1, Command::Take(in_transaction(OTHER, Exclusive)));
        assert_eq!(full, failed(Failure::OutOfMemory, &[]));
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Granted);
    }
}

mod a10_servers {
    use super::*;

    #[test]
    fn each_has_locks_of_its_own() {
        let (mut primary, mut standby) = (Table::default(), Table::default());
        assert_eq!(tries(&mut primary, 1, Exclusive), Answer::Granted);
        assert_eq!(tries(&mut standby, 2, Exclusive), Answer::Granted);
    }
}

mod a11_a_waiter_that_is_gone {
    use super::*;

    /// The server's process does not know that nobody listens.
    #[test]
    fn stays_in_the_queue_and_is_granted() {
        let mut table = taken(&[(1, Exclusive), (2, Exclusive)]);
        assert_eq!(unlocks(&mut table, 1, Exclusive).woken, [2]);
        assert_eq!(tries(&mut table, 1, Shared), Answer::Busy);
        table.end(2);
        assert_eq!(tries(&mut table, 1, Shared), Answer::Granted);
    }
}

mod a12_the_end_of_a_session {
    use super::*;

    #[test]
    fn frees_all_at_both_levels() {
        let mut table = taken(&[(1, Exclusive), (1, Exclusive), (2, Exclusive)]);
        table.execute(1, Command::Begin);
        table.execute(1, Command::Take(in_transaction(OTHER, Exclusive)));
        takes(&mut table, 3, OTHER, Shared);
        assert_eq!(table.end(1), failed(Failure::Terminated, &[2, 3]));
    }

    #[test]
    fn takes_it_out_of_the_queue() {
        let mut table = taken(&[(1, Shared), (2, Exclusive), (3, Shared)]);
        assert_eq!(table.end(2), failed(Failure::Terminated, &[3]));
        assert_eq!(tries(&mut table, 2, Shared), Answer::Granted);
    }
}

mod a13_a_pooler_between {
    use super::*;

    /// Commands of one client that reach two sessions.
    #[test]
    fn unlocks_what_another_session_holds_without_effect() {
        let mut table = taken(&[(1, Exclusive)]);
        assert_eq!(unlocks(&mut table, 2, Exclusive).answer, Answer::NotHeld);
        assert_eq!(tries(&mut table, 2, Exclusive), Answer::Busy);
        assert_eq!(table.entries().len(), 1);
    }
}

/// All states of a few sessions, whatever they do and in whichever order.
mod every_state {
    use super::*;

    const SESSIONS: [Session; 3] = [1, 2, 3];

    #[test]
    fn keeps_apart_what_is_not_shared_and_leaves_nobody_waiting_for_nobody() {
        let ends = [Command::UnlockAll, Command::Begin, Command::Commit, Command::DiscardAll];
        let levels = [Level::Session, Level::Transaction];
        let commands: Vec<_> = on_key(KEY, &levels).into_iter().chain(ends).collect();
        for postgres in [Postgres::Before17, Postgres::Since17] {
            let known = search(Table::new(postgres), &commands, look);
            assert!(known > 10_000, "{known}");
        }
    }

    #[test]
    fn has_no_deadlock_that_the_server_does_not_end() {
        let keys = [KEY, OTHER];
        let commands: Vec<_> =
            keys.into_iter().flat_map(|key| on_key(key, &[Level::Session])).collect();
        let (mut soft, mut hard) = (0, 0);
        search(Table::default(), &commands, |table| {
            for session in SESSIONS {
                match check(table, session) {
                    Deadlock::None => {}
                    Deadlock::Soft(_) => soft += 1,
                    Deadlock::Hard(_) => hard += 1,
                }
            }
        });
        assert!(soft > 100 && hard > 100, "{soft}, {hard}");
    }

    fn look(table: &Table) {
        let entries = table.entries();
        let held = entries.iter().filter(|entry| entry.granted);
        let conflicts = held.clone().any(|one| {
            let against =
                |other: &Entry| one.session != other.session && one.mode.conflicts(other.mode);
            held.clone().any(against)
        });
        assert!(!conflicts, "{table:?}");
        for session in SESSIONS {
            let waits = table.awaited(session).is_some();
            assert_eq!(waits, !table.blockers(session).is_empty(), "{session} in {table:?}");
            let mut left = table.clone();
            left.end(session);
            assert!(left.entries().iter().all(|entry| entry.session != session), "{table:?}");
        }
    }

    /// After the server has looked for a deadlock there is none. What it has found.
    fn check(table: &Table, session: Session) -> Deadlock {
        let mut checked = table.clone();
        let reply = checked.check_deadlock(session);
        assert_eq!(checked.deadlock(session), Deadlock::None, "{session} in {table:?}");
        let found = table.deadlock(session);
        let failed = reply.answer == Answer::Failed(Failure::Deadlock);
        assert_eq!(failed, matches!(found, Deadlock::Hard(_)), "{session} in {table:?}");
        assert_eq!(checked == *table, found == Deadlock::None, "{session} in {table:?}");
        found
    }

    /// Looks at each state once. How many there are.
    fn search(start: Table, commands: &[Command], mut look: impl FnMut(&Table)) -> usize {
        let (mut known, mut new) = (HashSet::new(), vec![start]);
        while let Some(table) = new.pop() {
            if once(&table) && known.insert(table.clone()) {
                look(&table);
                new.extend(next(&table, commands));
            }
        }
        known.len()
    }

    /// Nobody holds it more than once in a mode.
    fn once(table: &Table) -> bool {
        let count = |lock: &Lock| {
            lock.holds.values().all(|hold| hold.exclusive.session <= 1 && hold.shared.session <= 1)
        };
        table.locks().all(|(_, lock)| count(lock))
    }

    fn next(table: &Table, commands: &[Command]) -> Vec<Table> {
        let mut next = Vec::new();
        let mut after = |change: &dyn Fn(&mut Table)| {
            let mut table = table.clone();
            change(&mut table);
            next.push(table);
        };
        for session in SESSIONS {
            for command in commands {
                after(&|table| drop(table.execute(session, *command)));
            }
            after(&|table| drop(table.interrupt(session, Interruption::Cancel)));
            after(&|table| drop(table.end(session)));
            after(&|table| drop(table.check_deadlock(session)));
        }
        next
    }

    fn on_key(place: AdvisoryPlace, levels: &[Level]) -> Vec<Command> {
        let mut commands = Vec::new();
        for mode in [Exclusive, Shared] {
            commands.push(Command::Unlock(place, mode));
            for level in levels {
                let want = Want { place, mode, level: *level };
                commands.extend([Command::Try(want), Command::Take(want)]);
            }
        }
        commands
    }
}
