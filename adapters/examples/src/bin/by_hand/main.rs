//! A runtime of one's own: two clients of the core in one poll loop, without async and without threads. See `README.md`.

#![expect(clippy::wildcard_enum_match_arm, reason = "there are many events, and few matter here")]

mod driver;

use pglock_core::{Event, LockName, Question, Request};
use pglock_examples::ServerUrl;

use driver::{Driver, wait_for_sockets};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ServerUrl::from_environment()?;
    let name = LockName::new("by hand")?;
    let [mut ada, mut bob] = [Driver::new("ada", &server)?, Driver::new("bob", &server)?];
    ada.ask(Question::CreateTable)?;
    let (mut hers, mut his) = (None, None);

    // Two clients in one program only to show how one waits for the other; each drives itself alone as well.
    loop {
        for event in ada.work()? {
            match event {
                Event::Answered { answer, .. } => {
                    answer.map_err(|failure| format!("{failure:?}"))?;
                    hers = Some(ada.acquire(Request::new(name.clone()))?);
                }
                Event::Acquired { .. } => his = Some(bob.acquire(Request::new(name.clone()))?),
                Event::Released { .. } => ada.shut_down(),
                Event::Failed { failure, .. } => return Err(format!("{failure:?}").into()),
                _ => {}
            }
        }
        for event in bob.work()? {
            match event {
                Event::Waiting { .. } => ada.release(hers.ok_or("ada holds nothing")?)?,
                Event::Acquired { .. } => bob.release(his.ok_or("bob has asked for nothing")?)?,
                Event::Released { .. } => bob.shut_down(),
                Event::Failed { failure, .. } => return Err(format!("{failure:?}").into()),
                _ => {}
            }
        }
        if ada.is_over() && bob.is_over() {
            return Ok(());
        }
        wait_for_sockets([&ada, &bob])?;
    }
}
