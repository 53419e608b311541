//! The command line, as clap reads it. Knows what may be said, not what it does.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, ValueEnum, value_parser};
use pglock_testkit::Scenario;
use pglock_tokio::{Table, TableError};

use crate::help;

const WAITING: &str = "Waiting (for ever by default)";

/// Locks on PostgreSQL: run a command under a lock, look at locks, keep their table.
#[derive(Debug, Parser)]
#[command(name = "pglock", version, after_help = help::ROOT, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) server: Server,
    #[command(subcommand)]
    pub(crate) subcommand: Subcommand,
}

/// Which server, and which table on it.
#[derive(Clone, Debug, Group)]
#[group(skip)]
#[command(next_help_heading = "Server")]
pub(crate) struct Server {
    /// postgres://... or "host=... user=..."; else PGLOCK_DATABASE_URL, DATABASE_URL, PGHOST and kin
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// The lock table, as TABLE or SCHEMA.TABLE
    #[arg(long, global = true, default_value = "locks", value_parser = table)]
    pub(crate) table: Table,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Run a command while holding a lock
    #[command(after_help = help::RUN)]
    Run(Run),
    /// List locks
    #[command(after_help = help::LIST)]
    List(List),
    /// Show one lock
    #[command(after_help = help::SHOW)]
    Show(Show),
    /// Show who holds a PostgreSQL advisory lock, and who waits for whom
    #[command(after_help = help::HOLDERS)]
    Holders(Holders),
    /// Free a lock by force, if its fencing token is still current
    #[command(after_help = help::RELEASE)]
    Release(Release),
    /// Create, check or drop the lock table
    Table(TableArgs),
    /// See it work: three workers, one lock, one of them killed
    #[command(after_help = help::DEMO)]
    Demo,
    /// Look for a history that breaks a promise, in a simulated world; needs no server
    #[command(after_help = help::SIMULATE)]
    Simulate(Simulate),
    /// Stops a process group before a lock can end
    #[command(hide = true)]
    Guard(Guard),
    /// One of the demo's workers
    #[command(hide = true)]
    Worker(Worker),
}

#[derive(Debug, Group)]
pub(crate) struct Run {
    /// Which lock: 1 to 255 characters, any but NUL; of an advisory lock any text
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) patience: Patience,
    /// Say nothing about waiting, nor that the lock is busy
    #[arg(long, short, help_heading = WAITING)]
    pub(crate) quiet: bool,

    /// Use one of PostgreSQL's own advisory locks, which ends with the session; needs no table
    #[arg(long, help_heading = "The lock")]
    #[arg(conflicts_with_all = ["probe", "lease", "owner", "data", "replace_data", "keep_data"])]
    pub(crate) advisory: bool,
    /// Share it with all who share it
    #[arg(long, requires = "advisory", help_heading = "The lock")]
    pub(crate) shared: bool,
    /// Wait in the server's own queue, where it is handed over at once; takes a connection more
    #[arg(long, requires = "advisory", conflicts_with = "once", help_heading = "The lock")]
    pub(crate) in_line: bool,
    /// How the name becomes the key of an advisory lock
    #[arg(long, value_enum, default_value_t = Mapping::Fnv1a, requires = "advisory")]
    #[arg(help_heading = "The lock")]
    pub(crate) mapping: Mapping,
    /// Others can have the lock this long after its holder's last sign of life (20s by default)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[arg(help_heading = "The lock")]
    pub(crate) lease: Option<Duration>,
    /// Who holds the lock, for people (user@host:pid by default)
    #[arg(long, value_name = "TEXT", help_heading = "The lock")]
    pub(crate) owner: Option<String>,
    /// Data to put into the lock's row if it has none
    #[arg(long, value_name = "TEXT", help_heading = "The lock")]
    pub(crate) data: Option<String>,
    /// Put --data into the row even if it has some
    #[arg(long, requires = "data", help_heading = "The lock")]
    pub(crate) replace_data: bool,
    /// Leave the data in the row after release
    #[arg(long, help_heading = "The lock")]
    pub(crate) keep_data: bool,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND", help_heading = "The command")]
    pub(crate) command: Vec<OsString>,
    /// How long before its lock can end the command gets TERM; KILL comes just before
    /// (a quarter of the lease by default; of an advisory lock 7.5s)
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[arg(help_heading = "The command")]
    pub(crate) grace: Option<Duration>,
}

