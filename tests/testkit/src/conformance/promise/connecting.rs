//! Opening connections.

use pglock_core::{SessionKind, Severity};
use pglock_driver::ConnectError;

use crate::conformance::broken::{Broken, brief, ensure, same};
use crate::conformance::relay::{Manners, Relay};
use crate::conformance::session::{MY_PID, int};
use crate::conformance::subject::{Subject, unique};
use crate::conformance::url::Url;

/// A session of each kind is opened when it is asked for, and answers.
pub async fn sessions_of_every_kind_can_be_had(subject: &Subject) -> Result<(), Broken> {
    let mut kinds =
        vec![SessionKind::Work, SessionKind::Renewals, SessionKind::Advisory, SessionKind::InLine];
    kinds.extend(subject.brings_notifications().then_some(SessionKind::Hints));
    for kind in kinds {
        subject.session_for(kind).await?;
    }
    Ok(())
}

/// A session is one session of the server, and its own: what it was told stays so, and what it holds it keeps.
pub async fn a_session_keeps_what_it_was_told(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let key = vec![int(unique().cast_signed())];
    session.confirms("SELECT pg_advisory_lock($1::int8) IS NOT NULL", key.clone()).await?;
    let set = "SELECT set_config('pglock.conformance', 'kept', false) = 'kept'";
    session.confirms(set, Vec::new()).await?;
    for _ in 0..3 {
        let pid = session.number(MY_PID, Vec::new()).await?;
        same("the server's process, once more", &session.pid(), &pid)?;
    }
    let setting = "SELECT coalesce(current_setting('pglock.conformance', true), '') = 'kept'";
    session.confirms(setting, Vec::new()).await?;
    session.confirms("SELECT pg_advisory_unlock($1::int8)", key).await
}

/// A server that refuses a connection has its error passed on, with severity and SQLSTATE: there is no such database,
/// or no such role.
pub async fn a_refusal_is_told_with_the_servers_error(subject: &Subject) -> Result<(), Broken> {
    let nobody = format!("pglock_nobody_{:x}", unique());
    let elsewhere = subject.url()?.to_database(&nobody);
    refused(subject, &elsewhere, "a database that does not exist", &["3D000"]).await?;
    // A server that trusts everybody has no role of that name; others tell strangers that the password is wrong.
    let stranger = subject.url()?.by(&nobody, "wrong");
    refused(subject, &stranger, "a role that does not exist", &["28000", "28P01"]).await
}

async fn refused(subject: &Subject, url: &Url, what: &str, codes: &[&str]) -> Result<(), Broken> {
    let error = failed(subject, url, what).await?;
    let Some(server) = &error.server else {
        return Err(Broken::new(format!(
            "{what}: connect() comes back without the server's error (ConnectError::refused), it only says: {error}"
        )));
    };
    ensure(codes.contains(&server.sqlstate.as_str()), || {
        format!("{what}: connect() says {}, not one of {codes:?}", brief(server))
    })?;
    ensure(server.severity == Severity::Fatal, || {
        format!("{what}: connect() says {}, but it was fatal", brief(server))
    })
}

/// A server that is not there, or hangs up, has refused nothing: no error of a server is made up.
pub async fn an_unreachable_server_has_refused_nothing(subject: &Subject) -> Result<(), Broken> {
    let server = subject.url()?;
    let relay = Relay::new(&server, Manners::HangsUp)?;
    let url = relay.url(&server);
    nothing_said(subject, &url, "a server that hangs up").await?;
    drop(relay);
    nothing_said(subject, &url, "a port where nobody listens").await
}

async fn nothing_said(subject: &Subject, url: &Url, what: &str) -> Result<(), Broken> {
    let error = failed(subject, url, what).await?;
    let words = || format!("{what}: connect() makes up an error: {}", brief(&error.server));
    ensure(error.server.is_none(), words)
}

async fn failed(subject: &Subject, url: &Url, what: &str) -> Result<ConnectError, Broken> {
    match subject.attempt(&url.text(), SessionKind::Work).await? {
        Ok(_) => Err(Broken::new(format!("{what}: connect() opens a connection all the same"))),
        Err(error) => Ok(error),
    }
}

/// Opening a connection may take for ever; when its future is dropped, nothing of it goes on.
pub async fn a_connection_that_hangs_can_be_dropped(subject: &Subject) -> Result<(), Broken> {
    let server = subject.url()?;
    let relay = Relay::new(&server, Manners::Silent)?;
    let mut opening = Box::pin(subject.opening(&relay.url(&server).text()));
    let came = subject.until("a connection", async || Ok(relay.has_come()));
    match futures::future::select(opening.as_mut(), Box::pin(came)).await {
        futures::future::Either::Left((opened, _)) => {
            return Err(Broken::new(format!(
                "connect() answers {opened} to a server that says nothing"
            )));
        }
        futures::future::Either::Right((came, _)) => came?,
    }
    drop(opening);
    subject.until("the end of the dropped connection", async || Ok(relay.was_hung_up())).await
}
