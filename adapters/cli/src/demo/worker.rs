//! One of the demo's workers: a process that does what it is told on its standard input and says what
//! happens on its standard output.

use std::fmt;
use std::time::Duration;

use pglock_tokio::{Lock, Locks, Options};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use crate::args::{Server, Worker};
use crate::connect::Place;
use crate::exit::Failure;
use crate::{run, say};

/// The demo may have ended, and its server with it.
const FAREWELL: Duration = Duration::from_millis(500);

/// What a worker is told to do.
pub(super) const ACQUIRE: &str = "acquire";
pub(super) const RELEASE: &str = "release";

/// What a worker says, with readings of the clock that all processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Waiting,
    Acquired { at: u64, token: i64 },
    Releasing { at: u64 },
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => f.write_str("waiting"),
            Self::Acquired { at, token } => write!(f, "acquired {at} {token}"),
            Self::Releasing { at } => write!(f, "releasing {at}"),
        }
    }
}

impl Word {
    pub(super) fn parse(line: &str) -> Option<Self> {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["waiting"] => Some(Self::Waiting),
            ["acquired", at, token] => {
                Some(Self::Acquired { at: at.parse().ok()?, token: token.parse().ok()? })
            }
            ["releasing", at] => Some(Self::Releasing { at: at.parse().ok()? }),
            _ => None,
        }
    }
}

/// Until the end of its input.
pub(crate) async fn work(worker: Worker, server: &Server) -> Result<u8, Failure> {
    let options = Options::default().owner(&worker.worker).lease(worker.lease).poll(worker.poll);
    let locks = Place::find(server)?.locks_with(options).await?;
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut held = None;
    while let Some(order) = orders.next_line().await? {
        match (order.as_str(), held.take()) {
            (ACQUIRE, None) => held = acquire(&locks, &worker.lock, &mut orders).await?,
            (RELEASE, Some(lock)) => release(lock).await?,
            _ => return Err(Failure::Usage(format!("the demo's worker cannot {order} now"))),
        }
    }
    let _server_is_gone = tokio::time::timeout(FAREWELL, locks.shut_down()).await.is_err();
    Ok(0)
}

/// Nothing if whoever gives the orders has gone.
async fn acquire(
    locks: &Locks,
    name: &str,
    orders: &mut Lines<BufReader<Stdin>>,
) -> Result<Option<Lock>, Failure> {
    let waiting = |_: &_| drop(say::answer(&Word::Waiting.to_string()));
    tokio::select! {
        lock = locks.request(name).on_waiting(waiting).acquire() => {
            let lock = lock?;
            let word = Word::Acquired { at: run::now(), token: lock.token().as_i64() };
            say::answer(&word.to_string())?;
            Ok(Some(lock))
        }
        _ = orders.next_line() => Ok(None),
    }
}

async fn release(lock: Lock) -> Result<(), Failure> {
    say::answer(&Word::Releasing { at: run::now() }.to_string())?;
    lock.release().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_through() {
        let words =
            [Word::Waiting, Word::Acquired { at: 7, token: -1 }, Word::Releasing { at: u64::MAX }];
        for word in words {
            assert_eq!(Word::parse(&word.to_string()), Some(word));
        }
        assert_eq!(Word::parse("acquired"), None);
    }
}
