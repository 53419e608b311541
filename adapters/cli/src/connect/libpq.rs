//! What libpq's variables and defaults add to a connection string.

use std::path::Path;
use std::time::Duration;

use nix::unistd::{User, geteuid};
use pglock_tokio::Options;
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use super::passfile;
use super::string::ConnectionString;
use crate::exit::Failure;

/// Looks a variable up.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where servers put their Unix sockets.
const SOCKETS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// A variable that is set to something.
pub(super) fn set(env: Env<'_>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

pub(super) fn names_a_host(env: Env<'_>) -> bool {
    ["PGHOST", "PGHOSTADDR"].iter().any(|name| set(env, name).is_some())
}

/// The settings of a connection string, which may be empty, filled up.
pub(super) fn config(mut string: ConnectionString, env: Env<'_>) -> Result<Config, Failure> {
    let timeout = connect_timeout(&mut string, env)?;
    let url = string.to_string();
    // With the driver's settings for keepalives and the like, and, to see what is open, without.
    let mut config = pglock_wire::settings(&url)?;
    let given: Config = url.parse().unwrap_or_default();
    fill_hosts(&mut config, env)?;
    fill_identity(&mut config, env);
    if let (None, Some(name)) = (given.get_application_name(), set(env, "PGAPPNAME")) {
        config.application_name(name);
    }
    if let (None, Some(options)) = (given.get_options(), set(env, "PGOPTIONS")) {
        config.options(options);
    }
    if let Some(timeout) = timeout {
        config.connect_timeout(timeout);
    }
    pglock_wire::take_turns(&mut config, &Options::default());
    if let Some(wish) = set(env, "PGTARGETSESSIONATTRS")
        && given.get_target_session_attrs() == TargetSessionAttrs::Any
    {
        config.target_session_attrs(attributes(&wish)?);
    }
    if config.get_password().is_none() {
        passfile::fill(&mut config, env);
    }
    Ok(config)
}

/// As PostgreSQL's manual says: zero and less mean no limit, and one second is too short. The driver reads
/// zero as its own default, so no limit is written as a limit that never comes.
fn connect_timeout(
    string: &mut ConnectionString,
    env: Env<'_>,
) -> Result<Option<Duration>, Failure> {
    let given = string.take("connect_timeout").filter(|seconds| !seconds.is_empty());
    let Some(seconds) = given.or_else(|| set(env, "PGCONNECT_TIMEOUT")) else { return Ok(None) };
    Ok(Some(match number::<i32>(&seconds, "connect_timeout")? {
        ..=0 => Duration::MAX,
        seconds => Duration::from_secs(seconds.unsigned_abs().max(2).into()),
    }))
}

fn fill_hosts(config: &mut Config, env: Env<'_>) -> Result<(), Failure> {
    if config.get_ports().is_empty() {
        for port in set(env, "PGPORT").iter().flat_map(|ports| ports.split(',')) {
            config.port(number(port, "PGPORT")?);
        }
    }
    if !config.get_hosts().is_empty() {
        return Ok(());
    }
    if !config.get_hostaddrs().is_empty() {
        name_by_address(config);
        return Ok(());
    }
    let addresses = set(env, "PGHOSTADDR");
    for address in addresses.iter().flat_map(|addresses| addresses.split(',')) {
        config.hostaddr(number(address, "PGHOSTADDR")?);
    }
    match set(env, "PGHOST").or(addresses) {
        Some(hosts) => {
            for host in hosts.split(',') {
                config.host(host);
            }
        }
        None => {
            let port = config.get_ports().first().copied().unwrap_or(5432);
            config.host(local(port));
        }
    }
    Ok(())
}

/// TLS wants to know whom it talks to, so an address alone is its own name.
fn name_by_address(config: &mut Config) {
    for address in config.get_hostaddrs().to_vec() {
        config.host(address.to_string());
    }
}

/// The folder in which a server listens on this port, if there is one.
fn local(port: u16) -> &'static str {
    let listens = |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    SOCKETS.into_iter().find(listens).unwrap_or("localhost")
}

fn fill_identity(config: &mut Config, env: Env<'_>) {
    if config.get_user().is_none()
        && let Some(user) = set(env, "PGUSER").or_else(user_name)
    {
        config.user(user);
    }
    if let (None, Some(database)) = (config.get_dbname(), set(env, "PGDATABASE")) {
        config.dbname(database);
    }
    if let (None, Some(password)) = (config.get_password(), set(env, "PGPASSWORD")) {
        config.password(password);
    }
}

/// The name of the account that this process runs under.
pub(crate) fn user_name() -> Option<String> {
    User::from_uid(geteuid()).ok().flatten().map(|user| user.name)
}

fn number<T: std::str::FromStr>(text: &str, variable: &str) -> Result<T, Failure> {
    text.trim().parse().map_err(|_| Failure::Usage(format!("{variable} cannot be {text:?}")))
}

fn attributes(wish: &str) -> Result<TargetSessionAttrs, Failure> {
    match wish {
        "any" | "prefer-standby" => Ok(TargetSessionAttrs::Any),
        "read-write" | "primary" => Ok(TargetSessionAttrs::ReadWrite),
        "read-only" | "standby" => Ok(TargetSessionAttrs::ReadOnly),
        other => Err(Failure::Usage(format!("PGTARGETSESSIONATTRS cannot be {other:?}"))),
    }
}
