//! The shipped locks of either kind behind one face, and the processes of the server that serve them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use pglock_core::{Outcome, SessionKind, Value};
use pglock_driver::{ConnectError, Entry, Error, Lock, Locks, Session as _, blocking};

use super::session::{MY_PID, command};

/// The processes that serve some connections, in the order in which these were opened.
#[derive(Clone, Default)]
pub(super) struct Pids(Arc<Mutex<Vec<i64>>>);

impl Pids {
    pub(super) fn all(&self) -> MutexGuard<'_, Vec<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answer: &Outcome) {
        if let Outcome::Rows(rows) = answer
            && let Some([Value::Int8(pid)]) = rows.first().map(|row| row.0.as_slice())
        {
            self.all().push(*pid);
        }
    }
}

/// Opens connections and notes their processes.
pub(super) struct Watched<C> {
    pub(super) connect: C,
    pub(super) pids: Pids,
}

impl<C: pglock_driver::Connect> pglock_driver::Connect for Watched<C> {
    type Session = C::Session;

    async fn connect(&self, kind: SessionKind) -> Result<C::Session, ConnectError> {
        let session = self.connect.connect(kind).await?;
        self.pids.note(&session.execute(command(MY_PID, Vec::new())).await);
        Ok(session)
    }
}

impl<C: blocking::Connect> blocking::Connect for Watched<C> {
    type Session = C::Session;

    fn connect(&self, kind: SessionKind) -> Result<C::Session, ConnectError> {
        let mut session = self.connect.connect(kind)?;
        self.pids.note(&blocking::Session::execute(&mut session, &command(MY_PID, Vec::new())));
        Ok(session)
    }
}

type Answer<T> = BoxFuture<'static, Result<T, Error>>;

/// What promises ask of locks.
pub(super) trait Handle: Send + Sync {
    fn create_table(&self) -> Answer<()>;

    fn drop_table(&self) -> Answer<()>;

    fn acquire(&self, name: &str) -> Answer<Box<dyn Guard>>;

    fn get(&self, name: &str) -> Answer<Option<Entry>>;

    /// Takes an advisory lock and gives it back.
    fn pass_through(&self, key: &str, in_line: bool) -> Answer<()>;

    fn shut_down(&self) -> Answer<()>;
}

/// A lock that is held.
pub(super) trait Guard: Send {
    fn set_data(self: Box<Self>, data: &[u8]) -> Answer<Box<dyn Guard>>;

    fn release(self: Box<Self>) -> Answer<()>;
}

impl Handle for Locks {
    fn create_table(&self) -> Answer<()> {
        let locks = self.clone();
        async move { locks.create_table().await }.boxed()
    }

    fn drop_table(&self) -> Answer<()> {
        let locks = self.clone();
        async move { locks.drop_table().await }.boxed()
    }

    fn acquire(&self, name: &str) -> Answer<Box<dyn Guard>> {
        let acquired = self.request(name).acquire();
        async { Ok(Box::new(acquired.await?) as Box<dyn Guard>) }.boxed()
    }

    fn get(&self, name: &str) -> Answer<Option<Entry>> {
        let (locks, name) = (self.clone(), name.to_owned());
        async move { locks.get(&name).await }.boxed()
    }

    fn pass_through(&self, key: &str, in_line: bool) -> Answer<()> {
        let request = self.advisory(key);
        let request = if in_line { request.in_line() } else { request };
        async { request.acquire().await?.release().await.map(drop) }.boxed()
    }

    fn shut_down(&self) -> Answer<()> {
        let locks = self.clone();
        async move {
            locks.shut_down().await;
            Ok(())
        }
        .boxed()
    }
}

impl Guard for Lock {
    fn set_data(self: Box<Self>, data: &[u8]) -> Answer<Box<dyn Guard>> {
        let data = data.to_vec();
        async move {
            Self::set_data(&self, data).await?;
            Ok(self as Box<dyn Guard>)
        }
        .boxed()
    }

    fn release(self: Box<Self>) -> Answer<()> {
        async { Self::release(*self).await.map(drop) }.boxed()
    }
}

/// Locks whose calls block, each on a thread of its own.
pub(super) struct Threads(pub(super) blocking::Locks);

impl Handle for Threads {
    fn create_table(&self) -> Answer<()> {
        let locks = self.0.clone();
        on_a_thread(move || locks.create_table())
    }

    fn drop_table(&self) -> Answer<()> {
        let locks = self.0.clone();
        on_a_thread(move || locks.drop_table())
    }

    fn acquire(&self, name: &str) -> Answer<Box<dyn Guard>> {
        let request = self.0.request(name);
        on_a_thread(|| Ok(Box::new(request.acquire()?) as Box<dyn Guard>))
    }

    fn get(&self, name: &str) -> Answer<Option<Entry>> {
        let (locks, name) = (self.0.clone(), name.to_owned());
        on_a_thread(move || locks.get(&name))
    }

    fn pass_through(&self, key: &str, in_line: bool) -> Answer<()> {
        let request = self.0.advisory(key);
        let request = if in_line { request.in_line() } else { request };
        on_a_thread(|| request.acquire()?.release().map(drop))
    }

    fn shut_down(&self) -> Answer<()> {
        let locks = self.0.clone();
        on_a_thread(move || {
            locks.shut_down();
            Ok(())
        })
    }
}

impl Guard for blocking::Lock {
    fn set_data(self: Box<Self>, data: &[u8]) -> Answer<Box<dyn Guard>> {
        let data = data.to_vec();
        on_a_thread(move || {
            Self::set_data(&self, data)?;
            Ok(self as Box<dyn Guard>)
        })
    }

    fn release(self: Box<Self>) -> Answer<()> {
        on_a_thread(|| Self::release(*self).map(drop))
    }
}

fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Answer<T> {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        let _nobody_waits = tell.send(work()).is_err();
    });
    async { told.await.unwrap_or(Err(Error::Closed)) }.boxed()
}
