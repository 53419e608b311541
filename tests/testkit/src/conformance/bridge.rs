//! Blocking drivers behind the same face: a thread for each connection, which makes the calls that the blocking loop
//! makes.

use std::collections::VecDeque;
use std::future::pending;
use std::marker::PhantomData;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use pglock_core::{Command, Instant, Outcome, SessionKind};
use pglock_driver::blocking::{self, Connect, Session};
use pglock_driver::{Clock, Error, Options};

use super::alarm::pause;
use super::driver::{Driver, Line, Opened, Served, Words};
use super::handle::{Pids, Threads, Watched};

/// How long a thread waits for a notification before it looks for commands.
const SLICE: Duration = Duration::from_millis(50);

pub(super) struct Bridge<F, K> {
    connect: F,
    clock: Arc<K>,
}

impl<F, K> Bridge<F, K> {
    pub(super) fn new(connect: F, clock: K) -> Self {
        Self { connect, clock: Arc::new(clock) }
    }
}

impl<F, C, K> Driver for Bridge<F, K>
where
    F: Fn(&str) -> C + Send + Sync,
    C: Connect,
    K: Clock,
{
    fn connect(&self, url: &str, kind: SessionKind) -> BoxFuture<'static, Opened> {
        let connect = (self.connect)(url);
        let (commands, received) = channel();
        let (tell, opened) = oneshot::channel();
        let letters = Letters::default();
        let inbox = letters.clone();
        thread::spawn(move || match connect.connect(kind) {
            Ok(session) => {
                let _nobody_waits = tell.send(Ok(())).is_err();
                serve(session, &received, &inbox);
            }
            Err(error) => {
                let _nobody_waits = tell.send(Err(error)).is_err();
            }
        });
        let open = async move {
            answered(opened).await?;
            Ok(Box::new(Threaded { commands, letters, _session: PhantomData::<C> })
                as Box<dyn Line>)
        };
        open.boxed()
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn sleep_until(&self, _: Instant) -> Option<BoxFuture<'static, ()>> {
        None
    }

    fn locks(&self, url: &str, options: Options, pids: &Pids) -> Result<Served, Error> {
        let connect = Watched { connect: (self.connect)(url), pids: pids.clone() };
        let locks = blocking::Locks::start(options, connect, Arc::clone(&self.clock))?;
        Ok(Served { handle: Arc::new(Threads(locks)), drive: async {}.boxed() })
    }
}

/// What the connection was told, until somebody hears it.
#[derive(Clone, Default)]
struct Letters(Arc<Mutex<VecDeque<String>>>);

impl Letters {
    fn all(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Call {
    Execute(Command, oneshot::Sender<Outcome>),
    /// Waits so long for a notification. Answers whether the connection is known to have ended.
    Wait(Duration, oneshot::Sender<bool>),
}

fn serve(mut session: impl Session, calls: &Receiver<Call>, letters: &Letters) {
    while let Ok(call) = calls.recv() {
        let _nobody_waits = match call {
            Call::Execute(command, reply) => reply.send(session.execute(&command)).is_err(),
            Call::Wait(patience, reply) => {
                let came = session.wait_for_notification(patience);
                letters.all().extend(came);
                reply.send(session.is_closed()).is_err()
            }
        };
    }
}

struct Threaded<C> {
    commands: Sender<Call>,
    letters: Letters,
    _session: PhantomData<C>,
}

impl<C> Threaded<C> {
    async fn call<T>(&self, call: impl FnOnce(oneshot::Sender<T>) -> Call) -> T {
        let (reply, answer) = oneshot::channel();
        let _thread_has_ended = self.commands.send(call(reply)).is_err();
        answered(answer).await
    }

    async fn wait(&self, patience: Duration) -> bool {
        self.call(|reply| Call::Wait(patience, reply)).await
    }
}

/// A thread ends without an answer only by a panic of the driver's.
#[expect(clippy::panic, reason = "whoever runs the promise tells it as the driver's")]
async fn answered<T>(answer: oneshot::Receiver<T>) -> T {
    match answer.await {
        Ok(answer) => answer,
        Err(oneshot::Canceled) => panic!("on the connection's thread"),
    }
}

impl<C: Connect> Line for Threaded<C> {
    fn words(&self) -> Words {
        Words { end: "is_closed() becomes true", news: "wait_for_notification() tells" }
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Outcome> {
        self.call(|reply| Call::Execute(command, reply)).boxed()
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        let closed = async {
            while !self.is_closed().await {
                pause(SLICE).await;
            }
        };
        closed.boxed()
    }

    fn is_closed(&self) -> BoxFuture<'_, bool> {
        self.wait(Duration::ZERO).boxed()
    }

    fn notified(&self) -> BoxFuture<'_, String> {
        let notified = async {
            loop {
                if let Some(letter) = self.letters.all().pop_front() {
                    return letter;
                }
                if self.wait(SLICE).await && self.letters.all().is_empty() {
                    return pending().await;
                }
            }
        };
        notified.boxed()
    }

    fn wait_in_vain(&self, patience: Duration) -> BoxFuture<'_, Duration> {
        let waited = async move {
            loop {
                let (began, letters) = (std::time::Instant::now(), self.letters.all().len());
                self.wait(patience).await;
                // It was not in vain if something came that somebody else has sent.
                if self.letters.all().len() == letters {
                    return began.elapsed();
                }
            }
        };
        waited.boxed()
    }
}
