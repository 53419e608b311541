//! The SQL texts and the transition table as checked-in files, so that a change of either is seen in
//! review. `PGLOCK_BLESS=1 cargo test -p pglock-core` writes them anew.

use std::fmt::Write;
use std::time::Duration;

use pglock_core::{
    Amendment, Command, Evict, LineUp, Look, Output, Reason, Row, Sql, Statement, Table, Token,
    Value, Wait, Wake,
};

use crate::common::check;
use crate::common::table::{Happening, Stage, check_transitions, fail};
use crate::rig::{
    Rig, foreign, foreign_ticket, free, granted, held_row, lined_up, name_of, refused, secs,
    verdict,
};

#[test]
fn sql() {
    let sql = Sql::new(&Table::new("locks").unwrap().in_schema("app").unwrap());
    let mut text = String::new();
    let mut rig = Rig::new();
    let mut commands = vec![waiting(&mut rig), stage_command(amending), stage_command(releasing)];
    commands.push(stage_command(renewing));
    let mut statements: Vec<Statement> =
        commands.iter().map(|command| command.statement().clone()).collect();
    let evict = Evict { name: name_of("a"), token: Token::new(1), lock_timeout: secs(1) };
    statements.push(Statement::Evict(evict));
    let (name, ticket) = (name_of("a"), foreign_ticket(1));
    let mine = vec![ticket];
    statements.push(Statement::Look(Look { name: name.clone(), mine: mine.clone() }));
    statements.push(Statement::LineUp(LineUp { name, mine, ticket, lock_timeout: secs(1) }));
    statements.push(Statement::Listen);
    statements.push(Statement::Read(pglock_core::Read::One(name_of("a"))));
    statements.push(Statement::Read(pglock_core::Read::All { prefix: "a".into() }));
    statements.extend([Statement::CreateTable, Statement::CheckTable, Statement::DropTable]);
    statements.push(Statement::AdvisoryHolders((-1, 2).into()));
    for statement in &statements {
        let query = sql.query(statement);
        let types: Vec<_> = query.params.iter().map(pglock_core::Param::type_name).collect();
        writeln!(text, "-- ({})\n{};\n", types.join(", "), query.text).unwrap();
    }
    check("lease.sql", &text);
}

#[test]
fn transitions() {
    let stages: &[(&str, Stage)] = &[
        ("waiting, first asked", waiting),
        ("waiting, watching a holder", watching),
        ("waiting for at most 10 s, watching", watching_for_a_time),
        ("waiting, lining up", lining_up),
        ("waiting in line", in_line),
        ("waiting, cancelled", cancelled),
        ("trying", trying),
        ("probing, first asked", probing),
        ("probing, watching a holder", watching_its_life),
        ("held, idle", idle),
        ("held, renewing", renewing),
        ("held, amending", amending),
        ("queued, the own lock renewing", queued),
        ("queued, the own lock releasing", queued_behind_release),
        ("releasing", releasing),
        ("expired, resting", resting),
        ("giving back in silence", giving_back),
    ];
    check_transitions("transitions.txt", stages, HAPPENINGS, statement);
}

fn waiting(rig: &mut Rig) -> Command {
    rig.ask("a", Wait::ForEver);
    rig.command()
}

fn trying(rig: &mut Rig) -> Command {
    rig.ask("a", Wait::Try);
    rig.command()
}

fn probing(rig: &mut Rig) -> Command {
    rig.ask("a", Wait::Probe);
    rig.command()
}

fn watching(rig: &mut Rig) -> Command {
    let command = waiting(rig);
    look_at_holder(rig, &command)
}

fn watching_for_a_time(rig: &mut Rig) -> Command {
    rig.ask("a", Wait::AtMost(secs(10)));
    let command = rig.command();
    look_at_holder(rig, &command)
}

fn watching_its_life(rig: &mut Rig) -> Command {
    let command = probing(rig);
    look_at_holder(rig, &command)
}

fn look_at_holder(rig: &mut Rig, refused_to: &Command) -> Command {
    rig.rows(refused_to, vec![refused(foreign(1), 7_000)]);
    rig.until_command()
}

/// Behind others, since it hears of nothing.
fn lining_up(rig: &mut Rig) -> Command {
    let look = watching(rig);
    rig.rows(&look, vec![lined_up(foreign(1), 0)]);
    rig.command()
}

fn in_line(rig: &mut Rig) -> Command {
    let command = lining_up(rig);
    rig.rows(&command, vec![lined_up(foreign(1), 2)]);
    rig.until_command()
}

fn cancelled(rig: &mut Rig) -> Command {
    let command = waiting(rig);
    rig.client.cancel(rig.last(), rig.now).unwrap();
    command
}

fn idle(rig: &mut Rig) -> Command {
    let command = waiting(rig);
    rig.rows(&command, vec![granted(&command, 1)]);
    command
}

