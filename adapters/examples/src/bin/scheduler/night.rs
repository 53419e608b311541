//! A night: the jobs, and the processes of the scheduler that share them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use pglock_driver::{Error, Hold, Options};
use pglock_testkit::rehearsal::{Client, Stage};

use crate::scheduler::{World, careful, careless};

/// How long a job takes: longer than a lease.
const A_WHILE: Duration = Duration::from_secs(45);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Careless,
    Careful,
}

/// The jobs that are not done yet: what the service would keep in a table of its own.
#[derive(Clone)]
struct Jobs(Rc<RefCell<VecDeque<&'static str>>>);

/// Two processes that share a night's jobs.
pub(crate) fn night(version: Version, stage: &mut Stage) {
    let jobs = Jobs(Rc::new(RefCell::new(["backup", "invoices", "report"].into())));
    for _ in 0..2 {
        let jobs = jobs.clone();
        stage.client(move |client| process(client, jobs.clone(), version));
    }
}

/// A process of the scheduler: when it crashes or fails it is started anew.
async fn process(client: Client, jobs: Jobs, version: Version) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    let world = Rehearsed { client, jobs };
    match version {
        Version::Careless => careless(&locks, &world).await?,
        Version::Careful => careful(&locks, &world).await?,
    }
    locks.shut_down().await;
    Ok(())
}

struct Rehearsed {
    client: Client,
    jobs: Jobs,
}

impl World for Rehearsed {
    fn next_job(&self) -> Option<&'static str> {
        self.jobs.0.borrow().front().copied()
    }

    async fn perform(&self, job: &'static str, lock: &Hold) {
        self.client.note(format_args!("begins {job}"));
        let work = self.client.works_on(lock);
        self.client.sleep(A_WHILE).await;
        work.acts();
        self.client.note(format_args!("has done {job}"));
        self.jobs.0.borrow_mut().retain(|other| *other != job);
    }
}
