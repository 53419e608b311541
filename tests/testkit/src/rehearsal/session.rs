//! What the shipped loop needs: connections, and a clock that can be waited for.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use pglock_core::{Command, Instant, Outcome, SessionKind};
use pglock_driver::{Clock, Connect, ConnectError, Timer};

use super::client::Client;
use super::scene::House;

/// A connection to the server of a rehearsal.
#[derive(Debug)]
pub struct Session {
    house: House,
    link: usize,
}

impl Connect for Client {
    type Session = Session;

    async fn connect(&self, _: SessionKind) -> Result<Session, ConnectError> {
        let house = self.house().clone();
        let link = house.scene().connect(self.who());
        let session = Session { house, link };
        poll_fn(|cx| session.house.scene().poll_connected(link, cx.waker())).await?;
        Ok(session)
    }
}

impl pglock_driver::Session for Session {
    async fn execute(&self, command: Command) -> Outcome {
        let flight = self.house.scene().send(self.link, command.statement());
        poll_fn(|cx| self.house.scene().poll_outcome(flight, cx.waker())).await
    }

    async fn closed(&self) {
        poll_fn(|cx| self.house.scene().poll_broken(self.link, cx.waker())).await;
    }

    async fn notified(&self) -> String {
        poll_fn(|cx| self.house.scene().poll_notified(self.link, cx.waker())).await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.house.scene().close(self.link);
    }
}

impl Clock for Client {
    fn now(&self) -> Instant {
        self.house().scene().read_clock(self.who())
    }
}

impl Timer for Client {
    fn sleep_until(&self, moment: Instant) -> impl Future<Output = ()> + Send {
        Sleep { client: self.clone(), moment, timer: None }
    }
}

struct Sleep {
    client: Client,
    moment: Instant,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let house = self.client.house().clone();
        let (who, mut scene) = (self.client.who(), house.scene());
        if scene.read_clock(who) >= self.moment {
            return Poll::Ready(());
        }
        self.timer = Some(scene.set_timer(who, self.moment, cx.waker(), self.timer));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.client.house().scene().timers.unset(timer);
        }
    }
}
