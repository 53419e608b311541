//! What drivers promise, as tests: for those who bring a PostgreSQL client or a runtime of their own.
//!
//! A driver is an implementation of `pglock_driver::{Connect, Session, Timer}`, or of the traits of the same names in
//! `pglock_driver::blocking`. One macro call makes a test of each promise; its file in the driver's own tests is this:
//!
//! ```
//! # struct MyConnect(String);
//! # struct MySession;
//! # impl pglock_driver::Connect for MyConnect {
//! #     type Session = MySession;
//! #     async fn connect(&self, _: pglock_driver::SessionKind) -> Result<MySession, pglock_driver::ConnectError> { Ok(MySession) }
//! # }
//! # impl pglock_driver::Session for MySession {
//! #     async fn execute(&self, _: pglock_driver::Command) -> pglock_driver::Outcome { pglock_driver::Outcome::Lost }
//! #     async fn closed(&self) {}
//! # }
//! # struct MyTimer;
//! # impl pglock_driver::Clock for MyTimer { fn now(&self) -> pglock_driver::Instant { pglock_driver::BootClock.now() } }
//! # impl pglock_driver::Timer for MyTimer { async fn sleep_until(&self, _: pglock_driver::Instant) {} }
//! # mod my_runtime { pub fn block_on(_: impl Future<Output = ()>) {} }
//! use pglock_testkit::conformance::Subject;
//!
//! fn subject() -> Subject {
//!     let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL: the URL of a database for tests");
//!     let connect = |url: &str| MyConnect(url.into());
//!     Subject::new(&url, connect, MyTimer, |future| my_runtime::block_on(future))
//! }
//!
//! pglock_testkit::conformance!(async subject);
//! ```
//!
//! A blocking driver has [`Subject::blocking`] and `conformance!(blocking subject)`. Where a database is made for each
//! test, [`Subject::keeping`] keeps it.
//!
//! # What it rests on
//!
//! The suite has no client of its own. Its second opinion is the server's, asked over other sessions of the same driver:
//! what a driver sends is compared by the server with what that makes itself, and what a driver reads is compared
//! here. A driver would have to be wrong both ways in a fitting manner to get away with it. Sessions that end, statements
//! that wait and locks that are held are looked for in the server's own tables.
//!
//! Nothing depends on how fast a machine is: what must happen is waited for, as long as [`Subject::patience`] says, and what
//! must not happen is looked for once something else shows that it would have happened by then.
//!
//! Each promise has been broken by drivers made for that, and has found them.
//!
//! # What it does not see
//!
//! - Whether a clock counts the time for which the machine is suspended: `BootClock` does on Linux and Android. Nor a rate
//!   that is wrong by less than a tenth, or steps of some milliseconds: locks rely on what `Options::drift` says, 1 % and
//!   1 ms by default.
//! - How a driver fares behind a pooler: the suite needs sessions of its own.
//! - Whether what was dropped goes at once: it must be gone within the patience.

mod alarm;
mod block_on;
mod bridge;
mod broken;
mod driver;
mod gate;
mod handle;
pub mod promise;
mod proof;
mod relay;
mod session;
mod subject;
mod tests;
mod url;

pub use broken::Broken;
pub use proof::{PROMISES, Promise, prove};
pub use subject::Subject;
