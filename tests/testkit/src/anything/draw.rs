//! Draws what a driver may bring: settings, asks, rows and errors, most of them fit and some absurd. Zeros
//! are what is usual.

use std::time::Duration;

use pglock_core::{
    AdvisoryKey, AdvisoryMode, AdvisoryRequest, Amendment, Command, Config, Drift, Heartbeat,
    LockName, Outcome, Owner, OwnerId, Question, Request, Row, Rvn, ServerError, Severity,
    SqlState, Token, Value, Wait,
};

use super::Servers;
use crate::tape::Tape;

/// What is answered to a command.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// What a server would answer.
    Fitting,
    /// The same with one value changed, too many or too few.
    Bent(Bend),
    Other(Outcome),
}

/// A change of some rows: which of them, which of its values, and what to do there.
#[derive(Clone, Debug)]
pub(super) struct Bend {
    row: usize,
    value: usize,
    to: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Value),
    Insert(Value),
    /// This value and those after it are missing.
    Cut,
    /// This row and those after it are missing.
    CutRows,
    RepeatRow,
}

impl Reply {
    pub(super) fn to(self, command: &Command, server: &mut Servers) -> Outcome {
        match self {
            Self::Fitting => server.execute(command),
            Self::Bent(bend) => match server.execute(command) {
                Outcome::Rows(rows) => Outcome::Rows(bend.apply(rows)),
                other @ (Outcome::Failed(_) | Outcome::Lost) => other,
            },
            Self::Other(outcome) => outcome,
        }
    }
}

impl Bend {
    /// Changes nothing where there is no such row or value.
    fn apply(self, mut rows: Vec<Row>) -> Vec<Row> {
        let Self { row, value, to } = self;
        let Some(Row(values)) = rows.get_mut(row) else { return rows };
        match to {
            Change::Replace(new) => {
                if let Some(old) = values.get_mut(value) {
                    *old = new;
                }
            }
            Change::Insert(new) => values.insert(value.min(values.len()), new),
            Change::Cut => values.truncate(value),
            Change::CutRows => rows.truncate(row),
            Change::RepeatRow => rows.extend(rows.get(row).cloned()),
        }
        rows
    }
}

pub(super) fn reply(tape: &mut Tape) -> Reply {
    match tape.below(16) {
        0..=8 => Reply::Fitting,
        9..=11 => Reply::Bent(bend(tape)),
        12 => Reply::Other(Outcome::Rows(some(tape, 3, |tape| Row(some(tape, 8, value))))),
        13 | 14 => Reply::Other(Outcome::Failed(error(tape))),
        _ => Reply::Other(Outcome::Lost),
    }
}

fn bend(tape: &mut Tape) -> Bend {
    let (row, place) = (tape.index(4), tape.index(7));
    let to = match tape.below(8) {
        0..=3 => Change::Replace(value(tape)),
        4 => Change::Insert(value(tape)),
        5 => Change::Cut,
        6 => Change::CutRows,
        _ => Change::RepeatRow,
    };
    Bend { row, value: place, to }
}

fn value(tape: &mut Tape) -> Value {
    match tape.below(8) {
        0 => Value::Null,
        1 => Value::Int8(i64::from_ne_bytes(nanos(tape).to_ne_bytes())),
        2 => Value::Int8(Rvn::MARK + i64::from(tape.below(4) == 1)),
        3 => Value::Int8(tape.pick(&[0, -1, i64::MIN, i64::MAX, Token::EPOCH])),
        4 => Value::Bool(tape.below(2) == 1),
        5 => {
            Value::Text(tape.pick(&["a", "renewed", "row locked", "lost", "column", "key"]).into())
        }
        6 => Value::Text(text(tape)),
        _ => Value::Bytea(bytes(tape)),
    }
}

pub(super) fn error(tape: &mut Tape) -> ServerError {
    const CODES: [&str; 12] = [
        "40001", "55P03", "57P01", "25006", "42P01", "08006", "26000", "53300", "40003", "28P01",
        "57P03", "",
    ];
    let sqlstate = match tape.index(CODES.len() + 1) {
        12 => SqlState::new(&text(tape)),
        code => SqlState::new(CODES.get(code).copied().unwrap_or_default()),
    };
    let severity = match tape.below(6) {
        0..=3 => Severity::Error,
        4 => Severity::Fatal,
        _ => Severity::Panic,
    };
    ServerError { severity, sqlstate, message: String::new() }
}

/// Settings, each of which may be an odd one.
pub(super) fn config(tape: &mut Tape) -> Config {
    let mut config = Config::default();
    for setting in [
        &mut config.lease,
        &mut config.reply_deadline,
        &mut config.connect_deadline,
        &mut config.lock_timeout,
        &mut config.poll,
        &mut config.longest_lease,
        &mut config.patience,
        &mut config.backoff.first,
        &mut config.backoff.longest,
        &mut config.foreign.lease,
        &mut config.foreign.heartbeat,
        &mut config.silence,
    ] {
        if tape.below(32) == 31 {
            *setting = span(tape);
        }
    }
    if tape.below(32) == 31 {
        config.foreign.shortest_lease = Some(span(tape));
    }
    if tape.below(8) == 7 {
        config.heartbeat = Some(heartbeat(tape));
    }
    if tape.below(8) == 7 {
        let ppm = tape.pick(&[0, 1, 250_000, 999_999]);
        config.drift = Drift::new(ppm, span(tape)).unwrap_or_default();
    }
    config.work_sessions = 1 + tape.index(3);
    config.advisory_places = 1 + tape.index(4);
    config.lines = tape.index(3);
    config
}

