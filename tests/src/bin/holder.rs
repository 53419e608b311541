//! `holder ADAPTER URL LEASE_MS` holds the lock "a", says its token and, at each line of its input, whether
//! the lock is still held: for tests that stop a whole process.

use std::error::Error;
use std::io;
use std::time::Duration;

use pglock_driver::{Hold, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [adapter, url, lease] = arguments.as_slice() else { return Err("three arguments".into()) };
    let options = Options::default().lease(Duration::from_millis(lease.parse()?));
    match adapter.as_str() {
        "tokio" => over_tokio(options, url),
        "sqlx" => over_sqlx(options, url),
        "postgres" => over_postgres(options, url),
        other => Err(format!("no adapter is called {other}").into()),
    }
}

/// The loop has a thread of the runtime to itself, since this one waits for input.
fn over_tokio(options: Options, url: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let lock = runtime.block_on(async {
        let locks = pglock_tokio::Locks::builder().options(options).connect(url).await?;
        locks.acquire("a").await
    })?;
    answer(&lock)
}

fn over_sqlx(options: Options, url: &str) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let lock = runtime.block_on(async {
        let pool = sqlx::PgPool::connect_lazy(url)?;
        let locks = pglock_sqlx::Locks::builder().options(options).connect(&pool).await?;
        Ok::<_, Box<dyn Error>>(locks.acquire("a").await?)
    })?;
    answer(&lock)
}

fn over_postgres(options: Options, url: &str) -> Result<(), Box<dyn Error>> {
    let locks = pglock_postgres::Locks::builder().options(options).connect(url)?;
    answer(&*locks.acquire("a")?)
}

fn answer(hold: &Hold) -> Result<(), Box<dyn Error>> {
    println!("{}", hold.token());
    for line in io::stdin().lines() {
        let held = hold.ensure_held();
        line?;
        match held {
            Ok(()) => println!("held"),
            Err(error) => println!("{error:?}"),
        }
    }
    Ok(())
}
