//! Connection strings, read as libpq reads them: `key = 'value'` pairs or a URL. Takes options out that the driver
//! does not know or understands otherwise; judges none.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::exit::Failure;

/// A connection string taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConnectionString {
    /// A URL up to its query.
    url: Option<String>,
    /// Each key once: the last one counts.
    options: Vec<(String, String)>,
}

impl ConnectionString {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        let read = if is_url { url(text) } else { Pairs(text.trim_start_matches(is_space)).read() };
        read.map_err(|what| {
            Failure::Usage(format!("the connection string is not understood: {what}"))
        })
    }

    /// What is left goes without this option.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let at = self.options.iter().position(|(found, _)| found == key)?;
        Some(self.options.remove(at).1)
    }

    fn put(&mut self, key: String, value: String) {
        let _overruled = self.take(&key);
        self.options.push((key, value));
    }
}

/// As the driver reads it. What is empty is left open.
impl fmt::Display for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |value: &str| value.replace('\\', r"\\").replace('\'', r"\'");
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let given = self.options.iter().filter(|(_, value)| !value.is_empty());
        f.write_str(self.url.as_deref().unwrap_or_default())?;
        for (i, (key, value)) in given.enumerate() {
            match (&self.url, i) {
                (None, _) => write!(f, "{key}='{}' ", escaped(value))?,
                (Some(_), 0) => write!(f, "?{}={}", encoded(key), encoded(value))?,
                (Some(_), _) => write!(f, "&{}={}", encoded(key), encoded(value))?,
            }
        }
        Ok(())
    }
}

type Read<T> = Result<T, &'static str>;

/// Not as web forms are read: `+` is no space, and hosts may be several.
fn url(text: &str) -> Read<ConnectionString> {
    let (before, query) = text.split_at(query_start(text));
    let mut read = ConnectionString { url: Some(before.into()), options: Vec::new() };
    for pair in query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("a `=` is missing")?;
        match (decoded(key)?, decoded(value)?) {
            // As with JDBC.
            (key, value) if key == "ssl" && value == "true" => {
                read.put("sslmode".into(), "require".into());
            }
            (key, value) => read.put(key, value),
        }
    }
    Ok(read)
}

/// A password may have a question mark.
fn query_start(url: &str) -> usize {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let after = |from: usize, ends: &[char]| {
        let rest = url.get(from..).unwrap_or_default();
        rest.find(ends).map_or(url.len(), |at| from + at)
    };
    let end = after(authority, &['@', '/']);
    let credentials = url.get(end..).is_some_and(|rest| rest.starts_with('@'));
    after(if credentials { end } else { authority }, &['?'])
}

fn decoded(text: &str) -> Read<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| "it is not UTF-8")
}

/// What is left to read of `key=value` pairs, without leading space.
struct Pairs<'a>(&'a str);

impl Pairs<'_> {
    fn read(mut self) -> Read<ConnectionString> {
        let mut read = ConnectionString { url: None, options: Vec::new() };
        while !self.0.is_empty() {
            let key = self.key()?;
            let value = if self.skip('\'') { self.quoted()? } else { self.plain() };
            read.put(key, value);
            self.skip_space();
        }
        Ok(read)
    }

    /// With the equals sign and the space around it.
    fn key(&mut self) -> Read<String> {
        let end = self.0.find(|c| c == '=' || is_space(c)).unwrap_or(self.0.len());
        let (key, rest) = self.0.split_at(end);
        self.0 = rest;
        self.skip_space();
        if !self.skip('=') {
            return Err("a `=` is missing");
        }
        self.skip_space();
        Ok(key.into())
    }

    /// Up to the next space.
    fn plain(&mut self) -> String {
        let mut value = String::new();
        while let Some(c) = self.next_if(|c| !is_space(c)) {
            value.extend(self.unescaped(c));
        }
        value
    }

    /// Up to the closing quote.
    fn quoted(&mut self) -> Read<String> {
        let mut value = String::new();
        while let Some(c) = self.next_if(|c| c != '\'') {
            value.extend(self.unescaped(c));
        }
        if self.skip('\'') { Ok(value) } else { Err("a quote is not closed") }
    }

    /// A backslash stands for the character after it.
    fn unescaped(&mut self, c: char) -> Option<char> {
        if c == '\\' { self.next_if(|_| true) } else { Some(c) }
    }

    fn next_if(&mut self, fits: impl Fn(char) -> bool) -> Option<char> {
        let mut characters = self.0.chars();
        let next = characters.next().filter(|&c| fits(c))?;
        self.0 = characters.as_str();
        Some(next)
    }

    fn skip(&mut self, c: char) -> bool {
        self.next_if(|next| next == c).is_some()
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches(is_space);
    }
}

/// As in C.
const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        ConnectionString::parse(text).unwrap().options
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.into(), value.into())
    }

    #[test]
    fn pairs_are_read_as_libpq_reads_them() {
        assert_eq!(options(""), []);
        assert_eq!(options(" a =\n b "), [pair("a", "b")]);
        assert_eq!(options("a='x b=c y'd=e"), [pair("a", "x b=c y"), pair("d", "e")]);
        assert_eq!(options(r"a='it\'s \\' b=\ \'c\"), [pair("a", r"it's \"), pair("b", " 'c")]);
        assert_eq!(options("a=1 b=2 a=3"), [pair("b", "2"), pair("a", "3")]);
        assert_eq!(options("a= b=c d="), [pair("a", "b=c"), pair("d", "")]);
        for wrong in ["a", "a b=c", "a='b"] {
            assert!(ConnectionString::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_options_of_urls_are_decoded() {
        let read = options("postgres://u:p?w@h:1,i:2/d?a=%2Fb+c%26&d=e?&a=f%40");
        assert_eq!(read, [pair("d", "e?"), pair("a", "f@")]);
        assert_eq!(options("postgresql://?ssl=true"), [pair("sslmode", "require")]);
        assert_eq!(options("postgres://h/d"), []);
        assert!(ConnectionString::parse("postgres://h/d?a").is_err());
    }

    #[test]
    fn what_is_left_is_what_was_there() {
        for text in
            [r"host=h password='a \'b\' \\ c=d' user=u", "postgres://u:p@h/d?options=a%20b%40"]
        {
            let read = ConnectionString::parse(text).unwrap();
            assert_eq!(ConnectionString::parse(&read.to_string()).unwrap(), read);
            let config: tokio_postgres::Config = read.to_string().parse().unwrap();
            assert_eq!(config, text.parse().unwrap());
        }
    }

    #[test]
    fn an_option_is_taken_out() {
        let mut read = ConnectionString::parse("a=1 b='2 3'").unwrap();
        assert_eq!(read.take("a").as_deref(), Some("1"));
        assert_eq!(read.take("a"), None);
        assert_eq!(read.to_string(), "b='2 3' ");
    }
}
