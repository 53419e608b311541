//! The handle that callers ask for locks, for programs without a runtime.

use std::sync::Arc;
use std::time::Duration;

use pglock_core::{AdvisoryClaim, AdvisoryKey, Counters, Entry, TableReport, Token};
use pollster::FutureExt;

use super::advisory::AdvisoryRequest;
use super::connect::Connect;
use super::drive::Drive;
use super::lock::Lock;
use super::request::Request;
use super::thread::first_session;
use crate::advisory::AdvisoryOwner;
use crate::clock::Clock;
use crate::error::Error;
use crate::locks;
use crate::options::Options;

/// The locks of one table, over a few connections. Cheap to clone; one for a process is enough.
///
/// When the last clone and the last [`Lock`] are gone, the connections are closed.
#[derive(Clone, Debug)]
pub struct Locks {
    inner: locks::Locks,
}

/// For adapters.
impl Locks {
    /// Starts without looking for the server.
    ///
    /// # Errors
    /// When the options cannot be kept, or the system gives no randomness or no thread.
    pub fn start(
        options: Options,
        connect: impl Connect,
        clock: impl Clock,
    ) -> Result<Self, Error> {
        let clock = Arc::new(clock) as Arc<dyn Clock>;
        let desk = options.desk(Arc::clone(&clock))?;
        let line = Drive::start(desk, Arc::new(connect), None, clock)?;
        Ok(Self { inner: locks::Locks::on(line) })
    }

    /// Opens a first connection, starts, and, as the options say, looks whether the table is fit for use or
    /// makes it so.
    ///
    /// # Errors
    /// When the options cannot be kept, there is no connection to be had, or the table is not fit.
    pub fn open<C: Connect>(
        options: Options,
        connect: C,
        clock: impl Clock,
    ) -> Result<Self, Error> {
        let care = options.table_care();
        let clock = Arc::new(clock) as Arc<dyn Clock>;
        let desk = options.desk(Arc::clone(&clock))?;
        let connect = Arc::new(connect);
        // Nothing may fail between here and the loop: drivers must not be dropped on a caller's thread.
        let first = first_session(&connect, desk.connect_deadline())?;
        let line = Drive::start(desk, connect, Some(first), clock)?;
        let inner = locks::Locks::on(line);
        inner.ready_table(care).block_on()?;
        Ok(Self { inner })
    }
}

/// Locks.
impl Locks {
    /// A lock to be acquired with other options than usual.
    pub fn request(&self, name: &str) -> Request {
        Request::new(self.inner.request(name))
    }

    /// Acquires a lock, however long it takes.
    ///
    /// # Errors
    /// When the name cannot be, the server refuses, or the locks are shut down.
    pub fn acquire(&self, name: &str) -> Result<Lock, Error> {
        self.request(name).acquire()
    }

    /// Acquires a lock if it can be had within `patience`.
    ///
    /// # Errors
    /// As [`Request::acquire_within`].
    pub fn acquire_within(&self, name: &str, patience: Duration) -> Result<Lock, Error> {
        self.request(name).acquire_within(patience)
    }

    /// Acquires a lock if nobody holds it.
    ///
    /// # Errors
    /// As [`Request::try_acquire`].
    pub fn try_acquire(&self, name: &str) -> Result<Option<Lock>, Error> {
        self.request(name).try_acquire()
    }

    /// Acquires a lock if nobody holds it or its holder is dead.
    ///
    /// # Errors
    /// As [`Request::probe`].
    pub fn probe(&self, name: &str) -> Result<Option<Lock>, Error> {
        self.request(name).probe()
    }

    /// Does the work while holding a lock.
    ///
    /// ```
    /// # use pglock_driver::{Error, blocking::Locks};
    /// # fn pay(locks: &Locks) -> Result<(), Error> {
    /// let token = locks.run("invoice-42", |lock| lock.token())?;
    /// # println!("{token}"); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Request::run`].
    pub fn run<T>(&self, name: &str, work: impl FnOnce(&Lock) -> T) -> Result<T, Error> {
        self.request(name).run(work)
    }
}

/// Advisory locks.
impl Locks {
    /// An advisory lock to be acquired: the server's own, which ends with the session. All of a handle share one,
    /// on a connection of their own; no table is needed.
    ///
    /// A text is a name, whose place [`KeyMapping`](pglock_core::KeyMapping) says; a number or a pair of them is a
    /// place as the server's functions take it.
    pub fn advisory(&self, key: impl Into<AdvisoryKey>) -> AdvisoryRequest {
        AdvisoryRequest::new(self.inner.advisory(key))
    }

    /// Somebody on whose behalf advisory locks are taken, and who may take the same one more than once; see
    /// [`AdvisoryRequest::by`].
    #[must_use]
    pub fn owner(&self) -> AdvisoryOwner {
        self.inner.owner()
    }
}

/// Questions that need no lock.
impl Locks {
    /// Reads the row of one lock, if it has one. Works on a standby.
    ///
    /// # Errors
    /// When the name cannot be, the server refuses or gives no answer.
    pub fn get(&self, name: &str) -> Result<Option<Entry>, Error> {
        self.inner.get(name).block_on()
    }

    /// Reads the rows of all locks whose names start so, in byte order; all with an empty prefix.
    /// Works on a standby.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        self.inner.list(prefix).block_on()
    }

    /// Frees a lock whoever holds it, if it stands under the grant that has this token: for an operator.
    /// Its holder learns of the loss with its next heartbeat, others may have the lock before; the first in line has it
    /// next. Answers the row without its holder, if it was freed; owner, data and token stay in it.
    ///
    /// # Errors
    /// When the name cannot be, the server refuses or gives no answer.
    pub fn evict(&self, name: &str, token: Token) -> Result<Option<Entry>, Error> {
        self.inner.evict(name, token).block_on()
    }

    /// Tells which sessions hold an advisory lock of this database, and which wait for whom: holders first, then
    /// whoever has waited longest. Needs no lock table. A standby tells of its own locks, which are others than
    /// the primary's.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub fn advisory_holders(
        &self,
        key: impl Into<AdvisoryKey>,
    ) -> Result<Vec<AdvisoryClaim>, Error> {
        self.inner.advisory_holders(key).block_on()
    }

    /// Creates the table if it is missing, and adds what an older one lacks.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub fn create_table(&self) -> Result<(), Error> {
        self.inner.create_table().block_on()
    }

    /// Looks what is wrong with the table.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub fn check_table(&self) -> Result<TableReport, Error> {
        self.inner.check_table().block_on()
    }

    /// Drops the table with all that is in it. Whoever holds a lock loses it.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub fn drop_table(&self) -> Result<(), Error> {
        self.inner.drop_table().block_on()
    }

    /// What has been counted since the start.
    ///
    /// # Errors
    /// [`Error::Closed`] after a shut-down.
    pub fn counters(&self) -> Result<Counters, Error> {
        self.inner.counters().block_on()
    }

    /// Gives all locks back, ends all that is under way and closes the connections. Without a server
    /// it takes no longer than the [`Options::patience`](crate::Options::patience).
    pub fn shut_down(&self) {
        self.inner.shut_down().block_on();
    }
}
