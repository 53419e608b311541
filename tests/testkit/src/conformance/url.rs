//! A connection URL, as far as the suite must change it: who connects, whereto, and to which database.

use super::broken::Broken;

/// `postgres://user:password@host:port/database?settings`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    scheme: String,
    who: Option<String>,
    host: String,
    port: u16,
    database: String,
    settings: String,
}

const PORT: u16 = 5432;

impl Url {
    pub(super) fn parse(text: &str) -> Result<Self, Broken> {
        Self::read(text).ok_or_else(|| {
            Broken::new("the URL must be like postgres://user:password@host:5432/database")
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (rest, settings) = match rest.find('?') {
            Some(start) => rest.split_at(start),
            None => (rest, ""),
        };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, address) = match authority.rsplit_once('@') {
            Some((who, address)) => (Some(who), address),
            None => (None, authority),
        };
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            Some(_) | None => (address, PORT),
        };
        (!host.is_empty()).then(|| Self {
            scheme: scheme.into(),
            who: who.map(Into::into),
            host: host.into(),
            port,
            database: database.into(),
            settings: settings.into(),
        })
    }

    /// The server's address. IPv6 comes without brackets.
    pub(super) fn address(&self) -> (String, u16) {
        (self.host.trim_matches(['[', ']']).into(), self.port)
    }

    pub(super) fn at(self, host: &str, port: u16) -> Self {
        Self { host: host.into(), port, ..self }
    }

    pub(super) fn by(self, user: &str, password: &str) -> Self {
        Self { who: Some(format!("{user}:{password}")), ..self }
    }

    pub(super) fn to_database(&self, database: &str) -> Self {
        Self { database: database.into(), ..self.clone() }
    }

    pub(super) fn text(&self) -> String {
        let Self { scheme, who, host, port, database, settings } = self;
        let who = who.as_ref().map(|who| format!("{who}@")).unwrap_or_default();
        format!("{scheme}://{who}{host}:{port}/{database}{settings}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_put_together_again() {
        for text in [
            "postgres://app:p%40ss@db.example.com:5433/app?sslmode=require",
            "postgresql://app@[::1]:5432/app",
            "postgres://localhost:1/",
        ] {
            assert_eq!(Url::parse(text).unwrap().text(), text);
        }
        let short = Url::parse("postgres://localhost?application_name=a/b").unwrap();
        assert_eq!(short.text(), "postgres://localhost:5432/?application_name=a/b");
    }

    #[test]
    fn its_parts_are_changed() {
        let url = Url::parse("postgres://app:x@[::1]:5433/app?a=b").unwrap();
        assert_eq!(url.address(), ("::1".into(), 5433));
        let changed = url.to_database("other").by("me", "y").at("127.0.0.1", 7);
        assert_eq!(changed.text(), "postgres://me:y@127.0.0.1:7/other?a=b");
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in ["host=localhost", "postgres:///app", "postgres://localhost:x/app"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
