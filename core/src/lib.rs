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
#![no_std]
#![cfg_attr(
    test,
    allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

extern crate alloc;
#[cfg(any(test, pglock_bugs))]
extern crate std;

pub mod bugs;
mod client;
mod config;
mod context;
mod error;
mod event;
mod flight;
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

pub use client::{Client, Counters};
pub use config::{Config, ConfigError, Foreign, Timing};
pub use error::{Failure, ServerError, Severity, SqlState, Standing};
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
    Acquire, Amend, Content, Evict, Query, Read, Release, Renew, Renewal, RenewalVerdict, Statement,
};
pub use table::{Table, TableError};
pub use time::{Drift, DriftError, Instant};
pub use value::{Param, Row, Value};
