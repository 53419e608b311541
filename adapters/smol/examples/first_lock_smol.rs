//! Holds a lock for a moment: `cargo run -p pglock-smol --example first_lock_smol -- postgres://localhost/postgres`

use pglock_smol::{Error, Locks};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "host=localhost user=postgres".into());
    smol::block_on(hold(&url))
}

async fn hold(url: &str) -> Result<(), Error> {
    let locks = Locks::connect(url).await?;

    let lock = locks.acquire("invoice-42").await?;
    println!("{} is ours for {:?}, fencing token {}", lock.name(), lock.remaining(), lock.token());
    lock.release().await?;

    let paid = locks.run("invoice-42", |hold| async move { format!("paid with {}", hold.token()) });
    println!("{}", paid.await?);
    locks.shut_down().await;
    Ok(())
}
