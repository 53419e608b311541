//! Holds a lock for a moment: `cargo run -p pglock-sqlx --example first_lock_sqlx -- postgres://localhost/postgres`

use pglock_sqlx::Locks;
use sqlx::PgPool;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "postgres://postgres@localhost".into());
    let pool = PgPool::connect(&url).await?;
    let locks = Locks::connect(&pool).await?;

    let lock = locks.acquire("invoice-42").await?;
    println!("{} is ours for {:?}, fencing token {}", lock.name(), lock.remaining(), lock.token());
    lock.release().await?;

    let paid = locks.run("invoice-42", |hold| async move { format!("paid with {}", hold.token()) });
    println!("{}", paid.await?);
    locks.shut_down().await;
    Ok(())
}
