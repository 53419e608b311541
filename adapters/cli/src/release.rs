//! Frees a lock by force, for an operator.

use pglock_tokio::{Entry, Token};

use crate::args::{Release, Server};
use crate::connect::Place;
use crate::exit::Failure;
use crate::{say, words};

pub(crate) async fn release(release: &Release, server: &Server) -> Result<u8, Failure> {
    let locks = Place::find(server)?.locks().await?;
    let token = Token::new(release.token);
    let shown = words::printable(&release.name);
    match locks.evict(&release.name, token).await? {
        Some(freed) => {
            let owner = words::owner(freed.owner.as_deref());
            say::line(&format!("{shown} is released; it was held by {owner}"));
            Ok(0)
        }
        None => {
            let found = locks.get(&release.name).await?;
            Err(Failure::No(why_not(found.as_ref(), token, &shown)))
        }
    }
}

fn why_not(found: Option<&Entry>, token: Token, shown: &str) -> String {
    match found {
        None => format!("there is no lock {shown}"),
        Some(entry) if !entry.is_held() => format!("{shown} is not held by anybody"),
        Some(entry) => {
            let owner = words::owner(entry.owner.as_deref());
            let current =
                entry.token.map_or_else(|| "no token".into(), |token| format!("token {token}"));
            format!("refused: {shown} is held by {owner} with {current}, not {token}")
        }
    }
}
