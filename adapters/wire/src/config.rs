//! Where to connect to, and what a connection should have that the connection string says nothing about.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use pglock_driver::{Error, Options};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Reads a libpq-style connection string. What it leaves unset is set so that a network that has gone
/// silent is noticed within a lease, and that each host has its [turn](take_turns).
///
/// # Errors
/// [`Error::Url`] when the string is not understood.
pub fn config(url: &str, options: &Options) -> Result<Config, Error> {
    let mut config = settings(url)?;
    take_turns(&mut config, options);
    Ok(config)
}

/// Unless a limit is set, gives each address that is tried a share of [`Options::connect_deadline`], so that the last of
/// them still has its turn. A name may have two addresses, of which one leads nowhere.
pub fn take_turns(config: &mut Config, options: &Options) {
    let Some(deadline) = options.configured().map(|config| config.connect_deadline) else { return };
    if config.get_connect_timeout().is_some() {
        return;
    }
    let tries = |host: &Host| match host {
        Host::Tcp(name) if name.parse::<IpAddr>().is_err() => 2,
        Host::Tcp(_) => 1,
        #[cfg(unix)]
        Host::Unix(_) => 1,
    };
    let addresses = match config.get_hostaddrs() {
        [] => config.get_hosts().iter().map(tries).sum(),
        addresses => addresses.len(),
    };
    let turns = u32::try_from(addresses.saturating_add(1)).unwrap_or(u32::MAX);
    config.connect_timeout(deadline / turns);
}

/// As [`config`], but without a limit to connecting.
///
/// # Errors
/// [`Error::Url`] when the string is not understood.
pub fn settings(url: &str) -> Result<Config, Error> {
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
    if config.get_application_name().is_none() {
        config.application_name("pglock");
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Result<Config, Error> {
        super::config(url, &Options::default().connect_deadline(Duration::from_secs(12)))
    }

    #[test]
    fn every_address_has_its_turn() {
        for (hosts, seconds) in [
            ("host=/run/postgresql", 6),
            ("host=10.0.0.1", 6),
            ("host=10.0.0.1,::1", 4),
            ("host=a", 4),
            ("host=a,10.0.0.1", 3),
            ("host=a,b hostaddr=10.0.0.1,10.0.0.2", 4),
            ("host=a,b connect_timeout=9", 9),
        ] {
            let limit = Duration::from_secs(seconds);
            assert_eq!(config(hosts).unwrap().get_connect_timeout(), Some(&limit), "{hosts}");
        }
    }

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
