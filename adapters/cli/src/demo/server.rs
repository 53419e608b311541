//! Which server the demo plays on: the given one, else a private one, else one in a container, else a word on
//! how to get one.

mod container;
mod private;
mod programs;
mod watchdog;

use self::container::Container;
use self::private::Private;
use crate::args::Server;
use crate::connect::Place;
use crate::exit::Failure;
use crate::say;

const HELP: &str = "\
the demo needs a PostgreSQL server. Any of these will do:
  - name one: pglock demo --database-url postgres://user:password@host/database
  - install PostgreSQL's programs, which the demo then uses for a private, throw-away server:
      Debian, Ubuntu    apt install postgresql
      Fedora, RHEL      dnf install postgresql-server
      Arch, Alpine      pacman -S postgresql, apk add postgresql
      macOS             brew install postgresql
  - name the folder with the programs initdb, pg_ctl and postgres in PGLOCK_PG_BIN
  - start a Docker engine";

/// A server to play on. What was started for the demo is gone when this is dropped, or the process is.
pub(super) enum Venue {
    Given,
    Private(Private),
    Container(Container),
}

impl Venue {
    pub(super) async fn find(server: &Server) -> Result<Self, Failure> {
        let given = Place::find(server)?;
        if given.is_named() {
            say::line(&format!("playing on {given}, in a table of its own"));
            return Ok(Self::Given);
        }
        let private = match Private::start() {
            Ok(private) => return Ok(Self::Private(private)),
            Err(reason) => reason,
        };
        say::line(&format!("no private server: {private}"));
        match Container::start().await {
            Ok(container) => Ok(Self::Container(container)),
            Err(container) => Err(Failure::NoServer(format!(
                "no server in a container: {container}\npglock: {HELP}"
            ))),
        }
    }

    /// Nothing if the command line or the environment says.
    pub(super) fn url(&self) -> Option<String> {
        match self {
            Self::Given => None,
            Self::Private(private) => Some(private.url()),
            Self::Container(container) => Some(container.url.clone()),
        }
    }
}
