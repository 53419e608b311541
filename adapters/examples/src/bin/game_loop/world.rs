//! What happens once a frame: sockets are looked at, and whoever waits for the frame is woken. Never waits itself.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures::channel::{mpsc, oneshot};
use pglock_driver::{ConnectError, Outcome};
use pglock_examples::{Answer, Connection, ServerUrl, Told};

use crate::port::{Opening, Order, Port, Session};

pub(crate) struct World {
    server: ServerUrl,
    openings: mpsc::UnboundedReceiver<Opening>,
    berths: Vec<Berth>,
    next_frame: Arc<Mutex<Vec<Waker>>>,
}

/// The world's end of a connection.
struct Berth {
    connection: Connection,
    /// Until it is open.
    opening: Option<(Opening, Session)>,
    orders: mpsc::UnboundedReceiver<Order>,
    reply: Option<oneshot::Sender<Outcome>>,
    news: mpsc::UnboundedSender<String>,
    /// Dropped when it ends.
    _end: oneshot::Sender<()>,
}

impl World {
    pub(crate) fn new(server: ServerUrl) -> (Self, Port) {
        let (sender, openings) = mpsc::unbounded();
        let next_frame = Arc::default();
        let port = Port { openings: sender, next_frame: Arc::clone(&next_frame) };
        (Self { server, openings, berths: Vec::new(), next_frame }, port)
    }

    pub(crate) fn turn(&mut self) {
        while let Ok(opening) = self.openings.try_recv() {
            self.berths.extend(Berth::new(&self.server, opening));
        }
        self.berths.retain_mut(Berth::turn);
        let mut waiting = self.next_frame.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *waiting).into_iter().for_each(Waker::wake);
    }
}

impl Berth {
    fn new(server: &ServerUrl, opening: Opening) -> Option<Self> {
        match Connection::open(server) {
            Ok(connection) => {
                let (orders, ordered) = mpsc::unbounded();
                let (news, told) = mpsc::unbounded();
                let (end, ended) = oneshot::channel();
                let session = Session { orders, news: told.into(), end: ended.into() };
                let opening = Some((opening, session));
                Some(Self { connection, opening, orders: ordered, reply: None, news, _end: end })
            }
            Err(error) => {
                let refused = ConnectError::unreachable(error.to_string());
                let _nobody_waits = opening.opened.send(Err(refused)).is_err();
                None
            }
        }
    }

    /// Whether it goes on.
    fn turn(&mut self) -> bool {
        if self.opening.as_ref().is_some_and(|(opening, _)| opening.opened.is_canceled()) {
            return false;
        }
        // One after the other, so that each answer is its order's own.
        if self.reply.is_none() {
            match self.orders.try_recv() {
                Ok(order) => self.send(order),
                Err(mpsc::TryRecvError::Empty) => {}
                Err(mpsc::TryRecvError::Closed) => return false,
            }
        }
        let told: Vec<Told> = self.connection.turn().collect();
        told.into_iter().all(|told| self.tell(told))
    }

    fn send(&mut self, Order { command, reply }: Order) {
        if self.connection.send(&command.query()).is_ok() {
            self.reply = Some(reply);
        }
    }

    fn tell(&mut self, told: Told) -> bool {
        match told {
            Told::Connected => {
                if let Some((opening, session)) = self.opening.take() {
                    let _nobody_waits = opening.opened.send(Ok(session)).is_err();
                }
            }
            Told::Answered(answer) => {
                let outcome = Answer::outcome(answer);
                let _nobody_waits = self.reply.take().map(|reply| reply.send(outcome));
            }
            Told::Notified(payload) => {
                let _nobody_listens = self.news.unbounded_send(payload).is_err();
            }
            Told::Ended(error) => {
                let refused = error.map_or_else(
                    || ConnectError::unreachable("the connection has ended"),
                    ConnectError::refused,
                );
                let opening = self.opening.take();
                let _was_open = opening.map(|(opening, _)| opening.opened.send(Err(refused)));
                return false;
            }
        }
        true
    }
}
