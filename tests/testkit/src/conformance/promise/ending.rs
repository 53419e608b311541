//! Connections that end by themselves.

use std::pin::pin;

use futures::future::{Either, join, select};
use pglock_core::{Outcome, SessionKind};

use super::errors::unanswered;
use crate::conformance::broken::{Broken, ensure, same};
use crate::conformance::gate::{Gate, PASS};
use crate::conformance::relay::{Manners, Relay};
use crate::conformance::session::Session;
use crate::conformance::subject::Subject;

/// When the connection breaks before the answer has come, the command is lost, though the server has done it: an
/// error would say that it has not.
pub async fn a_lost_reply_is_lost(subject: &Subject) -> Result<(), Broken> {
    let keeper = subject.session().await?;
    let server = subject.url()?;
    let relay = Relay::new(&server, Manners::Carries)?;
    let session = subject.session_at(&relay.url(&server).text(), SessionKind::Work).await?;
    let gate = Gate::closed_by(&keeper).await?;
    let executed = session.execute(PASS, gate.params(1));
    let breaks = async {
        gate.has_waiter(subject, session.pid()).await?;
        relay.hold_back();
        gate.let_pass(subject, session.pid()).await?;
        relay.cut();
        Ok(())
    };
    let (executed, broken) = join(executed, breaks).await;
    broken?;
    same("what became of a command whose reply was lost", &Outcome::Lost, &executed?)?;
    let next = session.execute("SELECT 1::int8", Vec::new()).await?;
    same("what becomes of the next command", &Outcome::Lost, &next)
}

/// When the server ends a session, what is under way is lost, and so is what comes later: nobody connects again
/// behind the caller's back, where nothing would be as it was.
pub async fn a_killed_session_answers_no_more(subject: &Subject) -> Result<(), Broken> {
    let (session, keeper) = (subject.session().await?, subject.session().await?);
    let gate = Gate::closed_by(&keeper).await?;
    let executed = session.execute(PASS, gate.params(1));
    let killed = async {
        gate.has_waiter(subject, session.pid()).await?;
        subject.kill(session.pid(), &keeper).await
    };
    let (executed, killed) = join(executed, killed).await;
    killed?;
    unanswered("a command under way on a killed session", &executed?)?;
    for _ in 0..3 {
        let next = session.execute("SELECT 1::int8", Vec::new()).await?;
        unanswered("a command on a session that was killed", &next)?;
    }
    Ok(())
}

/// `closed()` ends when the connection does, though nobody asks anything, and so does one that is called later. (Of
/// a blocking driver: a short wait for a notification is enough for `is_closed()` to know.)
pub async fn the_end_of_a_connection_is_told(subject: &Subject) -> Result<(), Broken> {
    if !subject.tells_the_end() {
        return Ok(());
    }
    let observer = subject.session().await?;
    let killed = subject.session_for(SessionKind::Advisory).await?;
    let kills = async { subject.kill(killed.pid(), &observer).await.map(drop) };
    told(&killed, "when the server ends the session", kills).await?;
    let server = subject.url()?;
    let relay = Relay::new(&server, Manners::Carries)?;
    let cut = subject.session_at(&relay.url(&server).text(), SessionKind::Advisory).await?;
    let cuts = async {
        relay.cut();
        Ok(())
    };
    told(&cut, "when the connection is cut", cuts).await
}

async fn told(
    session: &Session,
    when: &str,
    end: impl Future<Output = Result<(), Broken>>,
) -> Result<(), Broken> {
    let (told, ended) = join(session.closed(when), end).await;
    ended?;
    told?;
    session.closed(&format!("{when}, asked once more")).await
}

/// `closed()` does not end while the session lives, whatever happens there.
pub async fn a_living_connection_is_not_told_to_have_ended(
    subject: &Subject,
) -> Result<(), Broken> {
    let session = subject.session().await?;
    let told = || Broken::new(format!("{}, but the session does not", session.words().end));
    let lives = pin!(async {
        for text in [
            "SELECT 1::int8 / 0",
            "DO $$ BEGIN RAISE WARNING 'a warning'; END $$",
            "SELECT pg_notify('pglock_conformance', '') IS NOT NULL",
            "SELECT 1::int8",
        ] {
            session.execute(text, Vec::new()).await?;
            ensure(!session.is_closed().await?, || told().to_string())?;
        }
        session.is_sound().await
    });
    match select(pin!(session.end()), lives).await {
        Either::Left(((), _)) => Err(told()),
        Either::Right((lives, _)) => lives,
    }
}
