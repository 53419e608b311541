//! Runs a command while holding a lock: acquires, has the command guarded, passes signals on, releases.

mod child;
mod clock;
pub(crate) mod guard;
mod jobs;
mod lock;
mod post;
mod reach;
mod signals;
mod spans;
mod terminal;
mod waiting;

use std::time::Duration;

use nix::sys::signal::Signal;
use pglock_tokio::{AdvisoryRequest, Error, Locks, Loss, Options, Request, Wait};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use self::child::{Change, Child};
use self::jobs::Jobs;
use self::lock::Lock;
use self::post::Post;
use self::spans::Spans;
use crate::args::{Patience, Run, Server};
use crate::connect::{self, Place};
use crate::exit::{self, Failure};
use crate::{holders, say};

pub(crate) use self::clock::now;
pub(crate) use self::post::own_program;

/// How long good-byes to the server may take once the command has ended.
const FAREWELL: Duration = Duration::from_secs(5);

type Signals = UnboundedReceiver<Signal>;

pub(crate) async fn run(run: Run, server: &Server) -> Result<u8, Failure> {
    let task = Task { spans: Spans::of(&run)?, owner: owner(&run), run };
    let place = Place::find(server)?;
    let mut signals = signals::catch(&signals::PASSED_ON)?;
    let locks = tokio::select! {
        locks = place.locks_with(task.options()) => locks?,
        signal = interrupted(&mut signals) => return Err(signal),
    };
    let ended = task.perform(&locks, &mut signals).await;
    let _left_behind = timeout(FAREWELL, locks.shut_down()).await.is_err();
    match ended {
        Err(Failure::Busy(_)) if task.run.quiet => Ok(exit::BUSY),
        ended => ended,
    }
}

/// What is to be run, and how.
struct Task {
    run: Run,
    spans: Spans,
    owner: String,
}

impl Task {
    fn options(&self) -> Options {
        if self.run.advisory {
            return Options::default().check_table(false);
        }
        Options::default().lease(self.spans.lease).owner(&self.owner)
    }

    async fn perform(&self, locks: &Locks, signals: &mut Signals) -> Result<u8, Failure> {
        let lock = tokio::select! {
            lock = self.acquire(locks) => lock?,
            signal = interrupted(signals) => return Err(signal),
        };
        let ended = self.supervise(&lock, signals).await;
        let kept = release(lock).await;
        match ended? {
            (_, Some(loss)) => Err(Failure::Lost(format!("{loss}; the command was stopped"))),
            (_, None) if !kept => {
                Err(Failure::Lost("the lock was lost before the command ended".into()))
            }
            (code, None) => Ok(code),
        }
    }

    async fn acquire(&self, locks: &Locks) -> Result<Lock, Failure> {
        let (name, tell) = (&self.run.name, !self.run.quiet);
        if self.run.advisory {
            let request = self.advisory_request(locks);
            return waiting::acquire_advisory(request, name, tell).await.map(Lock::Advisory);
        }
        waiting::acquire(self.request(locks), name, tell).await.map(Lock::Lease)
    }

    fn advisory_request(&self, locks: &Locks) -> AdvisoryRequest {
        let key = holders::named(&self.run.name, self.run.mapping);
        let request = locks.advisory(key).wait(wait(&self.run.patience));
        let request = if self.run.shared { request.shared() } else { request };
        if self.run.in_line { request.in_line() } else { request }
    }

    fn request(&self, locks: &Locks) -> Request {
        let run = &self.run;
        let mut request = locks.request(&run.name).wait(wait(&run.patience));
        if let Some(data) = &run.data {
            request = request.data(data);
        }
        if run.replace_data {
            request = request.replace_data();
        }
        if run.keep_data {
            request = request.keep_data();
        }
        request
    }

    /// The command's exit code, and how the lock was lost if it was.
    async fn supervise(
        &self,
        lock: &Lock,
        signals: &mut Signals,
    ) -> Result<(u8, Option<Loss>), Failure> {
        let mut post = Post::set(&self.run, &self.spans)?;
        post.extend(|| lock.remaining());
        let mut jobs = Jobs::start(post.group());
        let started = Child::start(&self.run.command, &self.environment(lock), post.group());
        let mut child = match started {
            Ok(child) => child,
            Err(failure) => {
                jobs.end();
                post.dismiss().await;
                return Err(failure);
            }
        };
        post.watch(child.id());
        let mut tick = tokio::time::interval(self.spans.tick);
        let mut loss = None;
        let mut guarded = true;
        let code = loop {
            tokio::select! {
                change = child.change() => match change? {
                    Change::Ended(code) => break code,
                    Change::Stopped(signal) => jobs.stopped(signal, &child),
                },
                lost = lock.lost(), if loss.is_none() => {
                    loss = Some(lost);
                    child.signal(Signal::SIGKILL);
                }
                () = post.gone(), if guarded => {
                    guarded = false;
                    child.signal(Signal::SIGKILL);
                }
                Some(signal) = signals.recv() => jobs.pass_on(signal, &child),
                _ = tick.tick() => if loss.is_none() && guarded {
                    post.extend(|| lock.remaining());
                } else {
                    // It may have been about to leave its group.
                    child.signal(Signal::SIGKILL);
                },
            }
        };
        jobs.end();
        let stopped = post.dismiss().await;
        match (loss, stopped) {
            (None, true) => Ok((code, Some(Loss::Expired))),
            (None, false) if !guarded => Err(Failure::System(
                "the command's guard was killed, and so was the command".into(),
            )),
            (loss, _) => Ok((code, loss)),
        }
    }

    /// What this lock has not must not be another's, in which this program runs.
    fn environment(&self, lock: &Lock) -> [(&'static str, Option<String>); 3] {
        [
            ("PGLOCK_NAME", Some(self.run.name.clone())),
            ("PGLOCK_TOKEN", lock.token().map(|token| token.to_string())),
            ("PGLOCK_OWNER", (!self.run.advisory).then(|| self.owner.clone())),
        ]
    }
}

fn wait(patience: &Patience) -> Wait {
    match (patience.once, patience.probe, patience.wait) {
        (true, _, _) => Wait::Try,
        (false, true, _) => Wait::Probe,
        (false, false, Some(span)) => Wait::AtMost(span),
        (false, false, None) => Wait::ForEver,
    }
}

fn owner(run: &Run) -> String {
    let label = || {
        let user = connect::user_name().unwrap_or_else(|| "somebody".into());
        let host = nix::unistd::gethostname().unwrap_or_default();
        format!("{user}@{}:{}", host.to_string_lossy(), std::process::id())
    };
    run.owner.clone().unwrap_or_else(label)
}

/// Until a signal says that there is to be no command.
async fn interrupted(signals: &mut Signals) -> Failure {
    loop {
        match signals.recv().await {
            Some(signal) if signals::ENDING.contains(&signal) => {
                return Failure::Interrupted(u8::try_from(signal as i32).unwrap_or(0));
            }
            Some(Signal::SIGTSTP) => jobs::stop_oneself(),
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// Gives the lock back. Says whether it was held until then.
async fn release(lock: Lock) -> bool {
    let held = lock.is_held();
    match timeout(FAREWELL, lock.release()).await {
        Ok(Ok(released)) if released.confirmed => {}
        Ok(Err(Error::Lost(_))) => return false,
        _ if held => say::line(
            "the server did not confirm the release; others get the lock when its lease has passed, or the server \
             has seen that its session is gone",
        ),
        _ => {}
    }
    held
}
