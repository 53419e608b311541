//! A driver of either kind behind one face, so that a promise is written once.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use pglock_core::{Command, Instant, Outcome, SessionKind};
use pglock_driver::{Clock, Connect, ConnectError, Error, Options, Session, Timer};

use super::handle::{Handle, Pids, Watched};

pub(super) type Opened = Result<Box<dyn Line>, ConnectError>;

pub(super) trait Driver: Send + Sync {
    fn connect(&self, url: &str, kind: SessionKind) -> BoxFuture<'static, Opened>;

    fn now(&self) -> Instant;

    /// Nothing for drivers that need not sleep.
    fn sleep_until(&self, moment: Instant) -> Option<BoxFuture<'static, ()>>;

    /// Locks over connections whose processes are noted, and the loop that serves them.
    fn locks(&self, url: &str, options: Options, pids: &Pids) -> Result<Served, Error>;
}

pub(super) struct Served {
    pub(super) handle: Arc<dyn Handle>,
    /// To be run by the side of whoever uses the handle.
    pub(super) drive: BoxFuture<'static, ()>,
}

/// How a driver tells what it tells.
#[derive(Clone, Copy)]
pub(super) struct Words {
    pub(super) end: &'static str,
    pub(super) news: &'static str,
}

/// One connection.
pub(super) trait Line: Send + Sync {
    fn words(&self) -> Words;

    fn execute(&self, command: Command) -> BoxFuture<'_, Outcome>;

    fn closed(&self) -> BoxFuture<'_, ()>;

    /// Whether the connection is known to have ended.
    fn is_closed(&self) -> BoxFuture<'_, bool>;

    fn notified(&self) -> BoxFuture<'_, String>;

    /// Lets the driver wait for a notification of which it is known that it does not come, and answers how long it
    /// did; as long as it should if it has no such call.
    fn wait_in_vain(&self, patience: Duration) -> BoxFuture<'_, Duration>;
}

pub(super) struct Async<F, T> {
    connect: F,
    timer: Arc<T>,
}

impl<F, T> Async<F, T> {
    pub(super) fn new(connect: F, timer: T) -> Self {
        Self { connect, timer: Arc::new(timer) }
    }
}

impl<F, C, T> Driver for Async<F, T>
where
    F: Fn(&str) -> C + Send + Sync,
    C: Connect,
    T: Timer,
{
    fn connect(&self, url: &str, kind: SessionKind) -> BoxFuture<'static, Opened> {
        let connect = (self.connect)(url);
        let open = async move {
            let session = connect.connect(kind).await?;
            Ok(Box::new(Open { session, _connect: connect }) as Box<dyn Line>)
        };
        open.boxed()
    }

    fn now(&self) -> Instant {
        self.timer.now()
    }

    fn sleep_until(&self, moment: Instant) -> Option<BoxFuture<'static, ()>> {
        let timer = Arc::clone(&self.timer);
        Some(async move { timer.sleep_until(moment).await }.boxed())
    }

    fn locks(&self, url: &str, options: Options, pids: &Pids) -> Result<Served, Error> {
        let connect = Watched { connect: (self.connect)(url), pids: pids.clone() };
        let timer = Shared(Arc::clone(&self.timer));
        let (locks, drive) = pglock_driver::Locks::start(options, connect, timer)?;
        Ok(Served { handle: Arc::new(locks), drive: drive.boxed() })
    }
}

struct Shared<T>(Arc<T>);

impl<T: Clock> Clock for Shared<T> {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

impl<T: Timer> Timer for Shared<T> {
    fn sleep_until(&self, moment: Instant) -> impl Future<Output = ()> + Send {
        self.0.sleep_until(moment)
    }
}

/// The connection goes before what it was opened with.
struct Open<S, C> {
    session: S,
    _connect: C,
}

impl<S: Session, C: Connect> Line for Open<S, C> {
    fn words(&self) -> Words {
        Words { end: "closed() ends", news: "notified() tells" }
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Outcome> {
        self.session.execute(command).boxed()
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        self.session.closed().boxed()
    }

    fn is_closed(&self) -> BoxFuture<'_, bool> {
        async { self.session.closed().now_or_never().is_some() }.boxed()
    }

    fn notified(&self) -> BoxFuture<'_, String> {
        self.session.notified().boxed()
    }

    fn wait_in_vain(&self, patience: Duration) -> BoxFuture<'_, Duration> {
        async move { patience }.boxed()
    }
}
