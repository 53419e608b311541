//! The handle that callers ask for locks, and how it comes into being.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::{mpsc, oneshot};
use futures::future::{self, BoxFuture, Either};
use pglock_core::{
    AdvisoryClaim, AdvisoryKey, Answer, Counters, Entry, Failure, LockName, Question, SessionKind,
    TableReport, Token,
};

use crate::advisory::{AdvisoryOwner, AdvisoryRequest};
use crate::ask::{Ask, Line};
use crate::clock::{Clock, Timer};
use crate::connect::{Connect, ConnectError};
use crate::desk::Desk;
use crate::drive::Drive;
use crate::error::Error;
use crate::hold::Hold;
use crate::lock::Lock;
use crate::options::{Options, TableCare};
use crate::request::Request;

/// The locks of one table, over a few connections. Cheap to clone; one for a process is enough.
///
/// When the last clone and the last [`Lock`] are gone, the connections are closed.
#[derive(Clone)]
pub struct Locks {
    line: Arc<Line>,
}

/// For adapters.
impl Locks {
    /// Starts without looking for the server. The future must be run until it ends by itself; if it
    /// is dropped, all locks count as lost and every ask as [`Error::Closed`].
    ///
    /// # Errors
    /// When the options cannot be kept or the system gives no randomness.
    pub fn start<C: Connect, T: Timer>(
        options: Options,
        connect: C,
        timer: T,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Error> {
        let timer = Arc::new(timer);
        let desk = options.desk(Arc::clone(&timer) as Arc<dyn Clock>)?;
        Ok(Self::start_with(desk, connect, None, timer))
    }

    /// Opens a first connection, starts, and, as the options say, looks whether the table is fit for use or
    /// makes it so. `spawn` must see to it that the future is run.
    ///
    /// # Errors
    /// When the options cannot be kept, there is no connection to be had, or the table is not fit.
    pub async fn open<C: Connect, T: Timer>(
        options: Options,
        connect: C,
        timer: T,
        spawn: impl FnOnce(BoxFuture<'static, ()>),
    ) -> Result<Self, Error> {
        let care = options.table_care();
        let timer = Arc::new(timer);
        let desk = options.desk(Arc::clone(&timer) as Arc<dyn Clock>)?;
        let first = first_session(&connect, timer.as_ref(), desk.connect_deadline()).await?;
        let (locks, drive) = Self::start_with(desk, connect, Some(first), timer);
        spawn(Box::pin(drive));
        locks.ready_table(care).await?;
        Ok(locks)
    }

    fn start_with<C: Connect, T: Timer>(
        desk: Desk,
        connect: C,
        first: Option<C::Session>,
        timer: Arc<T>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, asks) = mpsc::unbounded();
        let drive = Drive::new(desk, asks, connect, first, timer);
        let line = Line::new(move |ask| {
            let _loop_has_ended = sender.unbounded_send(ask).is_err();
        });
        (Self::on(line), drive.run())
    }

    pub(crate) const fn on(line: Arc<Line>) -> Self {
        Self { line }
    }

    pub(crate) async fn ready_table(&self, care: TableCare) -> Result<(), Error> {
        if matches!(care, TableCare::Leave) {
            return Ok(());
        }
        let Some(report) = self.unfit().await? else { return Ok(()) };
        if matches!(care, TableCare::Check) {
            return Err(Error::Table(report));
        }
        match self.create_table().await {
            // Whoever may not do it can hand this to the owner.
            Err(error) if lacks_privilege(&error) => Err(Error::Table(report)),
            Err(error) => Err(error),
            Ok(()) => self.unfit().await?.map_or(Ok(()), |report| Err(Error::Table(report))),
        }
    }

    async fn unfit(&self) -> Result<Option<TableReport>, Error> {
        Ok(Some(self.check_table().await?).filter(|report| !report.problems.is_empty()))
    }
}

/// Locks.
impl Locks {
    /// A lock to be acquired with other options than usual.
    pub fn request(&self, name: &str) -> Request {
        Request::new(Arc::clone(&self.line), name)
    }

    /// Acquires a lock, however long it takes.
    ///
    /// # Errors
    /// When the name cannot be, the server refuses, or the locks are shut down.
    pub async fn acquire(&self, name: &str) -> Result<Lock, Error> {
        self.request(name).acquire().await
    }

    /// Acquires a lock if it can be had within `patience`.
    ///
    /// # Errors
    /// As [`Request::acquire_within`].
    pub async fn acquire_within(&self, name: &str, patience: Duration) -> Result<Lock, Error> {
        self.request(name).acquire_within(patience).await
    }

    /// Acquires a lock if nobody holds it.
    ///
    /// # Errors
    /// As [`Request::try_acquire`].
    pub async fn try_acquire(&self, name: &str) -> Result<Option<Lock>, Error> {
        self.request(name).try_acquire().await
    }

    /// Acquires a lock if nobody holds it or its holder is dead.
    ///
    /// # Errors
    /// As [`Request::probe`].
    pub async fn probe(&self, name: &str) -> Result<Option<Lock>, Error> {
        self.request(name).probe().await
    }

