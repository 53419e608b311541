//! Which rows an answer has, and whose they are.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{join_all, join4, try_join_all};
use pglock_core::{LockName, Outcome, Renew, Renewal, Rvn, Sql, Statement, Table, Value};

use crate::conformance::alarm::within;
use crate::conformance::broken::{Broken, brief, ensure, same};
use crate::conformance::gate::{Gate, PASS};
use crate::conformance::session::{Session, int};
use crate::conformance::subject::{Subject, unique};

/// A row's values stand in the statement's order, also where columns have no name, or one name.
pub async fn columns_stand_in_the_statements_order(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let text = "SELECT 1::int8, 2::int8, true, false, 'z'::text, 'a'::text, 'b'::text AS x, \
         NULL::text AS x, '\\x01'::bytea AS x, 3::int8 AS a";
    let texts = ["z", "a", "b"].map(|text| Value::Text(text.into()));
    let wanted = [
        &[Value::Int8(1), Value::Int8(2), Value::Bool(true), Value::Bool(false)][..],
        &texts,
        &[Value::Null, Value::Bytea(vec![1]), Value::Int8(3)],
    ];
    same("a row", &wanted.concat(), &session.row(text, Vec::new()).await?)
}

/// All rows come, in the server's order.
pub async fn rows_come_in_the_servers_order(subject: &Subject) -> Result<(), Broken> {
    const ROWS: i64 = 5_000;
    let session = subject.session().await?;
    // 7 has no common divisor with the number of rows, so that each number comes once.
    let text = "SELECT (n * 7) % $1::int8 FROM generate_series(0, $1::int8 - 1) AS n ORDER BY n";
    let rows = session.rows(text, vec![int(ROWS)]).await?;
    let came: Vec<_> = rows.into_iter().flat_map(|row| row.0).collect();
    let wanted: Vec<_> = (0..ROWS).map(|n| Value::Int8((n * 7) % ROWS)).collect();
    same("the rows", &wanted, &came)
}

/// A statement without rows is answered, with none: it is neither lost nor failed. Nor is one that the server has
/// remarks on.
pub async fn no_rows_are_an_answer(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for text in [
        "SELECT 1::int8 WHERE false",
        "SET application_name = 'pglock conformance'",
        "DO $$ BEGIN PERFORM 1; END $$",
        "DO $$ BEGIN RAISE NOTICE 'a remark'; RAISE WARNING 'a warning'; END $$",
    ] {
        let rows = session.rows(text, Vec::new()).await?;
        ensure(rows.is_empty(), || format!("{} came of {text}, not no rows", brief(&rows)))?;
        session.is_sound().await?;
    }
    Ok(())
}

/// A text that comes again is the same statement, and another one is another, however alike they are.
pub async fn statements_are_not_mixed_up(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for round in 0..3 {
        for number in 10..60 {
            let text = format!("SELECT $1::int8 + {number}");
            let sum = session.number(&text, vec![int(round)]).await?;
            same(&text, &(round + number), &sum)?;
        }
    }
    Ok(())
}

/// Rows are of the command that they answer, also when many sessions are at work.
pub async fn sessions_get_their_own_answers(subject: &Subject) -> Result<(), Broken> {
    let sessions = try_join_all((0..4).map(|_| subject.session())).await?;
    let at_work = sessions.iter().zip(0..).map(|(session, which)| async move {
        for number in 0..50 {
            let wanted = which * 1_000 + number;
            let came = session.number("SELECT $1::int8", vec![int(wanted)]).await?;
            same("the answer of one of several sessions", &wanted, &came)?;
        }
        Ok(())
    });
    try_join_all(at_work).await.map(drop)
}

