//! A wire between a driver and its server that can be cut, kept from carrying answers, and asked whether the driver
//! has hung up. Knows nothing of what it carries.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::broken::Broken;
use super::url::Url;

/// What becomes of those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    /// They are carried to the server.
    Carries,
    /// Nobody says anything to them.
    Silent,
    /// They are sent away.
    HangsUp,
}

/// Ends with everything it carries when it is dropped.
pub(super) struct Relay {
    here: SocketAddr,
    wires: Arc<Wires>,
}

struct Wires {
    manners: Manners,
    open: Mutex<Vec<TcpStream>>,
    is_cut: AtomicBool,
    over: AtomicBool,
    holds_back: AtomicBool,
    came: AtomicUsize,
    hung_up: AtomicUsize,
}

impl Relay {
    pub(super) fn new(server: &Url, manners: Manners) -> Result<Self, Broken> {
        let no_port = |error: io::Error| Broken::new(format!("no port for a relay: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(no_port)?;
        let here = listener.local_addr().map_err(no_port)?;
        let wires = Arc::new(Wires {
            manners,
            open: Mutex::default(),
            is_cut: false.into(),
            over: false.into(),
            holds_back: false.into(),
            came: 0.into(),
            hung_up: 0.into(),
        });
        let (serving, server) = (Arc::clone(&wires), server.address());
        thread::spawn(move || serving.serve(&listener, &server));
        Ok(Self { here, wires })
    }

    /// The same URL, but through here.
    pub(super) fn url(&self, server: &Url) -> Url {
        server.clone().at(&self.here.ip().to_string(), self.here.port())
    }

    /// Ends all that is open, and sends away whoever comes.
    pub(super) fn cut(&self) {
        self.wires.is_cut.store(true, Ordering::SeqCst);
        self.wires.open().drain(..).for_each(|stream| end(&stream));
    }

    /// From now on what the server says is lost.
    pub(super) fn hold_back(&self) {
        self.wires.holds_back.store(true, Ordering::SeqCst);
    }

    /// Whether somebody has come here and has said something.
    pub(super) fn has_come(&self) -> bool {
        self.wires.came.load(Ordering::SeqCst) > 0
    }

    /// Whether the driver has closed all its connections by itself.
    pub(super) fn was_hung_up(&self) -> bool {
        let came = self.wires.came.load(Ordering::SeqCst);
        came > 0 && self.wires.hung_up.load(Ordering::SeqCst) == came
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.wires.over.store(true, Ordering::SeqCst);
        self.cut();
        let _wakes_the_listener = TcpStream::connect(self.here);
    }
}

impl Wires {
    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: &Arc<Self>, listener: &TcpListener, server: &(String, u16)) {
        for client in listener.incoming().flatten() {
            if self.over.load(Ordering::SeqCst) {
                return;
            }
            let _nobody_there = match self.manners {
                _ if self.is_cut.load(Ordering::SeqCst) => Ok(()),
                Manners::Carries => self.carry(client, server),
                Manners::Silent => self.swallow(client),
                Manners::HangsUp => Ok(()),
            };
        }
    }

    fn carry(self: &Arc<Self>, client: TcpStream, server: &(String, u16)) -> io::Result<()> {
        let server = TcpStream::connect((server.0.as_str(), server.1))?;
        self.open().extend([client.try_clone()?, server.try_clone()?]);
        let (questions, to_server) = (client.try_clone()?, server.try_clone()?);
        let wires = Arc::clone(self);
        thread::spawn(move || {
            wires.listen(&questions, |bytes| (&to_server).write_all(bytes));
            end(&to_server);
        });
        let wires = Arc::clone(self);
        thread::spawn(move || {
            let answer = |bytes: &[u8]| match wires.holds_back.load(Ordering::SeqCst) {
                true => Ok(()),
                false => (&client).write_all(bytes),
            };
            let _ended = copy(&server, answer);
            end(&client);
        });
        Ok(())
    }

    fn swallow(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        self.open().push(client.try_clone()?);
        let wires = Arc::clone(self);
        thread::spawn(move || wires.listen(&client, |_| Ok(())));
        Ok(())
    }

    /// To a driver, until it hangs up.
    fn listen(&self, mut driver: &TcpStream, pass_on: impl Fn(&[u8]) -> io::Result<()>) {
        let mut first = [0];
        if !driver.read(&mut first).is_ok_and(|read| read > 0) {
            return;
        }
        self.came.fetch_add(1, Ordering::SeqCst);
        let _ended = pass_on(&first).and_then(|()| copy(driver, pass_on));
        self.hung_up.fetch_add(1, Ordering::SeqCst);
    }
}

fn copy(mut from: &TcpStream, pass_on: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        pass_on(bytes)?;
    }
}

fn end(stream: &TcpStream) {
    let _ended_already = stream.shutdown(Shutdown::Both);
}
