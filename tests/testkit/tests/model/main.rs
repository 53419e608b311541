//! The models of the server: what each statement does to a row and answers, and what becomes of advisory
//! locks, case by case.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod advisory;
mod rig;

use std::time::Duration;

use pglock_core::{
    Acquire, Amend, Content, Outcome, Owner, Read, Release, Renew, Row, Statement, Value,
};
use pglock_testkit::{Record, Server};

use rig::*;

mod acquire {
    use super::*;

    #[test]
    fn an_absent_row_becomes_a_free_one() {
        let mut server = Server::with_table();
        assert!(!granted(&mut server, &acquire(1)));
        let changes = server.take_changes();
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].before, None);
        assert_eq!((row(&server).rvn, row(&server).token), (None, None));
    }

    #[test]
    fn a_free_row_is_granted_with_the_first_token() {
        let server = held(1, None);
        let Record { rvn: number, owner, lease_ms, token, .. } = row(&server);
        assert_eq!((number, lease_ms, token), (Some(rvn(1)), Some(1_000), Some(1)));
        assert_eq!(owner, Owner::new("me").ok());
    }

    #[test]
    fn a_grant_answers_the_row() {
        let mut server = held(1, Some(b"x"));
        freed(&mut server, &Release { keep_data: true, ..release(&[1]) });
        let rows = rows(&mut server, &Statement::Acquire(acquire(2)));
        let expected = [
            Value::Bool(true),
            Value::Int8(MARK + 2),
            Value::Text("me".into()),
            Value::Int8(1_000),
            Value::Bytea(b"x".to_vec()),
            Value::Int8(2),
        ];
        assert_eq!(rows, vec![Row(expected.to_vec())]);
    }

    #[test]
    fn a_held_row_is_refused_and_nothing_is_written() {
        let mut server = held(1, None);
        let before = server.clone();
        assert!(!granted(&mut server, &acquire(2)));
        unchanged(&mut server, &before);
        assert!(!granted(&mut server, &Acquire { seen: Some(rvn(3)), ..acquire(2) }));
        unchanged(&mut server, &before);
    }

    #[test]
    fn the_number_watched_is_taken_over_with_a_new_token() {
        let mut server = held(1, None);
        assert!(granted(&mut server, &Acquire { seen: Some(rvn(1)), ..acquire(2) }));
        assert_eq!((row(&server).rvn, row(&server).token), (Some(rvn(2)), Some(2)));
    }

    #[test]
    fn a_number_of_ours_is_granted_again() {
        let mut server = held(1, None);
        assert!(granted(&mut server, &Acquire { mine: rvns(&[1, 2]), ..acquire(2) }));
        assert_eq!((row(&server).rvn, row(&server).token), (Some(rvn(2)), Some(2)));
    }

    #[test]
    fn the_same_statement_run_twice_is_granted_twice_with_one_token() {
        let mut server = held(1, None);
        assert!(granted(&mut server, &acquire(1)));
        assert_eq!(row(&server).token, Some(1));
    }

    #[test]
    fn data_goes_into_a_free_row_without_any() {
        assert_eq!(data(&held(1, Some(b"x"))), Some(b"x".to_vec()));
    }

    #[test]
    fn data_of_an_earlier_holder_stays_unless_it_is_to_be_replaced() {
        let taking = |replace| {
            let content = Content { data: Some(b"new"[..].into()), replace };
            Acquire { content, seen: Some(rvn(1)), ..acquire(2) }
        };
        for (replace, stands) in [(false, b"old"), (true, b"new")] {
            let mut server = held(1, Some(b"old"));
            assert!(granted(&mut server, &taking(replace)));
            assert_eq!(data(&server), Some(stands.to_vec()));
        }
    }

    #[test]
    fn a_dead_holders_row_without_data_stays_so() {
        let mut server = held(1, None);
        let content = Content { data: Some(b"new"[..].into()), replace: false };
        assert!(granted(&mut server, &Acquire { content, seen: Some(rvn(1)), ..acquire(2) }));
        assert_eq!(data(&server), None);
    }

    /// The predicate is checked again after the wait for the row, the answer is as old as the beginning.
    #[test]
    fn a_row_that_moves_during_the_wait_is_refused_and_answered_as_it_was() {
        let mut server = held(1, None);
        let statement = Statement::Acquire(Acquire { seen: Some(rvn(1)), ..acquire(3) });
        let seen = server.begin(&statement);
        verdicts(&mut server, vec![renewal("a", &[1, 2], 2)]);
        let Outcome::Rows(rows) = server.finish(&statement, seen) else { panic!() };
        assert_eq!(rows[0].0[..2], [Value::Bool(false), Value::Int8(MARK + 1)]);
        assert_eq!(row(&server).rvn, Some(rvn(2)));
    }

    #[test]
    fn a_row_that_comes_during_the_wait_is_not_answered() {
        let mut server = Server::with_table();
        let statement = Statement::Acquire(acquire(3));
        let seen = server.begin(&statement);
        assert!(!granted(&mut server, &acquire(1)));
        assert!(granted(&mut server, &acquire(1)));
        assert_eq!(server.finish(&statement, seen), Outcome::Rows(Vec::new()));
        assert_eq!(row(&server).rvn, Some(rvn(1)));
    }

    #[test]
    fn tokens_grow_when_the_row_was_deleted() {
        let mut server = held(1, None);
        server.delete(&name("a"));
        assert!(!granted(&mut server, &acquire(2)));
        assert!(granted(&mut server, &acquire(2)));
        assert_eq!(row(&server).token, Some(2));
    }
}

