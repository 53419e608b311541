//! The system that is rehearsed: a job scheduler. A night's jobs are done one after the other by whichever of its
//! processes has the lock. It knows nothing of the rehearsal.

use pglock_driver::{Error, Hold, Locks};

const LOCK: &str = "nightly";

/// What the scheduler has of the world.
pub(crate) trait World {
    /// The next job that is not done yet.
    fn next_job(&self) -> Option<&'static str>;

    /// Does a job, which takes a while, and writes down that it is done.
    async fn perform(&self, job: &'static str, lock: &Hold);
}

/// Does all jobs. It has a bug: once it has the lock it never looks at it again, and when the lock is lost the jobs go
/// on.
pub(crate) async fn careless(locks: &Locks, world: &impl World) -> Result<(), Error> {
    let lock = locks.acquire(LOCK).await?;
    while let Some(job) = world.next_job() {
        world.perform(job, &lock).await;
    }
    lock.release().await.map(drop)
}

/// The same, mended: when the lock is lost, the job under way is dropped.
pub(crate) async fn careful(locks: &Locks, world: &impl World) -> Result<(), Error> {
    let jobs = async |lock| {
        while let Some(job) = world.next_job() {
            world.perform(job, &lock).await;
        }
    };
    locks.run(LOCK, jobs).await
}
