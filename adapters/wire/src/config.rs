//! Where to connect to, and what a connection should have that the connection string says nothing about.

use std::error::Error as _;
use std::time::Duration;

use pglock_driver::Error;
use tokio_postgres::Config;

/// Reads a libpq-style connection string. What it leaves unset is set so that a network that has gone
/// silent is noticed within a lease.
///
/// # Errors
/// [`Error::Url`] when the string is not understood.
pub fn config(url: &str) -> Result<Config, Error> {
    let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
        let cause = error.source().map(|cause| format!(": {cause}"));
        Error::Url(format!("{error}{}", cause.unwrap_or_default()))
    })?;
    if config.get_keepalives_idle() == Config::new().get_keepalives_idle() {
        config.keepalives_idle(Duration::from_secs(10));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(5));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(3);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(15));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    if config.get_application_name().is_none() {
        config.application_name("pglock");
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_stays() {
        let config = config("host=h application_name=mine connect_timeout=3").unwrap();
        assert_eq!(config.get_application_name(), Some("mine"));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(10));
    }

    #[test]
    fn urls_are_understood_too() {
        let config = config("postgres://app@h:5433/db?keepalives_idle=60").unwrap();
        assert_eq!(config.get_dbname(), Some("db"));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(60));
        assert_eq!(config.get_application_name(), Some("pglock"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let Err(Error::Url(what)) = config("hots=db") else { panic!("`hots` was understood") };
        assert!(what.contains("hots"), "{what}");
    }
}