fn renewing(rig: &mut Rig) -> Command {
    idle(rig);
    rig.until_command()
}

fn amending(rig: &mut Rig) -> Command {
    idle(rig);
    let amendment = Amendment { lease: Some(secs(10)), data: Some(None) };
    rig.client.amend(rig.last(), amendment, rig.now).unwrap();
    rig.command()
}

fn releasing(rig: &mut Rig) -> Command {
    idle(rig);
    rig.client.release(rig.last(), rig.now).unwrap();
    rig.command()
}

fn queued(rig: &mut Rig) -> Command {
    idle(rig);
    rig.ask("a", Wait::ForEver);
    rig.until_command()
}

fn queued_behind_release(rig: &mut Rig) -> Command {
    idle(rig);
    let held = rig.last();
    rig.ask("a", Wait::ForEver);
    rig.client.release(held, rig.now).unwrap();
    rig.command()
}

/// The process stood still beyond the deadline; the lease in the row is not over.
fn resting(rig: &mut Rig) -> Command {
    let command = idle(rig);
    rig.pass(Duration::from_millis(19_700));
    command
}

fn giving_back(rig: &mut Rig) -> Command {
    let command = cancelled(rig);
    rig.rows(&command, vec![granted(&command, 1)]);
    rig.command()
}

fn stage_command(stage: Stage) -> Command {
    stage(&mut Rig::new())
}

const HAPPENINGS: &[(&str, Happening)] = &[
    ("granted, renewed or freed", |rig, command, _| {
        let row = match command.statement() {
            Statement::Acquire(_) => granted(command, 2),
            Statement::Renew(_) => verdict("a", "renewed"),
            Statement::Amend(_) => Row(vec![Value::Int8(10_000)]),
            Statement::Release(_) => Row(vec![Value::Int8(2)]),
            _ => return false,
        };
        rig.rows(command, vec![row]);
        true
    }),
    ("held by somebody else", |rig, command, _| {
        let row = match command.statement() {
            Statement::Acquire(_) => vec![refused(foreign(5), 7_000)],
            Statement::Look(_) => vec![held_row(foreign(5), 7_000)],
            Statement::LineUp(_) => vec![lined_up(foreign(5), 2)],
            Statement::Renew(_) => vec![verdict("a", "lost")],
            _ => vec![],
        };
        rig.rows(command, row);
        true
    }),
    ("unchanged", |rig, command, _| {
        let Statement::Look(_) = command.statement() else { return false };
        rig.rows(command, vec![held_row(foreign(1), 7_000)]);
        true
    }),
    ("handed over to another", |rig, command, _| {
        let ticket = foreign_ticket(5);
        let row = match command.statement() {
            Statement::Acquire(_) => refused(ticket, 7_000),
            Statement::Look(_) => held_row(ticket, 7_000),
            Statement::LineUp(_) => lined_up(ticket, 1),
            _ => return false,
        };
        rig.rows(command, vec![row]);
        true
    }),
    ("handed over to us", |rig, command, _| {
        let (Statement::Look(Look { mine, .. }) | Statement::LineUp(LineUp { mine, .. })) =
            command.statement()
        else {
            return false;
        };
        let Some(ticket) = mine.iter().find(|mine| mine.is_ticket()) else { return false };
        rig.rows(command, vec![held_row(*ticket, 7_000)]);
        true
    }),
    ("free", |rig, command, _| {
        let Statement::Acquire(_) = command.statement() else { return false };
        rig.rows(command, vec![free()]);
        true
    }),
    ("no row", |rig, command, _| {
        let (Statement::Acquire(_) | Statement::Look(_) | Statement::LineUp(_)) =
            command.statement()
        else {
            return false;
        };
        rig.rows(command, vec![]);
        true
    }),
    ("row locked", |rig, command, _| {
        let Statement::Renew(_) = command.statement() else { return fail(rig, command, "55P03") };
        rig.rows(command, vec![verdict("a", "row locked")]);
        true
    }),
    ("a try asked", |rig, _, _| {
        rig.ask("a", Wait::Try);
        true
    }),
    ("a wait asked", |rig, _, _| {
        rig.ask("a", Wait::ForEver);
        true
    }),
];

const fn statement(statement: &Statement) -> &'static str {
    match statement {
        Statement::Acquire(_) => "acquire",
        Statement::Release(_) => "release",
        Statement::Renew(_) => "renew",
        Statement::Amend(_) => "amend",
        Statement::Look(_) => "look",
        Statement::LineUp(_) => "line up",
        _ => panic!("a statement without a name"),
    }
}

/// An output that is neither an event nor a command ends a drain.
#[test]
fn a_client_that_was_asked_nothing_does_nothing() {
    let mut rig = Rig::new();
    let now = rig.now;
    let idle = Wake { at: None, reason: Reason::Idle };
    assert_eq!(rig.client.poll_output(now), Output::Wait(idle));
}
