//! `pglock`: run a command under a lock, look at locks, keep their table. Only takes the command line apart
//! and gives its exit code; each subcommand has a module of its own.
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod args;
mod columns;
mod connect;
mod demo;
mod exit;
mod help;
mod holders;
mod list;
mod release;
mod run;
mod say;
mod simulate;
mod table;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Subcommand};
use crate::exit::Failure;

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => report(perform(args)),
        Err(error) => {
            let _unheard = error.print().is_err();
            if error.use_stderr() { ExitCode::from(exit::USAGE) } else { ExitCode::SUCCESS }
        }
    }
}

fn perform(args: Args) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        match args.subcommand {
            Subcommand::Run(run) => run::run(run, &args.server).await,
            Subcommand::List(list) => list::list(&list, &args.server).await,
            Subcommand::Show(show) => list::show(&show, &args.server).await,
            Subcommand::Holders(holders) => holders::holders(&holders, &args.server).await,
            Subcommand::Release(release) => release::release(&release, &args.server).await,
            Subcommand::Table(table) => table::table(&table, &args.server).await,
            Subcommand::Demo => demo::demo(&args.server).await,
            Subcommand::Simulate(args) => simulate::simulate(&args),
            Subcommand::Guard(guard) => run::guard::stand(&guard).await,
            Subcommand::Worker(worker) => demo::worker::work(worker, &args.server).await,
        }
    });
    // Names may still be being resolved on a thread that nobody waits for.
    runtime.shutdown_background();
    code
}

fn report(result: Result<u8, Failure>) -> ExitCode {
    let code = result.unwrap_or_else(|failure| {
        if let Some(words) = failure.words() {
            say::line(&words);
        }
        failure.code()
    });
    ExitCode::from(code)
}
