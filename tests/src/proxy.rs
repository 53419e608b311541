//! A network between clients and a server that fails when it is told to, and remembers what was asked through
//! it. Reads the frames of PostgreSQL's protocol and the texts of statements, and nothing else.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use url::Url;

/// A proxy for the server of one database. When dropped, its connections end.
#[derive(Debug)]
pub struct Proxy {
    url: Url,
    here: SocketAddr,
    network: Arc<Network>,
}

/// What becomes of a statement that a fault waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It does not get through, and its connection ends.
    RequestLost,
    /// The server answers it, the answer does not get through, and its connection ends.
    ReplyLost,
    /// It does not get through, and its connection stays open in silence.
    Silence,
    /// It gets through so much later, also if its client has given up by then.
    Late(Duration),
}

/// One exchange of question and answer with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundTrip {
    /// Through which connection, counted from the first.
    pub connection: usize,
    /// The statement's text.
    pub text: String,
    /// Whether it was executed, and not only prepared.
    pub executed: bool,
}

impl Proxy {
    /// A proxy for the server of a database's URL.
    ///
    /// # Panics
    /// When the server's address cannot be told, or there is no port.
    #[must_use]
    pub fn new(database: &str) -> Self {
        let mut url = Url::parse(database).expect("a database's URL");
        let host = url.host_str().expect("a server's name").to_owned();
        let port = url.port().unwrap_or(5432);
        let mut servers = (host, port).to_socket_addrs().expect("a server's address");
        let server = servers.next().expect("a server's address");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let here = listener.local_addr().expect("an address");
        url.set_host(Some("127.0.0.1")).expect("a URL with a host");
        url.set_port(Some(here.port())).expect("a URL with a port");
        let network = Arc::new(Network::default());
        let serving = Arc::clone(&network);
        thread::spawn(move || serving.serve(&listener, server));
        Self { url, here, network }
    }

    /// The database's URL through this proxy.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Ends all connections and takes no more, as if the clients had crashed.
    pub fn cut(&self) {
        let mut state = self.network.state();
        state.weather = Weather::Down;
        state.wires.drain(..).for_each(|wire| wire.end());
    }

    /// Lets nothing through any more, and says nothing: connections stay open, and new ones hang.
    pub fn fall_silent(&self) {
        let mut state = self.network.state();
        state.weather = Weather::Silent;
        state.wires.iter().for_each(|wire| wire.fall_silent());
    }

    /// Lets new connections through again; old ones that were cut or fell silent stay so.
    pub fn heal(&self) {
        self.network.state().weather = Weather::Fair;
    }

    /// Does this, once, to the next statement to be executed whose text contains `part`.
    pub fn strike(&self, part: &str, fault: Fault) {
        self.network.state().traps.push((part.into(), fault));
    }

    /// Whether all faults that were told to wait have struck.
    #[must_use]
    pub fn has_struck(&self) -> bool {
        self.network.state().traps.is_empty()
    }

    /// How many connections came to nothing since it was made.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.network.state().refused
    }

    /// What was asked through this proxy since it was last forgotten.
    #[must_use]
    pub fn round_trips(&self) -> Vec<RoundTrip> {
        self.network.state().round_trips.clone()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.network.state().round_trips.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cut();
        self.network.state().weather = Weather::Over;
        let _wakes_the_listener = TcpStream::connect(self.here);
    }
}

#[derive(Debug, Default)]
struct Network(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    weather: Weather,
    wires: Vec<Arc<Wire>>,
    traps: Vec<(String, Fault)>,
    round_trips: Vec<RoundTrip>,
    connections: usize,
    refused: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Weather {
    #[default]
    Fair,
    Silent,
    Down,
    Over,
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: &Arc<Self>, listener: &TcpListener, server: SocketAddr) {
        for client in listener.incoming().flatten() {
            let weather = self.state().weather;
            match weather {
                Weather::Fair | Weather::Silent => {
                    if let Ok(server) = TcpStream::connect(server) {
                        self.carry(Wire::new(client, server));
                    }
                }
                Weather::Down => self.state().refused += 1,
                Weather::Over => return,
            }
        }
    }

    /// A wire that was made while the weather changed obeys the new one.
    fn carry(self: &Arc<Self>, wire: Wire) {
        let wire = Arc::new(wire);
        let mut state = self.state();
        match state.weather {
            Weather::Fair => {}
            Weather::Silent => wire.fall_silent(),
            Weather::Down | Weather::Over => return,
        }
        state.wires.push(Arc::clone(&wire));
        let connection = state.connections;
        state.connections += 1;
        drop(state);
        let (network, way_out) = (Arc::clone(self), Arc::clone(&wire));
        thread::spawn(move || {
            let _ended = way_out.carry_questions(&network, connection);
            way_out.end();
        });
        thread::spawn(move || {
            let _ended = wire.carry_answers();
            wire.end();
        });
    }

    /// The fault that has waited for a statement with this text.
    fn spring(&self, text: &str) -> Option<Fault> {
        let mut state = self.state();
        let place = state.traps.iter().position(|(part, _)| text.contains(part.as_str()))?;
        Some(state.traps.remove(place).1)
    }
}