    /// Does the work while holding a lock; drops the work if the lock is lost.
    ///
    /// ```
    /// # use pglock_driver::{Error, Locks};
    /// # async fn pay(locks: &Locks) -> Result<(), Error> {
    /// let token = locks.run("invoice-42", |hold| async move { hold.token() }).await?;
    /// # println!("{token}"); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Request::run`].
    pub async fn run<W: Future>(
        &self,
        name: &str,
        work: impl FnOnce(Hold) -> W,
    ) -> Result<W::Output, Error> {
        self.request(name).run(work).await
    }
}

/// Advisory locks.
impl Locks {
    /// An advisory lock to be acquired: the server's own, which ends with the session. All of a handle share one,
    /// on a connection of their own; no table is needed.
    ///
    /// A text is a name, whose place [`KeyMapping`](pglock_core::KeyMapping) says; a number or a pair of them is a
    /// place as the server's functions take it.
    ///
    /// ```
    /// # use pglock_driver::{Error, Locks};
    /// # async fn report(locks: &Locks) -> Result<(), Error> {
    /// let lock = locks.advisory("report").acquire().await?;
    /// lock.release().await?;
    /// locks.advisory(42).run(|_| async { println!("like pg_advisory_lock(42)") }).await?;
    /// # Ok(()) }
    /// ```
    pub fn advisory(&self, key: impl Into<AdvisoryKey>) -> AdvisoryRequest {
        AdvisoryRequest::new(Arc::clone(&self.line), key)
    }

    /// Somebody on whose behalf advisory locks are taken, and who may take the same one more than once; see
    /// [`AdvisoryRequest::by`].
    #[must_use]
    pub fn owner(&self) -> AdvisoryOwner {
        AdvisoryOwner::new()
    }
}

/// Questions that need no lock.
impl Locks {
    /// Reads the row of one lock, if it has one. Works on a standby.
    ///
    /// # Errors
    /// When the name cannot be, the server refuses or gives no answer.
    pub async fn get(&self, name: &str) -> Result<Option<Entry>, Error> {
        let name = LockName::new(name)?;
        Ok(self.entries(Question::Get(name)).await?.into_iter().next())
    }

    /// Reads the rows of all locks whose names start so, in byte order; all with an empty prefix.
    /// Works on a standby.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        self.entries(Question::List { prefix: prefix.into() }).await
    }

    /// Frees a lock whoever holds it, if it stands under the grant that has this token: for an operator.
    /// Its holder learns of the loss with its next heartbeat, others may have the lock before; the first in line has it
    /// next. Answers the row without its holder, if it was freed; owner, data and token stay in it.
    ///
    /// # Errors
    /// When the name cannot be, the server refuses or gives no answer.
    pub async fn evict(&self, name: &str, token: Token) -> Result<Option<Entry>, Error> {
        let name = LockName::new(name)?;
        Ok(self.entries(Question::Evict { name, token }).await?.into_iter().next())
    }

    /// Tells which sessions hold an advisory lock of this database, and which wait for whom: holders first, then
    /// whoever has waited longest. Needs no lock table. A standby tells of its own locks, which are others than
    /// the primary's.
    ///
    /// ```
    /// # use pglock_driver::{Error, Locks};
    /// # async fn look(locks: &Locks) -> Result<(), Error> {
    /// for claim in locks.advisory_holders("invoice-42").await? {
    ///     println!("{:?} {} {:?}", claim.pid, claim.mode, claim.waiting);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub async fn advisory_holders(
        &self,
        key: impl Into<AdvisoryKey>,
    ) -> Result<Vec<AdvisoryClaim>, Error> {
        let place = key.into().place();
        let Answer::AdvisoryClaims(claims) = self.ask(Question::AdvisoryHolders(place)).await?
        else {
            return Err(Error::Failed(Failure::Undecodable));
        };
        Ok(claims)
    }

    /// Creates the table if it is missing, and adds what an older one lacks.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub async fn create_table(&self) -> Result<(), Error> {
        self.ask(Question::CreateTable).await.map(|_| ())
    }

    /// Looks what is wrong with the table.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub async fn check_table(&self) -> Result<TableReport, Error> {
        let Answer::Table(report) = self.ask(Question::CheckTable).await? else {
            return Err(Error::Failed(Failure::Undecodable));
        };
        Ok(report)
    }

    /// Drops the table with all that is in it. Whoever holds a lock loses it.
    ///
    /// # Errors
    /// When the server refuses or gives no answer.
    pub async fn drop_table(&self) -> Result<(), Error> {
        self.ask(Question::DropTable).await.map(|_| ())
    }

    /// What has been counted since the start.
    ///
    /// # Errors
    /// [`Error::Closed`] after a shut-down.
    pub async fn counters(&self) -> Result<Counters, Error> {
        let (reply, told) = oneshot::channel();
        self.line.post(Ask::Counters(reply));
        told.await.map_err(|_| Error::Closed)
    }

    /// Gives all locks back, ends all that is under way and closes the connections. Without a server
    /// it takes no longer than the [`Options::patience`](crate::Options::patience).
    pub async fn shut_down(&self) {
        let (reply, over) = oneshot::channel();
        self.line.post(Ask::ShutDown(Some(reply)));
        let _ended_for_another_reason = over.await.is_err();
    }

    async fn entries(&self, question: Question) -> Result<Vec<Entry>, Error> {
        let Answer::Entries(entries) = self.ask(question).await? else {
            return Err(Error::Failed(Failure::Undecodable));
        };
        Ok(entries)
    }

    async fn ask(&self, question: Question) -> Result<Answer, Error> {
        let (reply, told) = oneshot::channel();
        self.line.post(Ask::Question(question, reply));
        told.await.unwrap_or(Err(Error::Closed))
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").finish_non_exhaustive()
    }
}

fn lacks_privilege(error: &Error) -> bool {
    error.sqlstate().is_some_and(|code| code.as_str() == "42501")
}

async fn first_session<C: Connect>(
    connect: &C,
    timer: &impl Timer,
    patience: Duration,
) -> Result<C::Session, ConnectError> {
    let overdue = pin!(timer.sleep_until(timer.now().saturating_add(patience)));
    match future::select(pin!(connect.connect(SessionKind::Work)), overdue).await {
        Either::Left((session, _)) => session,
        Either::Right(((), _)) => {
            Err(ConnectError::unreachable(format!("no answer in {patience:?}")))
        }
    }
}
