//! The sessions of a real server: what they send, hear and hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pglock_core::AdvisoryPlace;
use pglock_testkit::advisory::{AdvisoryMode, Command, Entry, Level, Session, Want};
use pglock_tests::{Database, Session as Connection, eventually};
use tokio::task::JoinHandle;
use tokio_postgres::{SimpleQueryMessage, Statement};

use super::program::SESSIONS;

/// What a session hears: a value as text if there is one, or an error's code.
pub(crate) type Heard = Result<Option<String>, String>;

/// Who holds and who waits, and for whom.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) entries: Vec<Entry>,
    pub(crate) blockers: BTreeMap<Session, BTreeSet<Session>>,
}

pub(crate) struct Sessions {
    database: Database,
    watcher: Connection,
    connections: BTreeMap<Session, Arc<Connection>>,
    /// Statements that have no answer yet.
    running: BTreeMap<Session, JoinHandle<Heard>>,
    /// Answers that nobody has looked at.
    answers: BTreeMap<Session, Heard>,
    view: Statement,
}

/// What is there, and who waits for whom.
const VIEW: &str = "\
    SELECT pid, classid::bigint, objid::bigint, objsubid, mode, granted, \
      CASE WHEN NOT granted THEN pg_blocking_pids(pid) END \
    FROM pg_locks WHERE locktype = 'advisory' \
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

impl Picture {
    fn waits(&self, session: Session) -> bool {
        self.entries.iter().any(|entry| entry.session == session && !entry.granted)
    }
}

impl Sessions {
    pub(crate) async fn open(database: Database) -> Self {
        // Nobody looks for deadlocks unless told to.
        database.set_default("deadlock_timeout", "1h");
        let watcher = database.connect().await;
        let view = watcher.client().prepare(VIEW).await.unwrap();
        let (running, answers) = (BTreeMap::new(), BTreeMap::new());
        Self { database, watcher, connections: BTreeMap::new(), running, answers, view }
    }

    /// Nobody waits, holds anything, or is in a transaction.
    pub(crate) async fn reset(&mut self) {
        for session in 1..=SESSIONS {
            if !self.connections.contains_key(&session) {
                self.connect(session).await;
            }
        }
        while let Some(session) = self.settle().await.blockers.into_keys().next() {
            self.cancel(session).await;
        }
        for connection in self.connections.values() {
            connection.execute("ROLLBACK; SELECT pg_advisory_unlock_all()").await;
        }
        self.answers.clear();
    }

    /// Whether the server knows that a holder's try passes those that wait for it.
    pub(crate) async fn passes(&self) -> bool {
        let query = "SELECT current_setting('server_version_num')::int >= 170000";
        self.watcher.ask(query).await.as_deref() == Some("t")
    }

    /// A session begins a statement, and has its answer or waits when this returns.
    pub(crate) async fn begin(&mut self, session: Session, sql: String) {
        let mut running = self.send(session, sql);
        let waits = eventually("the statement waits", async || self.picture().await.waits(session));
        tokio::select! {
            heard = &mut running => drop(self.answers.insert(session, heard.unwrap())),
            () = waits => drop(self.running.insert(session, running)),
        }
    }

    /// A session makes a statement that does not wait for long.
    pub(crate) async fn run(&mut self, session: Session, sql: String) {
        let heard = self.send(session, sql).await.unwrap();
        self.answers.insert(session, heard);
    }

    /// What is there when all have heard something that do not wait.
    pub(crate) async fn settle(&mut self) -> Picture {
        loop {
            let picture = self.picture().await;
            let answered = self.running.keys().find(|session| !picture.waits(**session)).copied();
            let Some(session) = answered else { return picture };
            self.hear(session).await;
        }
    }

    /// What was heard since this was asked last.
    pub(crate) fn take_answers(&mut self) -> BTreeMap<Session, Heard> {
        std::mem::take(&mut self.answers)
    }

    /// Cancels what a waiting session waits for, and waits until it has heard of it.
    pub(crate) async fn cancel(&mut self, session: Session) {
        let pid = self.connections[&session].pid();
        self.watcher.ask(&format!("SELECT pg_cancel_backend({pid})")).await;
        self.hear(session).await;
    }

