//! An async driver around a right one, with one bug.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use futures::FutureExt;
use pglock_core::{Command, Outcome};
use pglock_driver::{Connect, ConnectError, Session, SessionKind};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::bug::Bug;
use super::carry::{self, Memory};
use super::news::News;
use super::opening;
use super::swap::Swap;

pub(super) struct Wrong<C> {
    right: Arc<C>,
    bug: Bug,
    swap: Arc<Swap>,
}

impl<C> Wrong<C> {
    pub(super) fn new(right: C, bug: Bug, swap: &Arc<Swap>) -> Self {
        Self { right: Arc::new(right), bug, swap: Arc::clone(swap) }
    }
}

impl<C: Connect> Connect for Wrong<C> {
    type Session = WrongSession<C>;

    async fn connect(&self, kind: SessionKind) -> Result<WrongSession<C>, ConnectError> {
        opening::known(self.bug, kind)?;
        let right = Arc::clone(&self.right);
        let connecting = async move { right.connect(kind).await };
        let connected = if self.bug == Bug::ConnectGoesOn {
            tokio::spawn(connecting).await.unwrap()
        } else {
            connecting.await
        };
        let session = connected.map_err(|error| opening::told(self.bug, error))?;
        Ok(WrongSession::new(self, kind, session))
    }
}

pub(super) struct WrongSession<C: Connect> {
    right: Mutex<Arc<C::Session>>,
    connect: Arc<C>,
    kind: SessionKind,
    bug: Bug,
    memory: Memory,
    news: Mutex<News>,
    /// Of all sessions.
    swap: Arc<Swap>,
    own_swap: Swap,
    /// The session has ended.
    ended: AtomicBool,
    failed: Notify,
    /// Commands under way, or answered just now.
    busy: AtomicUsize,
    answered: Notify,
    told_the_end: AtomicBool,
    queue: Queue,
}

/// Answers in the order in which they came, whosever they are.
struct Queue {
    put: mpsc::UnboundedSender<Outcome>,
    take: tokio::sync::Mutex<mpsc::UnboundedReceiver<Outcome>>,
    commands: Mutex<JoinSet<()>>,
}

impl<C: Connect> WrongSession<C> {
    fn new(by: &Wrong<C>, kind: SessionKind, session: C::Session) -> Self {
        let (put, take) = mpsc::unbounded_channel();
        Self {
            right: Mutex::new(Arc::new(session)),
            connect: Arc::clone(&by.right),
            kind,
            bug: by.bug,
            memory: Memory::default(),
            news: Mutex::default(),
            swap: Arc::clone(&by.swap),
            own_swap: Swap::default(),
            ended: false.into(),
            failed: Notify::new(),
            busy: 0.into(),
            answered: Notify::new(),
            told_the_end: false.into(),
            queue: Queue { put, take: take.into(), commands: Mutex::default() },
        }
    }

    fn right(&self) -> Arc<C::Session> {
        Arc::clone(&self.right.lock().unwrap())
    }

    async fn answer(&self, command: Command) -> Outcome {
        let right = self.right();
        match self.bug {
            Bug::ConnectionForEachCommand => match self.connect.connect(self.kind).await {
                Ok(other) => other.execute(command).await,
                Err(_) => Outcome::Lost,
            },
            Bug::SessionReset => {
                let outcome = right.execute(command).await;
                for text in ["RESET ALL", "SELECT pg_advisory_unlock_all() IS NOT NULL"] {
                    right.execute(Command::trial(0, text, Vec::new())).await;
                }
                outcome
            }
            Bug::SessionKeptWhileBusy => {
                tokio::spawn(async move { right.execute(command).await }).await.unwrap()
            }
            Bug::AnswerOfADroppedCommand => self.queue.answer(right, command).await,
            Bug::AnswersOfOtherSessions => self.swap.swapped(right.execute(command)).await,
            Bug::AnswersOfOtherCommands => self.own_swap.swapped(right.execute(command)).await,
            Bug::ErrorSpoilsTheRest => tokio::select! {
                biased;
                outcome = right.execute(command) => outcome,
                () = self.failed.notified() => Outcome::Lost,
            },
            _ => right.execute(command).await,
        }
    }

    /// Another connection for one that has ended.
    async fn connect_again(&self) {
        if self.ended.swap(false, Ordering::SeqCst)
            && let Ok(other) = self.connect.connect(self.kind).await
        {
            *self.right.lock().unwrap() = Arc::new(other);
        }
    }

    fn heed(&self, outcome: &Outcome) {
        self.answered.notify_waiters();
        if matches!(outcome, Outcome::Failed(_)) {
            self.failed.notify_waiters();
        }
        let ends = self.bug == Bug::ConnectsAgain && carry::ends(outcome);
        self.ended.store(ends, Ordering::SeqCst);
    }
}

impl Queue {
    async fn answer(&self, right: Arc<impl Session>, command: Command) -> Outcome {
        let mut take = self.take.lock().await;
        let put = self.put.clone();
        self.commands.lock().unwrap().spawn(async move {
            let _nobody_waits = put.send(right.execute(command).await).is_err();
        });
        take.recv().await.unwrap_or(Outcome::Lost)
    }
}

impl<C: Connect> Session for WrongSession<C> {
    async fn execute(&self, command: Command) -> Outcome {
        self.connect_again().await;
        let sent = carry::there(self.bug, &command, &self.memory);
        self.busy.fetch_add(1, Ordering::SeqCst);
        let outcome = self.answer(sent).await;
        if self.bug == Bug::NotificationLostBesideAnAnswer {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.busy.fetch_sub(1, Ordering::SeqCst);
        self.heed(&outcome);
        carry::back(self.bug, outcome, &command, &self.memory)
    }

    async fn closed(&self) {
        match self.bug {
            Bug::EndUntold => pending().await,
            Bug::EndWakesNobody => unwoken(self.right().closed()).await,
            Bug::EndToldTooSoon => tokio::select! {
                () = self.failed.notified() => {}
                () = async { self.right().closed().await } => {}
            },
            Bug::EndToldOnce if self.told_the_end.load(Ordering::SeqCst) => pending().await,
            _ => self.right().closed().await,
        }
        self.told_the_end.store(true, Ordering::SeqCst);
    }

    async fn notified(&self) -> String {
        let right = self.right();
        if self.bug == Bug::NotificationForgotten {
            while right.notified().now_or_never().is_some() {}
        }
        loop {
            if let Some(payload) = self.news.lock().unwrap().kept() {
                return payload;
            }
            let payload = match self.bug {
                Bug::NotificationWakesNobody => unwoken(right.notified()).await,
                _ => right.notified().await,
            };
            if self.bug == Bug::NotificationLostWithItsWait {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            if self.bug == Bug::NotifiedByCommandsOnly {
                self.answered.notified().await;
            }
            if self.bug == Bug::NotificationLostBesideAnAnswer
                && self.busy.load(Ordering::SeqCst) > 0
            {
                continue;
            }
            if let Some(payload) = self.news.lock().unwrap().told(self.bug, payload) {
                return payload;
            }
        }
    }
}

impl<C: Connect> Drop for WrongSession<C> {
    fn drop(&mut self) {
        if self.bug == Bug::SessionKept {
            std::mem::forget(self.right());
        }
    }
}

/// Looks at a future whenever it is polled, and lets it wake nobody.
async fn unwoken<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    poll_fn(|_| future.as_mut().poll(&mut Context::from_waker(Waker::noop()))).await
}