mod release {
    use super::*;

    #[test]
    fn a_row_of_ours_is_freed_and_emptied() {
        let mut server = held(1, Some(b"x"));
        assert_eq!(freed(&mut server, &release(&[1])), vec![Row(vec![Value::Int8(1)])]);
        assert_eq!((row(&server).rvn, row(&server).data), (None, None));
        assert_eq!(row(&server).token, Some(1));
    }

    #[test]
    fn data_is_kept_if_asked() {
        let mut server = held(1, Some(b"x"));
        freed(&mut server, &Release { keep_data: true, ..release(&[7, 1]) });
        assert_eq!((row(&server).rvn, data(&server)), (None, Some(b"x".to_vec())));
    }

    #[test]
    fn any_other_row_is_left_alone() {
        let mut server = held(1, None);
        let before = server.clone();
        assert_eq!(freed(&mut server, &release(&[2])), Vec::new());
        unchanged(&mut server, &before);
        freed(&mut server, &release(&[1]));
        assert_eq!(freed(&mut server, &release(&[1])), Vec::new(), "it is free already");
        assert_eq!(freed(&mut Server::with_table(), &release(&[1])), Vec::new());
    }
}

mod evict {
    use super::*;

    #[test]
    fn the_current_token_frees_the_row_and_leaves_the_rest() {
        let mut server = held(1, Some(b"x"));
        let before = server.clone();
        assert_eq!(evicted(&mut server, 2), []);
        unchanged(&mut server, &before);
        let rows = evicted(&mut server, 1);
        assert_eq!(rows[0].0[..2], [Value::Text("a".into()), Value::Null]);
        assert_eq!(row(&server), Record { rvn: None, ..row(&before) });
        assert_eq!(evicted(&mut server, 1), [], "it is free already");
    }

    #[test]
    fn a_go_client_is_left_alone_though_an_old_token_stands_in_its_row() {
        let mut server = held(1, None);
        freed(&mut server, &release(&[1]));
        server.foreign_write(&name("a"), &Owner::new("go").unwrap());
        server.take_changes();
        let before = server.clone();
        assert_eq!(evicted(&mut server, 1), []);
        unchanged(&mut server, &before);
    }
}

mod renew {
    use super::*;

    #[test]
    fn each_lock_has_a_verdict_of_its_own() {
        let mut server = held(1, None);
        let other = Acquire { name: name("b"), ..acquire(2) };
        granted(&mut server, &other);
        granted(&mut server, &other);
        server.lock_row(&name("b"));
        let locks = [("a", 1), ("b", 2), ("c", 3)].map(|(of, old)| renewal(of, &[old], old + 10));
        let verdicts = verdicts(&mut server, locks.to_vec());
        let expected = [
            ("a", "renewed", Value::Int8(1_000)),
            ("b", "row locked", Value::Null),
            ("c", "lost", Value::Null),
        ];
        assert_eq!(verdicts, expected.map(|(name, verdict, l)| (name.into(), verdict.into(), l)));
        assert_eq!(row(&server).rvn, Some(rvn(11)));
        assert_eq!(server.row(&name("b")).unwrap().rvn, Some(rvn(2)));
    }

    #[test]
    fn a_locked_row_that_is_not_ours_is_lost() {
        let mut server = held(1, None);
        server.lock_row(&name("a"));
        assert_eq!(verdicts(&mut server, vec![renewal("a", &[2], 3)])[0].1, "lost");
    }

    #[test]
    fn the_token_and_the_data_stay() {
        let mut server = held(1, Some(b"x"));
        verdicts(&mut server, vec![renewal("a", &[1], 2)]);
        assert_eq!((row(&server).token, data(&server)), (Some(1), Some(b"x".to_vec())));
    }

    #[test]
    fn run_twice_it_is_renewed_twice_if_it_knows_its_own_number() {
        let mut server = held(1, None);
        for _ in 0..2 {
            assert_eq!(verdicts(&mut server, vec![renewal("a", &[1, 2], 2)])[0].1, "renewed");
        }
    }
}

mod amend {
    use super::*;

    #[test]
    fn lease_and_data_change_only_where_asked() {
        let mut server = held(1, Some(b"x"));
        let answer = amended(&mut server, &amend(&[1], 2));
        assert_eq!(answer, vec![Row(vec![Value::Int8(1_000)])]);
        assert_eq!((row(&server).rvn, data(&server)), (Some(rvn(2)), Some(b"x".to_vec())));

        let lease = Some(Duration::from_secs(3));
        let answer = amended(&mut server, &Amend { lease, ..amend(&[2], 3) });
        assert_eq!(answer, vec![Row(vec![Value::Int8(3_000)])]);

        amended(&mut server, &Amend { data: Some(None), ..amend(&[3], 4) });
        assert_eq!((row(&server).lease_ms, data(&server)), (Some(3_000), None));
        assert_eq!(row(&server).token, Some(1));
    }