pub(super) fn request(tape: &mut Tape) -> Option<Request> {
    let mut request = Request::new(name(tape)?);
    request.wait = wait(tape);
    if tape.below(4) == 3 {
        request.lease = perhaps(tape, span);
        request.heartbeat = perhaps(tape, heartbeat);
        request.owner = perhaps(tape, |tape| Owner::new(&text(tape)).unwrap_or_default());
        request.data = perhaps(tape, |tape| bytes(tape).into());
        request.replace_data = tape.below(2) == 1;
        request.keep_data = tape.below(2) == 1;
    }
    Some(request)
}

pub(super) fn advisory_request(tape: &mut Tape) -> AdvisoryRequest {
    let mut request = AdvisoryRequest::new(advisory_key(tape));
    request.wait = wait(tape);
    if tape.below(2) == 1 {
        request.mode = AdvisoryMode::Shared;
    }
    request.owner = perhaps(tape, |tape| OwnerId::new(tape.below(2)));
    request.in_line = tape.below(2) == 1;
    request
}

/// Some of them clash.
fn advisory_key(tape: &mut Tape) -> AdvisoryKey {
    match tape.below(8) {
        0..=3 => AdvisoryKey::from(1),
        4 => AdvisoryKey::from((0, 1)),
        5 => AdvisoryKey::named("a", 1),
        6 => AdvisoryKey::named("b", 1),
        _ => AdvisoryKey::from(text(tape).as_str()),
    }
}

fn wait(tape: &mut Tape) -> Wait {
    match tape.below(5) {
        0 | 1 => Wait::ForEver,
        2 => Wait::Try,
        3 => Wait::Probe,
        _ => Wait::AtMost(span(tape)),
    }
}

pub(super) fn amendment(tape: &mut Tape) -> Amendment {
    let lease = perhaps(tape, span);
    let data = perhaps(tape, |tape| perhaps(tape, |tape| bytes(tape).into()));
    Amendment { lease, data }
}

pub(super) fn question(tape: &mut Tape) -> Option<Question> {
    Some(match tape.below(7) {
        0 => Question::Get(name(tape)?),
        1 => Question::List { prefix: text(tape) },
        2 => Question::Evict { name: name(tape)?, token: Token::new(tape.pick(&[1, 2, i64::MAX])) },
        3 => Question::CheckTable,
        4 => Question::CreateTable,
        5 => Question::AdvisoryHolders(advisory_key(tape).place()),
        _ => Question::DropTable,
    })
}

fn heartbeat(tape: &mut Tape) -> Heartbeat {
    if tape.below(2) == 0 { Heartbeat::ByHand } else { Heartbeat::Every(span(tape)) }
}

/// One of a few names, so that locks meet; now and then an odd one. All of them fit.
pub(super) fn name(tape: &mut Tape) -> Option<LockName> {
    let name = match tape.below(16) {
        0..=7 => "a".into(),
        8..=11 => "b".into(),
        12..=14 => "c".into(),
        _ => format!("a{}", text(tape).replace('\0', "")),
    };
    LockName::new(&name).ok()
}

pub(super) fn text(tape: &mut Tape) -> String {
    const CHARACTERS: [char; 8] = ['a', '\'', '"', '\\', ' ', '\0', 'é', '🔒'];
    some(tape, 6, |tape| tape.pick(&CHARACTERS)).into_iter().collect()
}

fn bytes(tape: &mut Tape) -> Vec<u8> {
    some(tape, 4, |tape| u8::try_from(tape.below(256)).unwrap_or(0))
}

/// A span as it may be, or an absurd one.
pub(super) fn span(tape: &mut Tape) -> Duration {
    match tape.below(16) {
        0..=9 => Duration::from_millis(tape.log_uniform(1, 1_000_000)),
        10 => Duration::ZERO,
        11 => Duration::MAX,
        12 => Duration::from_nanos(tape.below(3)),
        _ => Duration::from_nanos(nanos(tape)),
    }
}

/// A while, most often shorter than a lease.
pub(super) fn pause(tape: &mut Tape) -> Duration {
    match tape.below(64) {
        63 => span(tape),
        _ => Duration::from_millis(tape.log_uniform(1, 20_000)),
    }
}

/// Any number, small ones as likely as large ones.
pub(super) fn nanos(tape: &mut Tape) -> u64 {
    tape.log_uniform(1, u64::MAX)
}

pub(super) fn perhaps<T>(tape: &mut Tape, draw: impl FnOnce(&mut Tape) -> T) -> Option<T> {
    (tape.below(2) == 1).then(|| draw(tape))
}

/// Fewer than `bound`.
fn some<T>(tape: &mut Tape, bound: usize, mut draw: impl FnMut(&mut Tape) -> T) -> Vec<T> {
    (0..tape.index(bound)).map(|_| draw(tape)).collect()
}