/// Commands may be under way on one session at the same time: each gets its own answer, also beside one that fails.
pub async fn commands_may_be_under_way_together(subject: &Subject) -> Result<(), Broken> {
    let (session, keeper) = (subject.session().await?, subject.session().await?);
    let (first, last) = (Gate::closed_by(&keeper).await?, Gate::closed_by(&keeper).await?);
    let (tell, told) = oneshot::channel();
    let before = session.execute(PASS, first.params(-1));
    let between = async {
        let outcomes = join_all((0..30).map(|number| divided(&session, number))).await;
        let _opened_already = tell.send(()).is_err();
        outcomes.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let after = session.execute(PASS, last.params(-2));
    let opens = async {
        // In whichever order they were sent.
        let mut is_first = false;
        let waits = async || {
            is_first = first.is_awaited_by(session.pid()).await?;
            Ok(is_first || last.is_awaited_by(session.pid()).await?)
        };
        subject.until("a statement that waits on the server", waits).await?;
        let (one, other) = if is_first { (&first, &last) } else { (&last, &first) };
        one.open().await?;
        other.has_waiter(subject, session.pid()).await?;
        // Those between have most likely been answered while this one is under way.
        let _not_in_order = within(A_WHILE, told).await.is_none();
        other.open().await
    };
    let (before, between, after, opened) = join4(before, between, after, opens).await;
    opened?;
    between?;
    answers(-1, &before?)?;
    answers(-2, &after?)
}

const A_WHILE: Duration = Duration::from_secs(1);

/// Every tenth fails.
async fn divided(session: &Session, number: i64) -> Result<(), Broken> {
    let divisor = i64::from(number % 10 != 3);
    let params = vec![int(number), int(divisor)];
    let outcome = session.execute("SELECT $1::int8 / $2::int8", params).await?;
    if divisor == 1 {
        return answers(number, &outcome);
    }
    let failed = matches!(&outcome, Outcome::Failed(error) if error.sqlstate.as_str() == "22012");
    ensure(failed, || format!("{} came of a division by zero", brief(&outcome)))
}

fn answers(number: i64, outcome: &Outcome) -> Result<(), Broken> {
    let wanted = Outcome::Rows(vec![[Value::Int8(number)].into_iter().collect()]);
    same("the answer to one of several commands on one session", &wanted, outcome)
}

const LOCKS: usize = 1_000;

/// The heartbeats of a thousand locks go in one statement.
pub async fn a_thousand_heartbeats_are_one_statement(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let table: Table = format!("pglock_conformance_{:x}", unique())
        .parse()
        .map_err(|error| Broken::new(format!("no table: {error}")))?;
    let sql = Sql::new(&table);
    run(&session, &sql, &Statement::CreateTable).await?;
    let renewed = heartbeats(&session, &sql, &table).await;
    let dropped = run(&session, &sql, &Statement::DropTable).await;
    renewed.and(dropped.map(drop))
}

async fn heartbeats(session: &Session, sql: &Sql, table: &Table) -> Result<(), Broken> {
    let text = format!(
        "INSERT INTO {} (name, owner, record_version_number, lease_ms) \
         SELECT 'lock ' || n, '', n, 20000 + n FROM generate_series(0, $1::int8 - 1) AS n",
        table.to_sql()
    );
    session.rows(&text, vec![int(i64::try_from(LOCKS).unwrap_or_default())]).await?;
    let locks = (0..LOCKS).zip(0..).map(|(which, number)| {
        let (name, new) = (format!("lock {which}"), Rvn::new(Rvn::MARK + number));
        let name = LockName::new(&name).map_err(|error| Broken::new(error.to_string()))?;
        Ok(Renewal { name, mine: vec![Rvn::new(number), new], new })
    });
    let renew = Statement::Renew(Renew { locks: locks.collect::<Result<_, _>>()? });
    let rows = run(session, sql, &renew).await?;
    let came: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| {
            let mut values = row.0.into_iter();
            let name = values.next().map(|name| brief(&name));
            (name, values.collect::<Vec<_>>())
        })
        .collect();
    ensure(came.len() == LOCKS, || format!("{} locks were told of, not {LOCKS}", came.len()))?;
    for (which, lease) in (0..LOCKS).zip(20_000..) {
        let name = brief(&Value::Text(format!("lock {which}")));
        let wanted = vec![Value::Text("renewed".into()), Value::Int8(lease)];
        let came = came.get(&Some(name)).cloned().unwrap_or_default();
        same(&format!("what is told of lock {which}"), &wanted, &came)?;
    }
    Ok(())
}

async fn run(
    session: &Session,
    sql: &Sql,
    statement: &Statement,
) -> Result<Vec<pglock_core::Row>, Broken> {
    let query = sql.query(statement);
    session.rows(query.text, query.params).await
}
