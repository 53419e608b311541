//! What the server tells those who listen, on its way to them. Some of it is lost, some comes twice.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use pglock_core::{Outcome, Statement};

use super::super::fault::Fault;
use super::super::scene::{Happening, Scene};

/// What the process has been told on one connection, and whether the server's session listens.
#[derive(Debug, Default)]
pub(super) struct Ear {
    listening: bool,
    told: VecDeque<String>,
    waiting: Option<Waker>,
}

/// The process's end.
impl Scene {
    pub(in super::super) fn poll_notified(&mut self, link: usize, waker: &Waker) -> Poll<String> {
        let ear = &mut self.links[link].ear;
        match ear.told.pop_front() {
            Some(payload) => Poll::Ready(payload),
            None => {
                ear.waiting = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    pub(in super::super) fn notified(&mut self, link: usize, payload: String) {
        if self.links[link].is_open() {
            self.trace
                .note(self.now, (link, &payload), || format!("{payload:?} is told on {link}"));
            let ear = &mut self.links[link].ear;
            ear.told.push_back(payload);
            ear.waiting.take().into_iter().for_each(Waker::wake);
        }
    }
}

/// The server's end.
impl Scene {
    /// A statement was run: its session may listen from now on, and others may have to be told.
    pub(super) fn tell(&mut self, flight: usize, outcome: &Outcome) {
        let listens = matches!(self.flights[flight].statement, Statement::Listen);
        let link = self.flights[flight].link;
        self.links[link].ear.listening |= listens && matches!(outcome, Outcome::Rows(_));
        for payload in self.server.take_notifications() {
            for link in 0..self.links.len() {
                if self.links[link].ear.listening && self.links[link].alive {
                    self.notify(link, &payload);
                }
            }
        }
    }

    fn notify(&mut self, link: usize, payload: &str) {
        let goes_wrong = self.hit(self.faults.notice_lost, Fault::NoticeLost);
        let times = if goes_wrong { self.tape.pick(&[0, 2]) } else { 1 };
        for _ in 0..times {
            let at = self.now + self.delay();
            let to = &mut self.links[link];
            if !to.replies_vanish {
                to.last_reply = to.last_reply.max(at);
                let payload = payload.to_owned();
                self.queue.plan(to.last_reply, Happening::Notice { link, payload });
            }
        }
    }
}
