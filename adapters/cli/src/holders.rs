//! Tells who holds an advisory lock and who waits for it, for people or as JSON.

use pglock_tokio::{AdvisoryClaim, AdvisoryKey, KeyMapping, Options};
use pglock_wire::sqlx_key;
use serde::Serialize;

use crate::args::{Holders, Key, Mapping, Server};
use crate::connect::Place;
use crate::exit::{Failure, NO};
use crate::{columns, say, words};

pub(crate) async fn holders(holders: &Holders, server: &Server) -> Result<u8, Failure> {
    let key = key(&holders.key, holders.mapping)?;
    let locks = Place::find(server)?.locks_with(Options::default().check_table(false)).await?;
    let claims = locks.advisory_holders(key.clone()).await?;
    if holders.json {
        say::json(&claims.iter().map(Json::of).collect::<Vec<_>>())?;
    } else if claims.is_empty() {
        return Err(Failure::No(format!("nobody in this database holds or waits for {key}")));
    } else {
        say::answer(&table(&claims))?;
    }
    Ok(if claims.is_empty() { NO } else { 0 })
}

fn key(key: &Key, mapping: Mapping) -> Result<AdvisoryKey, Failure> {
    match (&key.name, key.number, key.pair) {
        (Some(name), ..) => Ok(named(name, mapping)),
        (None, Some(number), _) => Ok(number.into()),
        (None, None, Some(numbers)) => Ok(numbers.into()),
        (None, None, None) => Err(Failure::Usage("which lock? say a name or a number".into())),
    }
}

pub(crate) fn named(name: &str, mapping: Mapping) -> AdvisoryKey {
    match mapping {
        Mapping::Fnv1a => KeyMapping::Fnv1a.key(name),
        Mapping::WithAdvisoryLock => KeyMapping::WithAdvisoryLock { prefix: 0 }.key(name),
        Mapping::Sqlx => sqlx_key(name),
        Mapping::SqlxMigrations => KeyMapping::SqlxMigrations.key(name),
    }
}

#[derive(Serialize)]
struct Json<'a> {
    /// Null for a prepared transaction.
    pid: Option<i32>,
    mode: String,
    held: bool,
    /// Of those that wait only.
    waits_for: Option<&'a [i32]>,
    waited_ms: Option<u64>,
    user: Option<&'a str>,
    application_name: Option<&'a str>,
    client_address: Option<&'a str>,
    state: Option<&'a str>,
}

impl<'a> Json<'a> {
    fn of(claim: &'a AdvisoryClaim) -> Self {
        let waiting = claim.waiting.as_ref();
        let waited = waiting.and_then(|waiting| waiting.waited);
        Self {
            pid: claim.pid,
            mode: claim.mode.to_string(),
            held: claim.is_held(),
            waits_for: waiting.map(|waiting| waiting.waits_for.as_slice()),
            waited_ms: waited.and_then(|waited| u64::try_from(waited.as_millis()).ok()),
            user: claim.user.as_deref(),
            application_name: claim.application_name.as_deref(),
            client_address: claim.client_address.as_deref(),
            state: claim.state.as_deref(),
        }
    }
}

fn table(claims: &[AdvisoryClaim]) -> String {
    let head = ["PID", "LOCK", "MODE", "WAITS FOR", "USER", "APPLICATION", "FROM", "STATE"];
    columns::aligned(head.map(String::from), claims.iter().map(row))
}

fn row(claim: &AdvisoryClaim) -> [String; 8] {
    let text = |text: &Option<String>| words::printable(text.as_deref().unwrap_or_default());
    [
        claim.pid.map_or_else(|| "-".into(), |pid| pid.to_string()),
        standing(claim),
        claim.mode.to_string(),
        waits_for(claim),
        text(&claim.user),
        text(&claim.application_name),
        text(&claim.client_address),
        text(&claim.state),
    ]
}

fn standing(claim: &AdvisoryClaim) -> String {
    match claim.waiting.as_ref().map(|waiting| waiting.waited) {
        None => "held".into(),
        Some(None) => "waiting".into(),
        Some(Some(waited)) => format!("waiting {}", words::span(waited)),
    }
}

fn waits_for(claim: &AdvisoryClaim) -> String {
    let pids = claim.waiting.iter().flat_map(|waiting| &waiting.waits_for);
    pids.map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
