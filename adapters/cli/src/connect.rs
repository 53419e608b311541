//! Which server, and how to get there: the command line first, then the environment, then libpq's own
//! defaults. Opens connections; knows no lock.

mod libpq;
mod passfile;
mod string;
mod tls;

use std::fmt;

use pglock_tokio::{Builder, ConnectError, Error, Locks, Options, Table};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::args::Server;
use crate::exit::Failure;

use self::string::ConnectionString;

pub(crate) use self::libpq::user_name;

/// A server and its table, ready to be connected to.
#[derive(Clone)]
pub(crate) struct Place {
    config: Config,
    tls: MakeRustlsConnect,
    table: Table,
    /// Whether a server was named, rather than left to the defaults.
    named: bool,
}

impl Place {
    /// Where the command line and the environment say.
    pub(crate) fn find(server: &Server) -> Result<Self, Failure> {
        Self::of(server, &|name| std::env::var(name).ok())
    }

    fn of(server: &Server, env: libpq::Env<'_>) -> Result<Self, Failure> {
        let url = named_url(server, env);
        let named = url.is_some() || libpq::names_a_host(env);
        let mut string = ConnectionString::parse(&url.unwrap_or_default())?;
        let wishes = tls::Wishes::take(&mut string, env)?;
        let mut config = libpq::config(string, env)?;
        config.ssl_mode(if is_local(&config) { SslMode::Disable } else { wishes.mode() });
        Ok(Self { config, tls: wishes.connector()?, table: server.table.clone(), named })
    }

    /// Opens the locks; a table that is not fit for use is an error.
    pub(crate) async fn locks(&self) -> Result<Locks, Error> {
        self.locks_with(Options::default().create_table(false)).await
    }

    /// Opens the locks with other settings than usual.
    pub(crate) async fn locks_with(&self, options: Options) -> Result<Locks, Error> {
        let options = options.table(&self.table.to_sql());
        let builder: Builder = Locks::builder();
        let builder = builder.options(options).tls(self.tls.clone());
        let opened = builder.connect_config(self.config.clone()).await;
        match opened {
            Err(Error::Connect(error)) => Err(Error::Connect(self.located(error))),
            opened => opened,
        }
    }

    pub(crate) const fn table(&self) -> &Table {
        &self.table
    }

    pub(crate) const fn is_named(&self) -> bool {
        self.named
    }

    fn located(&self, mut error: ConnectError) -> ConnectError {
        let advice = if self.named { "" } else { "; name another with --database-url" };
        error.message = format!("{}: {}{advice}", self, error.message);
        error
    }
}

/// Without secrets.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        for (i, host) in self.config.get_hosts().iter().enumerate() {
            let port = ports.get(i).or(ports.first()).copied().unwrap_or(5432);
            let comma = if i == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}:{port}")?,
                Host::Unix(folder) => write!(f, "{comma}{}:{port}", folder.display())?,
            }
        }
        Ok(())
    }
}

/// Whether all that is connected to are Unix sockets, which need no encryption.
fn is_local(config: &Config) -> bool {
    let mut hosts = config.get_hosts().iter();
    config.get_hostaddrs().is_empty()
        && hosts.len() > 0
        && hosts.all(|host| matches!(host, Host::Unix(_)))
}

