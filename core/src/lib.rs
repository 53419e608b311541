//! Distributed locks on PostgreSQL as a sans-IO protocol.
//!
//! [`Client`] decides; it never waits, reads a clock or opens a socket. Whoever drives it tells it what
//! happened (`handle_*`), each time with a reading of a monotonic clock, and drains
//! [`Client::poll_output`] until it answers [`Output::Wait`].
//!
//! Two rules about the clock decide safety, and only the driver can keep them:
//!
//! * the `now` of [`Client::poll_output`] is read *before* the command it may return is handed over;
//! * the `now` of [`Client::handle_outcome`] is read *after* the reply has arrived.
//!
//! ```
//! use pglock_core::{
//!     Client, Command, Config, Event, Identity, Instant, LockName, Outcome, Output, Request, Row,
//!     Statement, Value,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = Client::new(Config::default(), Identity::new([7; 16]), 1)?;
//! let mut now = Instant::from_nanos(1_000_000_000);
//! let lock = client.acquire(Request::new(LockName::new("invoice-42")?), now)?;
//! let grant = loop {
//!     match client.poll_output(now) {
//!         Output::Connect(session, _kind) => client.handle_connected(session, now),
//!         Output::Execute(command) => {
//!             let outcome = send(&command);
//!             now = now.saturating_add(core::time::Duration::from_millis(3));
//!             client.handle_outcome(command.id(), outcome, now);
//!         }
//!         Output::Event(Event::Acquired { grant, .. }) => break grant,
//!         Output::Wait(wake) => now = wake.at.unwrap_or(now),
//!         Output::Disconnect(_) | Output::Event(_) => {}
//!     }
//! };
//! assert_eq!(grant.token.as_i64(), 17);
//! assert_eq!(client.valid_until(lock), Some(grant.valid_until));
//!
//! // A driver sends `query.text` with `query.params`; here the answer is made up.
//! fn send(command: &Command) -> Outcome {
//!     let query = command.query();
//!     assert!(query.text.starts_with("WITH") && query.params.len() == 9);
//!     let Statement::Acquire(acquire) = command.statement() else { return Outcome::Lost };
//!     let (number, lease) = (acquire.new.as_i64(), 20_000);
//!     let owner = Value::Text(acquire.owner.as_str().into());
//!     let row = [Value::Bool(true), Value::Int8(number), owner, Value::Int8(lease), Value::Null, Value::Int8(17)];
//!     Outcome::Rows(vec![Row(row.to_vec())])
//! }
//! # Ok(()) }
//! ```
#![no_std]
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

extern crate alloc;
#[cfg(any(test, pglock_bugs))]
extern crate std;

mod advisory;
pub mod bugs;
mod client;
mod config;
mod context;
mod error;
mod event;
mod flight;
mod hints;
mod identity;
mod lease;
mod name;
mod output;
mod question;
mod request;
mod schedule;
mod schema;
mod session;
mod sql;
mod statement;
mod table;
mod time;
mod value;

pub use advisory::{
    Advisory, AdvisoryClaim, AdvisoryKey, AdvisoryMode, AdvisoryPlace, AdvisoryRequest,
    AdvisoryWait, Call, KeyMapping, OwnerId, TransactionLock,
};
pub use client::{Client, Counters};
pub use config::{Config, ConfigError, Foreign, Timing};
pub use error::{Failure, ServerError, Severity, SqlState, Standing, Unfit};
pub use event::{Event, Grant, Holder, LossCause};
pub use identity::{Identity, Rvn, Token};
pub use name::{LockName, NameError, Owner, OwnerError};
pub use output::SessionKind;
pub use output::{
    Command, CommandId, LockId, Outcome, Output, QuestionId, Reason, SessionId, Wake,
};
pub use question::{Answer, Entry, Question};
pub use request::{Amendment, AskError, Heartbeat, Request, Wait};
pub use schema::{Problem, TableReport};
pub use session::Backoff;
pub use sql::Sql;
pub use statement::{
    Acquire, Amend, Content, Evict, LineUp, Look, Query, Read, Release, Renew, Renewal,
    RenewalVerdict, Statement,
};
pub use table::{Table, TableError};
pub use time::{Drift, DriftError, Instant};
pub use value::{Param, Row, Value};
