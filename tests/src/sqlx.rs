//! Locks beside a pool of sqlx.

use ::sqlx::PgPool;
use ::sqlx::postgres::PgConnectOptions;
use pglock_driver::{Error, Locks, Options};

/// A pool of sqlx, which opens nothing before it is asked to, nor asks for what poolers refuse.
///
/// # Panics
/// When the URL is not understood.
#[must_use]
pub fn pool(url: &str) -> PgPool {
    let options: PgConnectOptions = url.parse().expect("a URL");
    PgPool::connect_lazy_with(options.extra_float_digits(None))
}

/// A handle of the adapter for sqlx, beside a pool that nobody else uses.
///
/// # Errors
/// Those of the adapter.
pub async fn beside_pool(options: Options, url: &str, prepared: bool) -> Result<Locks, Error> {
    let builder = pglock_sqlx::Locks::builder().options(options).prepared(prepared);
    let locks = builder.connect(&pool(url)).await?;
    Ok(Locks::clone(&locks))
}