    #[test]
    fn any_other_row_is_left_alone() {
        let mut server = held(1, None);
        let before = server.clone();
        assert_eq!(amended(&mut server, &amend(&[2], 3)), Vec::new());
        unchanged(&mut server, &before);
    }
}

#[test]
fn reads_answer_rows_by_prefix_in_byte_order_and_write_nothing() {
    let mut server = held(1, None);
    for other in ["b", "ab", "Z"] {
        granted(&mut server, &Acquire { name: name(other), ..acquire(2) });
    }
    server.take_changes();
    let mut names = |read: Read| -> Vec<String> {
        let rows = rows(&mut server, &Statement::Read(read));
        assert!(rows.iter().all(|row| row.0.len() == 6));
        let name = |row: Row| match row.0.into_iter().next() {
            Some(Value::Text(name)) => name,
            other => panic!("{other:?}"),
        };
        rows.into_iter().map(name).collect()
    };
    assert_eq!(names(Read::All { prefix: String::new() }), ["Z", "a", "ab", "b"]);
    assert_eq!(names(Read::All { prefix: "a".into() }), ["a", "ab"]);
    assert_eq!(names(Read::One(name("a"))), ["a"]);
    assert!(names(Read::One(name("nobody's"))).is_empty());
    assert_eq!(server.take_changes(), Vec::new());
}

#[test]
fn a_stranger_who_has_locked_the_row_holds_up_whoever_would_write_it() {
    let mut server = held(1, None);
    server.lock_row(&name("a"));
    let a = name("a");
    for waits in [
        Statement::Acquire(Acquire { seen: Some(rvn(1)), ..acquire(2) }),
        Statement::Release(release(&[1])),
        Statement::Amend(amend(&[1], 2)),
    ] {
        assert_eq!(server.waits_for(&waits), Some(&a), "{waits:?}");
        assert_eq!(sqlstate(&mut server, &waits), "55P03");
    }
    for goes_on in [
        Statement::Acquire(acquire(2)),
        Statement::Release(release(&[2])),
        Statement::Read(Read::One(name("a"))),
        Statement::Renew(Renew { locks: vec![renewal("a", &[1], 2)] }),
    ] {
        assert_eq!(server.waits_for(&goes_on), None, "{goes_on:?}");
    }
    server.unlock_row(&name("a"));
    assert_eq!(freed(&mut server, &release(&[1])).len(), 1);
}

#[test]
fn a_standby_reads_and_refuses_the_rest() {
    let mut server = held(1, None);
    server.set_read_only(true);
    let renew = Renew { locks: vec![renewal("a", &[1], 2)] };
    for refused in [
        Statement::Acquire(acquire(2)),
        Statement::Release(release(&[1])),
        Statement::Renew(renew),
        Statement::Amend(amend(&[1], 2)),
        Statement::CreateTable,
        Statement::DropTable,
    ] {
        assert_eq!(sqlstate(&mut server, &refused), "25006", "{refused:?}");
    }
    assert_eq!(rows(&mut server, &Statement::Read(Read::One(name("a")))).len(), 1);
    assert!(!rows(&mut server, &Statement::CheckTable).is_empty());
    assert_eq!(rows(&mut server, &Statement::AdvisoryHolders(1.into())), Vec::new());
}

#[test]
fn the_table_is_created_described_and_dropped() {
    let mut server = Server::without_table();
    assert_eq!(sqlstate(&mut server, &Statement::Acquire(acquire(1))), "42P01");
    assert_eq!(rows(&mut server, &Statement::CheckTable), Vec::new());
    rows(&mut server, &Statement::CreateTable);
    assert_eq!(rows(&mut server, &Statement::CheckTable).len(), 10);
    granted(&mut server, &acquire(1));
    rows(&mut server, &Statement::CreateTable);
    assert!(server.row(&name("a")).is_some(), "creating it again changes nothing");
    rows(&mut server, &Statement::DropTable);
    assert!(server.row(&name("a")).is_none());
}

#[test]
fn a_go_client_writes_numbers_without_the_mark_over_anything() {
    let mut server = held(1, None);
    let number = server.foreign_write(&name("a"), &Owner::new("go").unwrap()).unwrap();
    assert!(!number.is_marked());
    assert_eq!((row(&server).rvn, row(&server).token), (Some(number), Some(1)));
    assert_eq!(verdicts(&mut server, vec![renewal("a", &[1], 2)])[0].1, "lost");
    server.foreign_release(&name("a"), rvn(1));
    assert_eq!(row(&server).rvn, Some(number), "not its number");
    server.foreign_release(&name("a"), number);
    assert_eq!(row(&server).rvn, None);
    assert_eq!(server.take_changes().len(), 2);
}
