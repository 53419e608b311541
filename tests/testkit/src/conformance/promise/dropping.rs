//! What is left of what the caller lets go of.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, join, select};
use pglock_core::{Outcome, SessionKind, Value};

use crate::conformance::alarm::pause;
use crate::conformance::broken::{Broken, brief, ensure};
use crate::conformance::gate::{Gate, PASS};
use crate::conformance::relay::{Manners, Relay};
use crate::conformance::session::{Session, int};
use crate::conformance::subject::Subject;

/// A session that is dropped ends on the server, and frees what it holds.
pub async fn a_dropped_session_ends(subject: &Subject) -> Result<(), Broken> {
    let observer = subject.session().await?;
    for kind in [SessionKind::Work, SessionKind::Advisory] {
        let session = subject.session_for(kind).await?;
        session.number("SELECT $1::int8", vec![int(1)]).await?;
        let pid = session.pid();
        drop(session);
        subject.until_ended(pid, &observer).await?;
    }
    Ok(())
}

/// A session that is dropped with a command under way lets go of its connection at once, though no answer has come.
/// Its statement runs on, but when that ends, so does the session.
pub async fn a_dropped_session_ends_though_a_statement_waits(
    subject: &Subject,
) -> Result<(), Broken> {
    let observer = subject.session().await?;
    let server = subject.url()?;
    let relay = Relay::new(&server, Manners::Carries)?;
    let session = subject.session_at(&relay.url(&server).text(), SessionKind::Work).await?;
    let (pid, gate) = (session.pid(), Gate::closed_by(&observer).await?);
    let waits = session.begin(PASS, gate.params(1));
    drop_when_waiting(subject, &gate, pid, waits).await?;
    drop(session);
    subject.until("the end of the dropped connection", async || Ok(relay.was_hung_up())).await?;
    gate.open().await?;
    subject.until_ended(pid, &observer).await
}

async fn drop_when_waiting(
    subject: &Subject,
    gate: &Gate<'_>,
    pid: i64,
    command: impl Future<Output = Outcome>,
) -> Result<(), Broken> {
    match select(pin!(command), pin!(gate.has_waiter(subject, pid))).await {
        Either::Left((outcome, _)) => {
            Err(Broken::new(format!("a command that waits is answered {}", brief(&outcome))))
        }
        Either::Right((waits, _)) => waits,
    }
}

/// When the future of a command is dropped, before or after it was sent, the session is either fit for the next one or
/// ends: never is the next one answered with what was meant for the dropped one.
pub async fn a_dropped_command_shifts_no_answer(subject: &Subject) -> Result<(), Broken> {
    let mut session = subject.session().await?;
    for polls in 0..6 {
        for number in 0..5 {
            let mut dropped = Box::pin(session.begin("SELECT $1::int8", vec![int(-number)]));
            for _ in 0..polls {
                if dropped.as_mut().now_or_never().is_some() {
                    break;
                }
                pause(Duration::from_millis(1)).await;
            }
            drop(dropped);
            let next = session.execute("SELECT $1::int8", vec![int(1_000 + number)]).await?;
            if is_lost(1_000 + number, &next)? {
                session = subject.session().await?;
            }
        }
    }
    while_it_waits(subject, &session).await
}

async fn while_it_waits(subject: &Subject, session: &Session) -> Result<(), Broken> {
    let keeper = subject.session().await?;
    let gate = Gate::closed_by(&keeper).await?;
    let waits = session.begin(PASS, gate.params(-1));
    drop_when_waiting(subject, &gate, session.pid(), waits).await?;
    let next = session.execute("SELECT $1::int8", vec![int(2_000)]);
    let (next, opened) = join(next, gate.open()).await;
    opened?;
    is_lost(2_000, &next?).map(drop)
}

fn is_lost(wanted: i64, outcome: &Outcome) -> Result<bool, Broken> {
    let right = Outcome::Rows(vec![[Value::Int8(wanted)].into_iter().collect()]);
    ensure(*outcome == right || *outcome == Outcome::Lost, || {
        format!("after a command was dropped, the next is answered {}", brief(outcome))
    })?;
    Ok(*outcome == Outcome::Lost)
}