/// How long to go on; for ever unless told otherwise.
#[derive(Debug, Group)]
#[group(multiple = false)]
#[command(next_help_heading = WAITING)]
pub(crate) struct Patience {
    /// Do not wait at all: busy if somebody holds the lock
    #[arg(long = "try")]
    pub(crate) once: bool,
    /// Wait until the holder shows a sign of life (busy) or its lease has passed (taken over); for cron
    #[arg(long)]
    pub(crate) probe: bool,
    /// Wait this long at most
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    pub(crate) wait: Option<Duration>,
}

fn some_time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("that leaves no time to ask in; say --try".into()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}

#[derive(Debug, Group)]
pub(crate) struct List {
    /// Only locks whose names start so
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Show {
    /// Which lock
    pub(crate) name: String,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Holders {
    #[command(flatten)]
    pub(crate) key: Key,
    /// How a name becomes a key: as the library does that the holders use
    #[arg(long, value_enum, default_value_t = Mapping::Fnv1a, value_name = "LIBRARY")]
    #[arg(conflicts_with_all = ["number", "pair"])]
    pub(crate) mapping: Mapping,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The key of an advisory lock; a name unless told otherwise.
#[derive(Debug, Group)]
#[group(required = true, multiple = false)]
pub(crate) struct Key {
    /// Which lock, if it has a name
    pub(crate) name: Option<String>,
    /// Which lock, if its key is a bigint
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) number: Option<i64>,
    /// Which lock, if its key is two ints
    #[arg(long, value_name = "A,B", value_parser = pair, allow_hyphen_values = true)]
    pub(crate) pair: Option<(i32, i32)>,
}

fn pair(text: &str) -> Result<(i32, i32), String> {
    let (first, second) = text.split_once(',').ok_or("there must be two, with a comma between")?;
    let number = |text: &str| text.trim().parse().map_err(|error| format!("{text}: {error}"));
    Ok((number(first)?, number(second)?))
}

/// A way to make a key of a name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Mapping {
    /// FNV-1a, as pglock and go-pglock's manual do
    Fnv1a,
    /// Ruby's with_advisory_lock, without a prefix
    WithAdvisoryLock,
    /// sqlx's PgAdvisoryLock
    Sqlx,
    /// sqlx's migrations; the name is the database's
    SqlxMigrations,
}

#[derive(Debug, Group)]
pub(crate) struct Release {
    /// Which lock
    pub(crate) name: String,
    /// The fencing token that the holder was given, as `pglock show` says
    #[arg(long, value_name = "NUMBER")]
    pub(crate) token: i64,
}

#[derive(Debug, Group)]
pub(crate) struct TableArgs {
    #[command(subcommand)]
    pub(crate) action: TableAction,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum TableAction {
    /// Create the table if it is missing, and add what an older one lacks
    Create,
    /// Say what is wrong with the table, and the statements that mend it
    Check,
    /// Drop the table with all that is in it
    Drop {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Print the statements that create the table; needs no server
    Sql,
}

#[derive(Debug, Group)]
pub(crate) struct Simulate {
    /// The seed of the first history; the others follow
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many histories
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = some)]
    pub(crate) histories: u64,
    /// How many clients compete, 1 to 32 (2 to 8 by default, as the seed says)
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=32))]
    pub(crate) clients: Option<u16>,
    /// What goes wrong; some of these, with commas between (the first three by default)
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    pub(crate) faults: Vec<Faults>,
    /// Advisory locks instead of leases
    #[arg(long, conflicts_with_all = ["clients", "faults"])]
    pub(crate) advisory: bool,
    /// The folder for a history that broke a rule (pglock-failure-SEED by default)
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// How many threads, up to 1000 (one a core by default); what is found does not depend on it
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1000))]
    pub(crate) jobs: Option<u16>,
}