    /// Ends a session and opens another in its place.
    pub(crate) async fn terminate(&mut self, session: Session) {
        let pid = self.connections[&session].pid();
        self.watcher.ask(&format!("SELECT pg_terminate_backend({pid})")).await;
        let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        let is_gone = async || self.watcher.ask(&gone).await.as_deref() == Some("0");
        eventually("the session is gone", is_gone).await;
        self.hear(session).await;
        self.connect(session).await;
    }

    async fn connect(&mut self, session: Session) {
        self.connections.insert(session, Arc::new(self.database.connect().await));
    }

    async fn picture(&self) -> Picture {
        let (mut entries, mut blockers) = (Vec::new(), BTreeMap::new());
        for row in self.watcher.client().query(&self.view, &[]).await.unwrap() {
            let session = self.session(row.get(0));
            let (high, low): (i64, i64) = (row.get(1), row.get(2));
            let place = match row.get(3) {
                1_i16 => AdvisoryPlace::Bigint((high << 32) | low),
                _ => AdvisoryPlace::Pair(number(high), number(low)),
            };
            let mode = match row.get(4) {
                "ShareLock" => AdvisoryMode::Shared,
                _ => AdvisoryMode::Exclusive,
            };
            let entry = Entry { session, place, mode, granted: row.get(5) };
            entries.push(entry);
            if let Some(pids) = row.get::<_, Option<Vec<i32>>>(6) {
                blockers.insert(session, pids.into_iter().map(|pid| self.session(pid)).collect());
            }
        }
        entries.sort_unstable();
        Picture { entries, blockers }
    }

    fn send(&self, session: Session, sql: String) -> JoinHandle<Heard> {
        let connection = Arc::clone(&self.connections[&session]);
        tokio::spawn(async move { say(&connection, &sql).await })
    }

    async fn hear(&mut self, session: Session) {
        if let Some(running) = self.running.remove(&session) {
            self.answers.insert(session, running.await.unwrap());
        }
    }

    fn session(&self, pid: i32) -> Session {
        let is = |(_, connection): &(&Session, &Arc<Connection>)| connection.pid() == pid;
        *self.connections.iter().find(is).unwrap().0
    }
}

/// Two halves of a number stand in the view without their sign.
fn number(half: i64) -> i32 {
    u32::try_from(half).unwrap().cast_signed()
}

async fn say(connection: &Connection, sql: &str) -> Heard {
    let heard = match connection.client().simple_query(sql).await {
        Ok(messages) => Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
            _ => None,
        })),
        Err(error) => {
            Err(error.code().map_or_else(|| error.to_string(), |code| code.code().into()))
        }
    };
    if heard.is_err() {
        // It is heard before the server has cleaned up after it.
        let _ = connection.client().simple_query("").await;
    }
    heard
}

/// A command as it is sent.
pub(crate) fn sql(command: Command) -> String {
    match command {
        Command::Try(want) => call("pg_try_advisory", want),
        Command::Take(want) => call("pg_advisory", want),
        Command::Unlock(place, AdvisoryMode::Exclusive) => {
            format!("SELECT pg_advisory_unlock({})", numbers(place))
        }
        Command::Unlock(place, AdvisoryMode::Shared) => {
            format!("SELECT pg_advisory_unlock_shared({})", numbers(place))
        }
        Command::UnlockAll => "SELECT pg_advisory_unlock_all()".into(),
        Command::Begin => "BEGIN".into(),
        Command::Commit => "COMMIT".into(),
        Command::Rollback => "ROLLBACK".into(),
        Command::DiscardAll => "DISCARD ALL".into(),
        _ => panic!("a command that this test does not know: {command:?}"),
    }
}

/// A command under a setting of its own, in one message, so that an error undoes the setting.
pub(crate) fn under(setting: &str, command: Command) -> String {
    format!("SET {setting} = '1ms'; {}; RESET {setting}", sql(command))
}

fn call(function: &str, Want { place, mode, level }: Want) -> String {
    let level = match level {
        Level::Session => "",
        Level::Transaction => "_xact",
    };
    let mode = match mode {
        AdvisoryMode::Exclusive => "",
        AdvisoryMode::Shared => "_shared",
    };
    format!("SELECT {function}{level}_lock{mode}({})", numbers(place))
}

fn numbers(place: AdvisoryPlace) -> String {
    match place {
        AdvisoryPlace::Bigint(key) => format!("'{key}'::bigint"),
        AdvisoryPlace::Pair(first, second) => format!("'{first}'::int, '{second}'::int"),
    }
}
