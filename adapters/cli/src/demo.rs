//! Three workers, one lock: it is handed over, its holder is killed, it is taken over. Tells what happens as
//! it happens and measures both against what is promised.

mod bound;
mod crew;
mod server;
mod teller;
pub(crate) mod worker;

use std::time::Duration;

use pglock_core::Table;
use pglock_tokio::{Locks, Options};
use tokio::signal::unix::{SignalKind, signal};

use self::bound::{Bounds, round_trip};
use self::crew::{Crew, Grant};
use self::server::Venue;
use self::teller::Teller;
use crate::args::Server;
use crate::connect::Place;
use crate::exit::Failure;
use crate::{say, words};

/// Short, so that nobody has to wait long for a dead holder's lock.
const LEASE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(500);
/// How long a worker works before something happens.
const WORK: Duration = Duration::from_millis(1500);
/// No act takes so long on a machine that does anything at all.
const PATIENCE: Duration = Duration::from_secs(60);

const LOCK: &str = "the-lock";
const WORKERS: [&str; 3] = ["Ada", "Ben", "Cleo"];

pub(crate) async fn demo(server: &Server) -> Result<u8, Failure> {
    let venue = Venue::find(server).await?;
    let table = format!("pglock_demo_{}", std::process::id());
    let server = Server {
        database_url: venue.url().or_else(|| server.database_url.clone()),
        table: table.parse().unwrap_or_else(|_| Table::default()),
    };
    let place = Place::find(&server)?;
    let locks = place.locks_with(Options::default()).await?;
    let told = tokio::select! {
        told = story(&server, &locks) => told,
        () = interrupted() => Err(Failure::Interrupted(2)),
    };
    let dropped = tokio::time::timeout(Duration::from_secs(5), locks.drop_table()).await;
    if !matches!(dropped, Ok(Ok(()))) {
        say::line(&format!("could not drop the table {table}"));
    }
    told
}

async fn story(server: &Server, locks: &Locks) -> Result<u8, Failure> {
    let bounds = Bounds::of(LEASE, POLL, round_trip(locks).await?);
    let mut crew = Crew::hire(server, &WORKERS)?;
    let teller = Teller::start();
    teller.tell(&format!(
        "Three workers, each a process of its own, want one lock. Its lease is {}.",
        words::span(LEASE)
    ));
    let first = assembled(&mut crew, &teller).await?;
    let (second, handed_over) = hand_over(&mut crew, &teller, &first).await?;
    crew.compete(first.worker)?;
    let (third, taken_over) = take_over(&mut crew, &teller, &second).await?;
    let (last, _) = hand_over(&mut crew, &teller, &third).await?;
    crew.release(last.worker)?;
    crew.releasing(last.worker).await?;
    teller.tell(&format!(
        "{} releases the lock; nobody wants it any more.",
        teller.name(last.worker)
    ));
    teller.sum_up(&[&first, &second, &third, &last], &bounds, handed_over, taken_over);
    Ok(0)
}

/// All want the lock, one gets it, the others wait.
async fn assembled(crew: &mut Crew, teller: &Teller) -> Result<Grant, Failure> {
    for worker in 0..WORKERS.len() {
        crew.compete(worker)?;
    }
    let first = crew.grant().await?;
    teller.tell(&format!(
        "{} has the lock, fencing token {}.",
        teller.name(first.worker),
        first.token
    ));
    for _ in 1..WORKERS.len() {
        let worker = crew.waiter().await?;
        teller.tell(&format!("{} waits.", teller.name(worker)));
    }
    tokio::time::sleep(WORK).await;
    Ok(first)
}

/// The holder releases; measured from then until another has the lock.
async fn hand_over(
    crew: &mut Crew,
    teller: &Teller,
    holder: &Grant,
) -> Result<(Grant, Duration), Failure> {
    crew.release(holder.worker)?;
    let since = crew.releasing(holder.worker).await?;
    teller
        .tell(&format!("{} has done its work and releases the lock.", teller.name(holder.worker)));
    let next = crew.grant().await?;
    let span = next.after(since);
    teller.tell(&format!(
        "{} has the lock, fencing token {}: handed over in {}.",
        teller.name(next.worker),
        next.token,
        words::seconds(span)
    ));
    tokio::time::sleep(WORK).await;
    Ok((next, span))
}

/// The holder is killed; measured from then until another has the lock.
async fn take_over(
    crew: &mut Crew,
    teller: &Teller,
    holder: &Grant,
) -> Result<(Grant, Duration), Failure> {
    let since = crew.kill(holder.worker)?;
    teller.tell(&format!(
        "{} is killed with SIGKILL in the middle of its work. The lock stays held: nobody can know yet.",
        teller.name(holder.worker)
    ));
    let next = crew.grant().await?;
    let span = next.after(since);
    teller.tell(&format!(
        "{} has the lock, fencing token {}: taken over in {}.",
        teller.name(next.worker),
        next.token,
        words::seconds(span)
    ));
    tokio::time::sleep(WORK).await;
    Ok((next, span))
}

async fn interrupted() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let (told, mut heard) = tokio::sync::mpsc::channel::<()>(1);
    for kind in kinds {
        let told = told.clone();
        let Ok(mut stream) = signal(kind) else { continue };
        tokio::spawn(async move {
            stream.recv().await;
            let _told_already = told.try_send(()).is_err();
        });
    }
    heard.recv().await;
}
