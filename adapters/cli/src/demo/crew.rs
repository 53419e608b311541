//! The workers as processes: started, told what to do, listened to, killed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::worker::{ACQUIRE, RELEASE, Word};
use super::{LEASE, LOCK, PATIENCE, POLL};
use crate::args::Server;
use crate::exit::Failure;
use crate::run;

/// Workers are known by their places in it. All are gone when it is dropped.
pub(super) struct Crew {
    workers: Vec<Child>,
    words: UnboundedReceiver<(usize, Word)>,
    /// Heard while listening for something else.
    kept: Vec<(usize, Word)>,
}

/// A worker got the lock.
pub(super) struct Grant {
    pub(super) worker: usize,
    pub(super) token: i64,
    at: u64,
}

impl Grant {
    pub(super) fn after(&self, since: u64) -> Duration {
        Duration::from_nanos(self.at.saturating_sub(since))
    }
}

impl Crew {
    pub(super) fn hire(server: &Server, names: &[&str]) -> Result<Self, Failure> {
        let (sender, words) = unbounded_channel();
        let mut crew = Self { workers: Vec::new(), words, kept: Vec::new() };
        for (number, name) in names.iter().enumerate() {
            crew.workers.push(start(server, name, number, sender.clone())?);
        }
        Ok(crew)
    }

    /// Has a worker acquire the lock, however long it takes.
    pub(super) fn compete(&mut self, worker: usize) -> Result<(), Failure> {
        self.order(worker, ACQUIRE)
    }

    pub(super) fn release(&mut self, worker: usize) -> Result<(), Failure> {
        self.order(worker, RELEASE)
    }

    /// Kills a worker and says when.
    pub(super) fn kill(&mut self, worker: usize) -> Result<u64, Failure> {
        let now = run::now();
        self.worker(worker)?.kill()?;
        Ok(now)
    }

    /// The next worker that gets the lock.
    pub(super) async fn grant(&mut self) -> Result<Grant, Failure> {
        self.hear(|worker, word| match word {
            Word::Acquired { at, token } => Some(Grant { worker, token, at }),
            Word::Waiting | Word::Releasing { .. } => None,
        })
        .await
    }

    /// The next worker that has to wait.
    pub(super) async fn waiter(&mut self) -> Result<usize, Failure> {
        self.hear(|worker, word| (word == Word::Waiting).then_some(worker)).await
    }

    /// When the worker began to release the lock.
    pub(super) async fn releasing(&mut self, releaser: usize) -> Result<u64, Failure> {
        self.hear(|worker, word| match word {
            Word::Releasing { at } if worker == releaser => Some(at),
            Word::Releasing { .. } | Word::Acquired { .. } | Word::Waiting => None,
        })
        .await
    }

    async fn hear<T>(&mut self, wanted: impl Fn(usize, Word) -> Option<T>) -> Result<T, Failure> {
        let known = self.kept.iter().position(|&(worker, word)| wanted(worker, word).is_some());
        if let Some((worker, word)) = known.map(|place| self.kept.remove(place))
            && let Some(heard) = wanted(worker, word)
        {
            return Ok(heard);
        }
        let listening = async {
            while let Some((worker, word)) = self.words.recv().await {
                match wanted(worker, word) {
                    Some(heard) => return Some(heard),
                    None => self.kept.push((worker, word)),
                }
            }
            None
        };
        let heard = tokio::time::timeout(PATIENCE, listening).await.ok().flatten();
        heard.ok_or_else(|| Failure::System("the demo's workers have gone silent".into()))
    }

    fn order(&mut self, worker: usize, order: &str) -> Result<(), Failure> {
        if let Some(input) = &mut self.worker(worker)?.stdin {
            writeln!(input, "{order}")?;
        }
        Ok(())
    }

    fn worker(&mut self, worker: usize) -> Result<&mut Child, Failure> {
        let missing = || Failure::System("there is no such worker".into());
        self.workers.get_mut(worker).ok_or_else(missing)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            let _gone_already = worker.kill().and_then(|()| worker.wait()).is_err();
        }
    }
}

/// In a process group of its own, so that Ctrl-C is ours to handle. The URL may hold a password, so it is
/// passed on where others do not see it.
fn start(
    server: &Server,
    name: &str,
    number: usize,
    sender: UnboundedSender<(usize, Word)>,
) -> Result<Child, Failure> {
    let span = |span: Duration| humantime::format_duration(span).to_string();
    let url = server.database_url.as_ref().map(|url| ("PGLOCK_DATABASE_URL", url));
    let mut worker = Command::new(run::own_program()?)
        .args(["worker", "--table", &server.table.to_sql()])
        .args(["--lease", &span(LEASE), "--poll", &span(POLL), name, LOCK])
        .envs(url)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(output) = worker.stdout.take() {
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            for word in lines.filter_map(|line| Word::parse(&line)) {
                let _over = sender.send((number, word)).is_err();
            }
        });
    }
    Ok(worker)
}
