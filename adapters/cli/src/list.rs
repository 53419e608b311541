//! Reads rows of the lock table and prints them, for people or as JSON.

use pglock_tokio::Entry;
use serde::Serialize;

use crate::args::{List, Server, Show};
use crate::connect::Place;
use crate::exit::Failure;
use crate::{columns, say, words};

pub(crate) async fn list(list: &List, server: &Server) -> Result<u8, Failure> {
    let entries = Place::find(server)?.locks().await?.list(&list.prefix).await?;
    if list.json {
        let rows: Vec<_> = entries.iter().map(Json::of).collect();
        say::json(&rows)?;
    } else if entries.is_empty() {
        say::line("no locks");
    } else {
        say::answer(&table(&entries))?;
    }
    Ok(0)
}

pub(crate) async fn show(show: &Show, server: &Server) -> Result<u8, Failure> {
    let entry = Place::find(server)?.locks().await?.get(&show.name).await?;
    let entry = entry
        .ok_or_else(|| Failure::No(format!("there is no lock {}", words::printable(&show.name))))?;
    if show.json {
        say::json(&Json::of(&entry))?;
    } else {
        say::answer(&facts(&entry))?;
    }
    Ok(0)
}

/// One row. Tokens and record version numbers stand as texts, since many readers of JSON cannot
/// carry numbers beyond 2^53.
#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    held: bool,
    handed_over: bool,
    owner: Option<&'a str>,
    token: Option<String>,
    lease_ms: Option<u64>,
    record_version_number: Option<String>,
    /// If it is text.
    data: Option<&'a str>,
    /// If it is not, as PostgreSQL writes bytes.
    data_hex: Option<String>,
}

impl<'a> Json<'a> {
    fn of(entry: &'a Entry) -> Self {
        let bytes = entry.data.as_deref();
        let text = bytes.map(std::str::from_utf8);
        Self {
            name: &entry.name,
            held: entry.is_held(),
            handed_over: entry.is_handed_over(),
            owner: entry.owner.as_deref(),
            token: entry.token.map(|token| token.to_string()),
            lease_ms: entry.lease.and_then(|lease| u64::try_from(lease.as_millis()).ok()),
            record_version_number: entry.rvn.map(|rvn| rvn.as_i64().to_string()),
            data: text.and_then(Result::ok),
            data_hex: bytes.filter(|_| text.is_some_and(|text| text.is_err())).map(words::data),
        }
    }
}

/// The longest data that a list shows, in characters.
const GLANCE: usize = 40;

fn table(entries: &[Entry]) -> String {
    let head = ["NAME", "HELD BY", "TOKEN", "LEASE", "DATA"].map(String::from);
    columns::aligned(head, entries.iter().map(row))
}

/// Whose a lock is that nobody holds.
fn unheld(entry: &Entry, nobody: &'static str) -> &'static str {
    if entry.is_handed_over() { "whoever is next in line" } else { nobody }
}

fn row(entry: &Entry) -> [String; 5] {
    let data = entry.data.as_deref().map(words::data).unwrap_or_default();
    let glance = if data.chars().count() > GLANCE {
        data.chars().take(GLANCE).chain(['…']).collect()
    } else {
        data
    };
    let held = entry.is_held();
    [
        words::printable(&entry.name),
        if held { words::owner(entry.owner.as_deref()) } else { unheld(entry, "-").into() },
        entry.token.map(|token| token.to_string()).unwrap_or_default(),
        entry.lease.filter(|_| held).map(words::span).unwrap_or_default(),
        glance,
    ]
}

fn facts(entry: &Entry) -> String {
    let held = entry.is_held();
    let owner = words::owner(entry.owner.as_deref());
    let mut facts = vec![("name", words::printable(&entry.name))];
    facts.push(if held {
        ("held by", owner)
    } else {
        ("held by", format!("{}; last {owner}", unheld(entry, "nobody")))
    });
    facts.extend(entry.token.map(|token| ("token", token.to_string())));
    facts.extend(entry.lease.map(|lease| ("lease", words::span(lease))));
    let rvn = entry.rvn.map(|rvn| {
        let whose = if rvn.is_marked() { "" } else { " (not of this library)" };
        ("record version", format!("{}{whose}", rvn.as_i64()))
    });
    facts.extend(rvn);
    facts.extend(entry.data.as_deref().map(|data| ("data", words::data(data))));
    let lines = facts.iter().map(|(what, value)| format!("{what:15}{value}"));
    lines.collect::<Vec<_>>().join("\n")
}
