//! What a session that listens is told.

use std::time::Duration;

use futures::future::{join, join3};
use pglock_core::SessionKind;

use crate::conformance::broken::{Broken, ensure, same};
use crate::conformance::gate::{Gate, PASS};
use crate::conformance::session::{Session, int, text};
use crate::conformance::subject::{Subject, unique};

/// One that listens, and one that tells.
struct Two {
    listener: Session,
    teller: Session,
    channel: String,
}

impl Two {
    /// Nothing for a driver that brings no notifications.
    async fn of(subject: &Subject) -> Result<Option<Self>, Broken> {
        if !subject.brings_notifications() {
            return Ok(None);
        }
        let listener = subject.session_for(SessionKind::Hints).await?;
        let channel = format!("pglock_conformance_{:x}", unique());
        listener.rows(&format!("LISTEN {channel}"), Vec::new()).await?;
        Ok(Some(Self { listener, teller: subject.session().await?, channel }))
    }

    async fn tell(&self, payload: &str) -> Result<(), Broken> {
        self.told_by(&self.teller, payload).await
    }

    async fn told_by(&self, teller: &Session, payload: &str) -> Result<(), Broken> {
        let params = vec![text(&self.channel), text(payload)];
        teller.confirms("SELECT pg_notify($1::text, $2::text) IS NOT NULL", params).await
    }

    async fn hears(&self, what: &str, payload: &str) -> Result<(), Broken> {
        same(what, &payload.to_owned(), &self.listener.notified(what).await?)
    }
}

/// A notification wakes whoever waits for it, though nothing else happens on its session.
pub async fn a_notification_wakes_whoever_waits(subject: &Subject) -> Result<(), Broken> {
    let Some(two) = Two::of(subject).await? else { return Ok(()) };
    for payload in ["first", "second"] {
        let heard = two.hears("the notification that was waited for", payload);
        let (heard, told) = join(heard, two.tell(payload)).await;
        told?;
        heard?;
    }
    Ok(())
}

/// One that comes while a statement is under way is told when that is done, if not before.
pub async fn a_statement_under_way_costs_no_notification(subject: &Subject) -> Result<(), Broken> {
    let Some(two) = Two::of(subject).await? else { return Ok(()) };
    let keeper = subject.session().await?;
    for payload in ["first", "second"] {
        let gate = Gate::closed_by(&keeper).await?;
        let executed = two.listener.execute(PASS, gate.params(1));
        let meanwhile = async {
            gate.has_waiter(subject, two.listener.pid()).await?;
            two.tell(payload).await?;
            gate.open().await
        };
        let heard = two.hears("the notification that came during a statement", payload);
        let (executed, meanwhile, heard) = join3(executed, meanwhile, heard).await;
        meanwhile?;
        executed?;
        heard?;
    }
    Ok(())
}

/// Those that come while nobody asks are kept for whoever asks next.
pub async fn notifications_are_kept_while_nobody_asks(subject: &Subject) -> Result<(), Broken> {
    let Some(two) = Two::of(subject).await? else { return Ok(()) };
    two.told_by(&two.listener, "told by itself").await?;
    two.tell("told by another").await?;
    // What the server has told by now comes before this answer, or with it.
    two.listener.number("SELECT $1::int8", vec![int(1)]).await?;
    two.hears("what came first while nobody asked", "told by itself").await?;
    two.hears("what came then while nobody asked", "told by another").await
}

/// Each comes once, whole, and in the order in which it was sent, and none comes that was not.
pub async fn notifications_come_in_order_and_whole(subject: &Subject) -> Result<(), Broken> {
    let Some(two) = Two::of(subject).await? else { return Ok(()) };
    let long = "0123456789".repeat(799);
    let odd = ["", " ", "a b", "it's \"quoted\" \\", "na\u{ef}ve \u{1f512}", long.as_str()];
    for payload in odd {
        two.tell(payload).await?;
    }
    let count = "SELECT count(pg_notify($1::text, 'number ' || n)) = 200 \
         FROM generate_series(1, 200) AS n";
    two.teller.confirms(count, vec![text(&two.channel)]).await?;
    two.tell("the end").await?;
    let numbers = (1..=200).map(|number| format!("number {number}"));
    let sent = odd.map(String::from).into_iter().chain(numbers).chain(["the end".into()]);
    for payload in sent {
        two.hears("one of many notifications", &payload).await?;
    }
    Ok(())
}

/// Nobody has to wait until a notification comes: one is kept for the next who asks, whenever the wait is dropped.
pub async fn a_dropped_wait_costs_no_notification(subject: &Subject) -> Result<(), Broken> {
    let Some(two) = Two::of(subject).await? else { return Ok(()) };
    for number in 0..30 {
        let payload = format!("number {number}");
        // What a session tells itself has come when it is answered.
        two.told_by(&two.listener, &payload).await?;
        let moment = Duration::from_micros(number * 200);
        match two.listener.notified_within(moment).await {
            Some(heard) => same("what a short wait heard", &payload, &heard)?,
            None => two.hears("the notification after a wait that was dropped", &payload).await?,
        }
    }
    Ok(())
}

/// A wait for a notification that does not come ends, not long before its time, and the session can be used again.
pub async fn a_wait_for_a_notification_lasts_as_long_as_it_may(
    subject: &Subject,
) -> Result<(), Broken> {
    let session = subject.session_for(SessionKind::Advisory).await?;
    let patience = Duration::from_millis(200);
    let waited = session.wait_in_vain(patience).await?;
    ensure(waited >= patience / 2, || {
        format!("wait_for_notification({patience:?}) ended in vain after {waited:?}")
    })?;
    session.is_sound().await
}
