//! The texts of the statements and the transition table as checked-in files, and the words of what is refused.
//! `PGLOCK_BLESS=1 cargo test -p pglock-core` writes the files anew.

use std::fmt::Write;

use pglock_core::{
    Advisory, AdvisoryKey, AdvisoryMode, AdvisoryPlace, AskError, Call, Command, Config, Failure,
    OwnerId, Param, Sql, Statement, Table, Unfit, Wait,
};

use crate::common::check;
use crate::common::table::{Happening, Stage, check_transitions};
use crate::rig::{
    ANN, BOB, EXCLUSIVE, Rig, SHARED, bools, call_of, error, failed, millis, request, unlock,
};

#[test]
fn sql() {
    let sql = Sql::new(&Table::default());
    let places = [AdvisoryPlace::Bigint(-2), AdvisoryPlace::Pair(-3, 4)];
    let mut calls = vec![Call::Enter, Call::Look];
    for place in places {
        for mode in [EXCLUSIVE, SHARED] {
            let take = Call::Take(place, mode, millis(500));
            calls.extend([Call::Try(place, mode), Call::Ring(place, mode)]);
            calls.extend([Call::RingOn(place, mode), take, Call::Unlock(place, mode)]);
        }
        calls.push(Call::Quiet(place));
    }
    let mut text = String::new();
    for call in calls {
        let tokens = matches!(call, Call::Take(..));
        let statement = Statement::Advisory(Advisory { mark: 7, tokens, call });
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
fn transitions() {
    let stages: &[(&str, Stage)] = &[
        ("waiting, a session being marked", entering),
        ("waiting, asked", waiting),
        ("waiting, between two tries", resting),
        ("waiting behind an own lock", queued),
        ("waiting, the bell being rung", ringing),
        ("waiting, between two tries, bell ringing", rung),
        ("waiting, asked, bell ringing", ringing_on),
        ("cancelled, the bell being quieted", quieting),
        ("waiting in line", in_line),
        ("held in line", held_in_line),
        ("trying", trying),
        ("trying alone what is shared", upgrading),
        ("held, idle", idle),
        ("held twice, idle", stacked),
        ("held, looked after", looking),
        ("in doubt after a try", doubtful),
        ("releasing", releasing),
        ("in doubt after a release", unlocking_again),
        ("cancelled while asked", cancelled),
    ];
    check_transitions("advisory_transitions.txt", stages, HAPPENINGS, name);
}

fn entering(rig: &mut Rig) -> Command {
    rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    rig.command()
}

fn waiting(rig: &mut Rig) -> Command {
    rig.ask_as(ANN, 1, EXCLUSIVE, Wait::ForEver);
    rig.enter();
    rig.command()
}

fn resting(rig: &mut Rig) -> Command {
    let command = waiting(rig);
    rig.say(&command, false);
    command
}

/// On a client that listens, which those of the table do not.
fn ringing(rig: &mut Rig) -> Command {
    *rig = Rig::with(Config::default());
    rig.waits_and_listens(1)
}

fn rung(rig: &mut Rig) -> Command {
    let command = ringing(rig);
    rig.say_rings(&command);
    command
}

fn ringing_on(rig: &mut Rig) -> Command {
    rung(rig);
    rig.until(Call::RingOn(1.into(), EXCLUSIVE))
}

fn quieting(rig: &mut Rig) -> Command {
    rung(rig);
    rig.cancel(rig.last.unwrap());
    rig.expect(Call::Quiet(1.into()))
}

fn queued(rig: &mut Rig) -> Command {
    let command = idle(rig);
    rig.ask_as(BOB, 1, EXCLUSIVE, Wait::ForEver);
    command
}

fn in_line(rig: &mut Rig) -> Command {
    let mut request = request(ANN, 1, EXCLUSIVE, Wait::ForEver);
    request.in_line = true;
    rig.request(request).unwrap();
    rig.enter();
    rig.command()
}

fn held_in_line(rig: &mut Rig) -> Command {
    let command = in_line(rig);
    rig.say(&command, true);
    command
}

fn trying(rig: &mut Rig) -> Command {
    rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    rig.enter();
    rig.command()
}

fn upgrading(rig: &mut Rig) -> Command {
    rig.first_as(ANN, 1, SHARED);
    rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    rig.command()
}

fn idle(rig: &mut Rig) -> Command {
    let command = waiting(rig);
    rig.say(&command, true);
    command
}

fn stacked(rig: &mut Rig) -> Command {
    let command = idle(rig);
    rig.ask_as(ANN, 1, EXCLUSIVE, Wait::Try);
    command
}

fn looking(rig: &mut Rig) -> Command {
    idle(rig);
    rig.until(Call::Look)
}

fn doubtful(rig: &mut Rig) -> Command {
    let command = waiting(rig);
    rig.answer(&command, failed("53200"));
    rig.expect(unlock(1, EXCLUSIVE))
}

fn releasing(rig: &mut Rig) -> Command {
    idle(rig);
    rig.release(rig.last.unwrap());
    rig.expect(unlock(1, EXCLUSIVE))
}

fn unlocking_again(rig: &mut Rig) -> Command {
    let command = releasing(rig);
    rig.answer(&command, failed("57014"));
    rig.expect(unlock(1, EXCLUSIVE))
}

fn cancelled(rig: &mut Rig) -> Command {
    let command = waiting(rig);
    rig.cancel(rig.last.unwrap());
    command
}

const HAPPENINGS: &[(&str, Happening)] = &[
    ("true", |rig, command, _| answer(rig, command, true)),
    ("false", |rig, command, _| answer(rig, command, false)),
    ("busy, and the bell rings", |rig, command, _| {
        rig.say_rings(command);
        true
    }),
    ("another mark", |rig, command, _| {
        rig.null(command);
        true
    }),
    ("error 53200, no room", |rig, command, _| {
        rig.answer(command, failed("53200"));
        true
    }),
    ("error 55P03, a slice has passed", |rig, command, _| {
        rig.answer(command, failed("55P03"));
        true
    }),
    ("its owner tries it too", |rig, _, _| ask(rig, ANN, EXCLUSIVE, Wait::Try)),
    ("its owner tries to share it", |rig, _, _| ask(rig, ANN, SHARED, Wait::Try)),
    ("another tries it", |rig, _, _| ask(rig, BOB, EXCLUSIVE, Wait::Try)),
    ("another waits", |rig, _, _| ask(rig, BOB, EXCLUSIVE, Wait::ForEver)),
];

fn ask(rig: &mut Rig, owner: Option<OwnerId>, mode: AdvisoryMode, wait: Wait) -> bool {
    rig.ask_as(owner, 1, mode, wait);
    true
}

/// Of a session that is marked, whether it is fit.
fn answer(rig: &mut Rig, command: &Command, yes: bool) -> bool {
    if call_of(command) == Call::Enter {
        rig.rows(command, vec![bools(&[yes; 3])]);
    } else {
        rig.say(command, yes);
    }
    true
}

const fn name(statement: &Statement) -> &'static str {
    match statement {
        Statement::Advisory(Advisory { call: Call::Enter, .. }) => "enter",
        Statement::Advisory(Advisory { call: Call::Look, .. }) => "look",
        Statement::Advisory(Advisory { call: Call::Try(_, EXCLUSIVE), .. }) => "try",
        Statement::Advisory(Advisory { call: Call::Try(..), .. }) => "try shared",
        Statement::Advisory(Advisory { call: Call::Ring(..), .. }) => "ring",
        Statement::Advisory(Advisory { call: Call::RingOn(..), .. }) => "try, bell ringing",
        Statement::Advisory(Advisory { call: Call::Quiet(_), .. }) => "quiet",
        Statement::Advisory(Advisory { call: Call::Take(_, EXCLUSIVE, _), .. }) => "take",
        Statement::Advisory(Advisory { call: Call::Take(..), .. }) => "take shared",
        Statement::Advisory(Advisory { call: Call::Unlock(_, EXCLUSIVE), .. }) => "unlock",
        Statement::Advisory(Advisory { call: Call::Unlock(..), .. }) => "unlock shared",
        _ => "?",
    }
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