fn named_url(server: &Server, env: libpq::Env<'_>) -> Option<String> {
    let given = server.database_url.clone();
    given
        .or_else(|| libpq::set(env, "PGLOCK_DATABASE_URL"))
        .or_else(|| libpq::set(env, "DATABASE_URL"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place(url: Option<&str>, env: &[(&str, &str)]) -> Result<Config, Failure> {
        let server = Server { database_url: url.map(Into::into), table: Table::default() };
        let env = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).into());
        Place::of(&server, &env).map(|place| place.config)
    }

    fn hosts(config: &Config) -> Vec<String> {
        let host = |host: &Host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        };
        config.get_hosts().iter().map(host).collect()
    }

    #[test]
    fn the_command_line_goes_first_then_ours_then_everybodys() {
        let env = &[("DATABASE_URL", "postgres://c"), ("PGLOCK_DATABASE_URL", "postgres://b")];
        assert_eq!(hosts(&place(Some("host=a"), env).unwrap()), ["a"]);
        assert_eq!(hosts(&place(None, env).unwrap()), ["b"]);
        assert_eq!(hosts(&place(None, &env[..1]).unwrap()), ["c"]);
    }

    #[test]
    fn the_variables_of_libpq_fill_what_is_open() {
        let env = &[
            ("PGHOST", "one,/tmp"),
            ("PGPORT", "5433,5434"),
            ("PGUSER", "app"),
            ("PGPASSWORD", "secret"),
            ("PGDATABASE", "shop"),
            ("PGAPPNAME", "mine"),
            ("PGSSLMODE", "require"),
        ];
        let config = place(None, env).unwrap();
        assert_eq!(hosts(&config), ["one", "/tmp"]);
        assert_eq!(config.get_ports(), [5433, 5434]);
        assert_eq!(config.get_user(), Some("app"));
        assert_eq!(config.get_password(), Some(&b"secret"[..]));
        assert_eq!(config.get_dbname(), Some("shop"));
        assert_eq!(config.get_application_name(), Some("mine"));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        let config =
            place(Some("postgres://u@h:1/d?sslmode=disable&application_name=x"), env).unwrap();
        assert_eq!(hosts(&config), ["h"]);
        assert_eq!(config.get_ports(), [1]);
        assert_eq!((config.get_user(), config.get_dbname()), (Some("u"), Some("d")));
        assert_eq!(config.get_application_name(), Some("x"));
        assert_eq!(config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn without_anything_it_is_the_local_server() {
        let config = place(None, &[]).unwrap();
        assert_eq!(config.get_hosts().len(), 1);
        assert_eq!(config.get_application_name(), Some("pglock"));
        assert!(config.get_user().is_some());
    }

    #[test]
    fn no_limit_on_connecting_is_none() {
        let limit = |url: Option<&str>, env: &[(&str, &str)]| {
            place(url, env).unwrap().get_connect_timeout().copied()
        };
        let seconds = |n| Some(Duration::from_secs(n));
        let never = Some(Duration::MAX);
        for (text, limited) in [("0", never), ("-1", never), ("1", seconds(2)), ("7", seconds(7))] {
            let env = [("PGCONNECT_TIMEOUT", text)];
            assert_eq!(limit(None, &env), limited, "{text}");
            assert_eq!(limit(Some(&format!("connect_timeout={text}")), &[]), limited, "{text}");
            assert_eq!(limit(Some("connect_timeout=9"), &env), seconds(9));
        }
        assert_eq!(limit(Some("host=10.0.0.1"), &[]), seconds(5));
        assert!(place(None, &[("PGCONNECT_TIMEOUT", "soon")]).is_err());
    }

    #[test]
    fn encryption_is_as_wished_however_it_is_written() {
        let root = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&root, pglock_tests::Certificate::of("h").pem()).unwrap();
        let file = root.path().display().to_string();
        let mode = |url: &str| place(Some(url), &[]).expect(url).get_ssl_mode();
        for url in [
            "host=h sslmode = require",
            "host=h password='x sslmode=disable y' sslmode=require",
            "host=h sslmode=disable sslmode=require",
            "postgres://h/d?sslmode=disable&sslmode=%72equire",
            "hostaddr=127.0.0.1 sslmode=require",
            "host=/tmp hostaddr=127.0.0.1 sslmode=require",
            &format!("hostaddr=127.0.0.1 sslmode=verify-full sslrootcert='{file}'"),
            &format!("postgres://h/d?sslmode=verify-full&sslrootcert={}", file.replace('/', "%2F")),
        ] {
            assert_eq!(mode(url), SslMode::Require, "{url}");
        }
        assert_eq!(mode("host=h"), SslMode::Prefer);
        assert_eq!(mode("host=/tmp sslmode=require"), SslMode::Disable);
        assert!(matches!(
            place(Some("host=h sslrootcert=system sslmode=require"), &[]),
            Err(Failure::Usage(_))
        ));
    }

    #[test]
    fn an_address_alone_is_its_own_name() {
        let config = place(Some("hostaddr=127.0.0.1"), &[]).unwrap();
        assert_eq!(hosts(&config), ["127.0.0.1"]);
        assert_eq!(config.get_hostaddrs().len(), 1);
        let config = place(Some("host='' hostaddr=127.0.0.1 password="), &[]).unwrap();
        assert_eq!(hosts(&config), ["127.0.0.1"]);
        assert_eq!(config.get_password(), None);
    }

    #[test]
    fn what_is_wrong_is_a_usage_error() {
        let refused = |url, env| matches!(place(url, env), Err(Failure::Usage(_)));
        assert!(refused(Some("hots=x"), &[]));
        assert!(refused(None, &[("PGPORT", "many")]));
        assert!(refused(None, &[("PGSSLMODE", "maybe")]));
        assert!(refused(Some("host=h sslmode=verify-full sslrootcert=/no/such/file"), &[]));
    }
}