fn some(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("there must be one at least".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// A kind of world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// Anything: lost and late messages, pauses, crashes, meddling operators
    Storm,
    /// Little: no lock may be lost
    Calm,
    /// Clocks as wrong as they may be, deadlines met to the nanosecond
    Edge,
    /// The server fails over and may lose its last commits: breaks rules, and is only run if it is named
    FailOver,
}

impl Faults {
    /// What somebody writes who wants this kind of world.
    pub(crate) fn name_of(scenario: Scenario) -> String {
        let faults =
            Self::value_variants().iter().find(|faults| Scenario::from(**faults) == scenario);
        let value = faults.and_then(Self::to_possible_value);
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl From<Faults> for Scenario {
    fn from(faults: Faults) -> Self {
        match faults {
            Faults::Storm => Self::Storm,
            Faults::Calm => Self::Calm,
            Faults::Edge => Self::Edge,
            Faults::FailOver => Self::FailOver,
        }
    }
}

#[derive(Debug, Group)]
pub(crate) struct Guard {
    /// For messages
    pub(crate) name: String,
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) grace: Duration,
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) margin: Duration,
    /// Whether the lock ends with its holder, so that there is no time for TERM
    #[arg(long)]
    pub(crate) at_once: bool,
}

#[derive(Debug, Group)]
pub(crate) struct Worker {
    /// Its name
    pub(crate) worker: String,
    /// The lock
    pub(crate) lock: String,
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) lease: Duration,
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) poll: Duration,
}

fn table(text: &str) -> Result<Table, TableError> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(words: &[&str]) -> Result<Run, clap::Error> {
        let words = ["pglock", "run"].iter().chain(words);
        let Subcommand::Run(run) = Args::try_parse_from(words)?.subcommand else {
            panic!("`run` is not read as itself")
        };
        Ok(run)
    }

    #[test]
    fn the_definitions_hold_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        let run = run(&["nightly", "--wait", "1m 30s", "--", "sh", "-c", "--try"]).unwrap();
        assert_eq!(run.name, "nightly");
        assert_eq!(run.patience.wait, Some(Duration::from_secs(90)));
        assert!(!run.patience.once);
        assert_eq!(run.command, ["sh", "-c", "--try"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["x"][..],
            &["x", "true"],
            &["x", "--try", "--probe", "--", "true"],
            &["x", "--try", "--wait", "1s", "--", "true"],
            &["x", "--wait", "5", "--", "true"],
            &["x", "--lease", "-1s", "--", "true"],
            &["x", "--replace-data", "--", "true"],
            &["x", "--shared", "--", "true"],
            &["x", "--in-line", "--", "true"],
            &["x", "--advisory", "--in-line", "--try", "--", "true"],
            &["x", "--mapping", "sqlx", "--", "true"],
            &["x", "--advisory", "--lease", "20s", "--", "true"],
            &["x", "--advisory", "--owner", "me", "--", "true"],
            &["x", "--advisory", "--data", "one", "--", "true"],
            &["x", "--advisory", "--keep-data", "--", "true"],
            &["x", "--advisory", "--probe", "--", "true"],
            &["x", "--table", "a.b.c", "--", "true"],
        ] {
            assert!(run(words).is_err(), "{words:?}");
        }
    }

    fn holders(words: &[&str]) -> Result<Key, clap::Error> {
        let words = ["pglock", "holders"].iter().chain(words);
        let Subcommand::Holders(holders) = Args::try_parse_from(words)?.subcommand else {
            panic!("`holders` is not read as itself")
        };
        Ok(holders.key)
    }

    #[test]
    fn a_key_is_a_name_or_a_number_or_two() {
        assert_eq!(holders(&["42"]).unwrap().name.as_deref(), Some("42"));
        assert_eq!(holders(&["--number", "-42"]).unwrap().number, Some(-42));
        let lowest = i64::MIN.to_string();
        assert_eq!(holders(&["--number", &lowest]).unwrap().number, Some(i64::MIN));
        assert_eq!(holders(&["--pair", "-1,2"]).unwrap().pair, Some((-1, 2)));
        assert_eq!(holders(&["--pair", "1, -2147483648"]).unwrap().pair, Some((1, i32::MIN)));
        for words in [
            &[][..],
            &["a", "--number", "1"],
            &["--number", "1", "--pair", "1,2"],
            &["--number", "9223372036854775808"],
            &["--number", "1", "--mapping", "sqlx"],
            &["--pair", "1"],
            &["--pair", "1,2,3"],
            &["--pair", "1,2147483648"],
            &["a", "--mapping", "md5"],
        ] {
            assert!(holders(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn the_server_may_be_named_before_or_after() {
        for words in [&["pglock", "--table", "a.b", "list"], &["pglock", "list", "--table", "a.b"]]
        {
            let args = Args::try_parse_from(words).unwrap();
            assert_eq!(args.server.table.to_sql(), r#""a"."b""#);
        }
    }
}
