//! Waits for the lock, and meanwhile says for whom and for how long.

use std::time::Duration;

use pglock_tokio::{AdvisoryLock, AdvisoryRequest, Holder, Lock, Request};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::exit::Failure;
use crate::{say, words};

/// How often the status line is written.
const TICK: Duration = Duration::from_secs(1);

/// Acquires the lock. If told, says who is waited for: on a terminal in one line that counts on, else once
/// for each holder.
pub(super) async fn acquire(request: Request, name: &str, tell: bool) -> Result<Lock, Failure> {
    if !tell {
        return Ok(request.acquire().await?);
    }
    let (seen, holder) = watch::channel(None);
    let request = request.on_waiting(move |holder: &Holder| {
        drop(seen.send_replace(Some((holder.clone(), Instant::now()))));
    });
    let name = words::printable(name);
    if say::is_watched() {
        count(request, &name, holder).await
    } else {
        announce(request, &name, holder).await
    }
}

/// Acquires an advisory lock, of which nobody tells who holds it. If told, says that it is waited for, unless that
/// does not take long.
pub(super) async fn acquire_advisory(
    request: AdvisoryRequest,
    name: &str,
    tell: bool,
) -> Result<AdvisoryLock, Failure> {
    let mut acquiring = std::pin::pin!(request.acquire());
    if !tell {
        return Ok(acquiring.await?);
    }
    let name = words::printable(name);
    let since = Instant::now();
    let mut status = say::Status::default();
    let mut told = false;
    loop {
        if let Ok(acquired) = timeout(TICK, &mut acquiring).await {
            return Ok(acquired?);
        }
        if say::is_watched() {
            let span = words::span(Duration::from_secs(since.elapsed().as_secs()));
            status.show(&format!("waiting for {name} for {span}"));
        } else if !std::mem::replace(&mut told, true) {
            say::line(&format!("waiting for {name}"));
        }
    }
}

/// Who is waited for, and since when.
type Seen = watch::Receiver<Option<(Holder, Instant)>>;

async fn announce(request: Request, name: &str, mut holder: Seen) -> Result<Lock, Failure> {
    let mut acquiring = std::pin::pin!(request.acquire());
    loop {
        tokio::select! {
            biased;
            Ok(()) = holder.changed() => {
                if let Some((holder, _)) = &*holder.borrow_and_update() {
                    say::line(&format!("waiting for {name}: held by {}", words::holder(holder)));
                }
            }
            acquired = &mut acquiring => return Ok(acquired?),
        }
    }
}

async fn count(request: Request, name: &str, holder: Seen) -> Result<Lock, Failure> {
    let mut acquiring = std::pin::pin!(request.acquire());
    let mut tick = tokio::time::interval(TICK);
    let mut status = say::Status::default();
    loop {
        tokio::select! {
            acquired = &mut acquiring => return Ok(acquired?),
            _ = tick.tick() => {
                if let Some((holder, since)) = &*holder.borrow() {
                    status.show(&format!(
                        "waiting for {name}: held by {}, watched for {}",
                        words::holder(holder),
                        words::span(Duration::from_secs(since.elapsed().as_secs()))
                    ));
                }
            }
        }
    }
}
