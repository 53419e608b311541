//! Keeps the lock table: creates, checks, drops it, or prints how it is made.

use std::io::{IsTerminal, Write};

use pglock_tokio::{Error, Locks, Options, Table, TableReport};

use crate::args::{Server, TableAction, TableArgs};
use crate::connect::Place;
use crate::exit::{Failure, NO};
use crate::say;

pub(crate) async fn table(args: &TableArgs, server: &Server) -> Result<u8, Failure> {
    match args.action {
        TableAction::Sql => sql(&server.table).map(|()| 0),
        TableAction::Check => check(&Place::find(server)?).await,
        TableAction::Create => create(&Place::find(server)?).await,
        TableAction::Drop { yes } => drop(&Place::find(server)?, yes).await,
    }
}

fn sql(table: &Table) -> Result<(), Failure> {
    for statement in table.ddl() {
        say::answer(&format!("{statement};"))?;
    }
    Ok(())
}

async fn check(place: &Place) -> Result<u8, Failure> {
    let report = report(place).await?;
    if report.problems.is_empty() {
        say::answer(&format!("{} is fit for use", place.table()))?;
        return Ok(0);
    }
    print(&report)?;
    Ok(NO)
}

async fn create(place: &Place) -> Result<u8, Failure> {
    let before = report(place).await?;
    if before.problems.is_empty() {
        say::answer(&format!("{} is there and fit for use", place.table()))?;
        return Ok(0);
    }
    match place.locks_with(Options::default()).await {
        Ok(_) => {
            say::answer(&format!("{} is created and fit for use", place.table()))?;
            Ok(0)
        }
        Err(Error::Table(left)) => {
            print(&left)?;
            let table = place.table();
            Err(Failure::Refused(format!("{table} cannot be mended without its owner; see above")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Fit for use or not, it is left as it is until somebody has said yes.
async fn drop(place: &Place, yes: bool) -> Result<u8, Failure> {
    let locks = place.locks_with(Options::default().check_table(false)).await?;
    let report = locks.check_table().await?;
    if !report.exists {
        return Err(Failure::No(format!("there is no table {}", place.table())));
    }
    if !yes {
        confirm(&format!("drop {} with {}?", place.table(), contents(&locks, &report).await?))?;
    }
    locks.drop_table().await?;
    say::answer(&format!("{} is dropped", place.table()))?;
    Ok(0)
}

async fn contents(locks: &Locks, report: &TableReport) -> Result<String, Failure> {
    if !report.problems.is_empty() {
        return Ok("all that is in it, which may be no locks".into());
    }
    let entries = locks.list("").await?;
    let held = entries.iter().filter(|entry| entry.is_held()).count();
    Ok(format!("{} locks, {held} of them held", entries.len()))
}

/// What is wrong with the table.
async fn report(place: &Place) -> Result<TableReport, Failure> {
    match place.locks().await {
        Ok(_) => Ok(TableReport::default()),
        Err(Error::Table(report)) => Ok(report),
        Err(error) => Err(error.into()),
    }
}

fn print(report: &TableReport) -> Result<(), Failure> {
    for problem in &report.problems {
        say::answer(&format!("-- {}\n{};", problem.what, problem.mend))?;
    }
    Ok(())
}

fn confirm(question: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage("nobody is there to ask; say --yes".into()));
    }
    let mut answer = String::new();
    write!(std::io::stderr(), "{question} [y/N] ")?;
    std::io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::No("nothing was dropped".into())),
    }
}