/// One connection of a client, and the one to the server that it goes on over.
#[derive(Debug)]
struct Wire {
    client: TcpStream,
    server: TcpStream,
    silent: AtomicBool,
    /// Whether it ends with the next answer, which is not carried.
    doomed: AtomicBool,
}

impl Wire {
    fn new(client: TcpStream, server: TcpStream) -> Self {
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket");
        }
        Self { client, server, silent: false.into(), doomed: false.into() }
    }

    fn end(&self) {
        for stream in [&self.client, &self.server] {
            let _ended_already = stream.shutdown(Shutdown::Both);
        }
    }

    fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    fn carry_questions(&self, network: &Network, connection: usize) -> io::Result<()> {
        let mut questions = BufReader::new(&self.client);
        let mut reading = Reading { connection, ..Reading::default() };
        self.carry(&Frame::read_first(&mut questions)?, &self.server)?;
        loop {
            let frame = Frame::read(&mut questions)?;
            let fault = reading.executes(&frame).and_then(|text| network.spring(text));
            match fault {
                None => {}
                Some(Fault::RequestLost) => return Ok(()),
                Some(Fault::ReplyLost) => self.doomed.store(true, Ordering::SeqCst),
                Some(Fault::Silence) => self.fall_silent(),
                Some(Fault::Late(delay)) => thread::sleep(delay),
            }
            self.carry(&frame, &self.server)?;
            if let Some(round_trip) = reading.ends(&frame) {
                network.state().round_trips.push(round_trip);
            }
        }
    }

    fn carry_answers(&self) -> io::Result<()> {
        let mut answers = BufReader::new(&self.server);
        loop {
            let frame = Frame::read(&mut answers)?;
            if !self.doomed.load(Ordering::SeqCst) {
                self.carry(&frame, &self.client)?;
            } else if frame.kind == READY_FOR_QUERY {
                return Ok(());
            }
        }
    }

    fn carry(&self, frame: &Frame, mut to: &TcpStream) -> io::Result<()> {
        if self.silent.load(Ordering::SeqCst) { Ok(()) } else { to.write_all(&frame.bytes) }
    }
}

const PARSE: u8 = b'P';
const BIND: u8 = b'B';
const SYNC: u8 = b'S';
const QUERY: u8 = b'Q';
const READY_FOR_QUERY: u8 = b'Z';

struct Frame {
    kind: u8,
    bytes: Vec<u8>,
    body: usize,
}

impl Frame {
    /// The first frame has no kind.
    fn read_first(from: &mut impl Read) -> io::Result<Self> {
        Self::rest(from, 0, Vec::new())
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut kind = [0];
        from.read_exact(&mut kind)?;
        let [kind] = kind;
        Self::rest(from, kind, Vec::from([kind]))
    }

    fn rest(from: &mut impl Read, kind: u8, mut bytes: Vec<u8>) -> io::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        bytes.extend(length);
        let body = bytes.len();
        let rest = u64::from(u32::from_be_bytes(length)).saturating_sub(4);
        if from.take(rest).read_to_end(&mut bytes)? as u64 == rest {
            Ok(Self { kind, bytes, body })
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    /// The body's texts, each of which ends with a zero.
    fn texts(&self) -> impl Iterator<Item = String> {
        let body = self.bytes.get(self.body..).unwrap_or_default();
        body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

/// What one connection has prepared and is about to do.
#[derive(Default)]
struct Reading {
    connection: usize,
    prepared: HashMap<String, String>,
    asked: Option<RoundTrip>,
}

impl Reading {
    /// The text of the statement that this frame is about to execute.
    fn executes(&mut self, frame: &Frame) -> Option<&str> {
        let mut texts = frame.texts();
        let (first, second) = (texts.next()?, texts.next()?);
        match frame.kind {
            PARSE => {
                self.asked = Some(self.round_trip(&second, false));
                self.prepared.insert(first, second);
                None
            }
            BIND => {
                let text = self.prepared.get(&second)?;
                self.asked = Some(self.round_trip(text, true));
                Some(text)
            }
            QUERY => Some(&self.asked.insert(self.round_trip(&first, true)).text),
            _ => None,
        }
    }

    fn round_trip(&self, text: &str, executed: bool) -> RoundTrip {
        RoundTrip { connection: self.connection, text: text.into(), executed }
    }

    /// The round trip that begins when this frame has been sent.
    fn ends(&mut self, frame: &Frame) -> Option<RoundTrip> {
        if matches!(frame.kind, SYNC | QUERY) { self.asked.take() } else { None }
    }
}
