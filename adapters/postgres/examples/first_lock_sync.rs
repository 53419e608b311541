//! Holds a lock for a moment: `cargo run -p pglock-postgres --example first_lock_sync -- postgres://localhost/postgres`

use pglock_postgres::{Error, Locks};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "host=localhost user=postgres".into());
    let locks = Locks::connect(&url)?;

    let lock = locks.acquire("invoice-42")?;
    println!("{} is ours for {:?}, fencing token {}", lock.name(), lock.remaining(), lock.token());
    lock.release()?;

    let paid = locks.run("invoice-42", |lock| format!("paid with {}", lock.token()))?;
    println!("{paid}");
    locks.shut_down();
    Ok(())
}
