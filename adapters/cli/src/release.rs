//! Frees a lock by force. The one statement here is an operator's, not a client's: it needs no session of
//! the locks and leaves data, owner and token as they are.

use pglock_core::{LockName, Table};
use tokio_postgres::types::Type;

use crate::args::{Release, Server};
use crate::connect::Place;
use crate::exit::Failure;
use crate::{say, words};

pub(crate) async fn release(release: &Release, server: &Server) -> Result<u8, Failure> {
    let name = LockName::new(&release.name).map_err(|error| Failure::Usage(error.to_string()))?;
    let place = Place::find(server)?;
    let client = place.client().await?;
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&name.as_str(), Type::TEXT), (&release.token, Type::INT8)];
    let rows = client.query_typed(&statement(place.table()), &params).await.map_err(refused)?;
    let shown = words::printable(name.as_str());
    match rows.first() {
        Some(row) => {
            let owner: Option<&str> = row.try_get(0).map_err(refused)?;
            say::line(&format!("{shown} is free; it was held by {}", words::owner(owner)));
            Ok(0)
        }
        None => Err(Failure::No(why_not(&place, release, &shown).await?)),
    }
}

/// The lock is freed only while the token is current; a commit that was acknowledged is never lost.
fn statement(table: &Table) -> String {
    format!(
        "WITH strict AS MATERIALIZED (SELECT set_config('lock_timeout', '2s', true), \
         CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') \
         THEN set_config('synchronous_commit', 'on', true) END) \
         UPDATE {} AS l SET record_version_number = NULL FROM strict WHERE l.name = $1::text \
         AND l.fencing_token = $2::int8 AND l.record_version_number IS NOT NULL RETURNING l.owner::text",
        table.to_sql()
    )
}

async fn why_not(place: &Place, release: &Release, shown: &str) -> Result<String, Failure> {
    let entry = place.locks().await?.get(&release.name).await?;
    Ok(match entry {
        None => format!("there is no lock {shown}"),
        Some(entry) if !entry.is_held() => format!("{shown} is not held by anybody"),
        Some(entry) => {
            let owner = words::owner(entry.owner.as_deref());
            let token =
                entry.token.map_or_else(|| "no token".into(), |token| format!("token {token}"));
            format!("refused: {shown} is held by {owner} with {token}, not {}", release.token)
        }
    })
}

fn refused(error: tokio_postgres::Error) -> Failure {
    match pglock_wire::server_error(&error) {
        Some(error) => Failure::Refused(pglock_tokio::Failure::Server(error).to_string()),
        None => Failure::NoServer(format!("the server gave no answer: {error}")),
    }
}
