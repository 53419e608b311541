//! One connection over a socket that never blocks: whoever has it calls [`Connection::turn`] when the socket is ready, or
//! whenever there is time. Plain text, with a password in SCRAM-SHA-256 or none.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use pglock_core::{Outcome, Query, ServerError, Severity, SqlState};
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{ErrorFields, Message};
use postgres_protocol::message::frontend;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::server_url::ServerUrl;
use crate::text;

/// A connection that is being opened, or open. Dropping it closes it.
pub struct Connection {
    socket: TcpStream,
    arriving: BytesMut,
    leaving: BytesMut,
    /// Until it is open.
    opening: Option<Opening>,
    /// Until it is known what has become of the statement.
    answer: Option<Answer>,
    error: Option<ServerError>,
    told: VecDeque<Told>,
    over: bool,
}

struct Opening {
    password: String,
    scram: Option<ScramSha256>,
}

/// What a statement has been answered.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "an example")]
pub struct Answer {
    /// The numbers of the columns' types.
    pub types: Vec<u32>,
    /// The values in PostgreSQL's text format.
    pub rows: Vec<Vec<Option<String>>>,
}

/// What a connection has to say.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "an example")]
pub enum Told {
    /// It is open.
    Connected,
    /// What has become of the statement.
    Answered(Result<Answer, ServerError>),
    /// What a notification says.
    Notified(String),
    /// It is closed, or never came about; with the server's error if it gave one. Nothing more comes.
    Ended(Option<ServerError>),
}

impl Connection {
    /// Begins to open a connection.
    ///
    /// # Errors
    /// When there are no sockets to be had.
    pub fn open(to: &ServerUrl) -> io::Result<Self> {
        let family = if to.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &to.address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let mut leaving = BytesMut::new();
        let who = [("user", &*to.user), ("database", &to.database), ("client_encoding", "UTF8")];
        let asks = who.into_iter().chain([("application_name", "pglock")]);
        frontend::startup_message(asks, &mut leaving)?;
        Ok(Self {
            socket: socket.into(),
            arriving: BytesMut::new(),
            leaving,
            opening: Some(Opening { password: to.password.clone(), scram: None }),
            answer: None,
            error: None,
            told: VecDeque::new(),
            over: false,
        })
    }

    /// Sends a statement; one at a time. What the socket does not take goes with the next turn.
    ///
    /// # Errors
    /// When a text has a zero in it, which PostgreSQL's protocol cannot carry.
    pub fn send(&mut self, query: &Query<'_>) -> io::Result<()> {
        let types = query.params.iter().map(text::type_of);
        let values = query.params.iter().map(|param| (text::type_of(param), param.to_text()));
        self.send_text(query.text, types, values.map(|(_, text)| text))
    }

    /// The same for a statement whose parameters are text already; with the numbers of their types.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_text(
        &mut self,
        statement: &str,
        types: impl IntoIterator<Item = u32>,
        values: impl IntoIterator<Item = Option<String>>,
    ) -> io::Result<()> {
        let mut out = BytesMut::new();
        let put = |value: Option<String>, out: &mut BytesMut| match value {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        };
        frontend::parse("", statement, types, &mut out)?;
        frontend::bind("", "", [0], values, put, [0], &mut out)
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        frontend::describe(b'P', "", &mut out)?;
        frontend::execute("", 0, &mut out)?;
        frontend::sync(&mut out);
        self.leaving.unsplit(out);
        self.answer = Some(Answer::default());
        let _told_by_the_next_turn = self.write().is_err();
        Ok(())
    }

    /// Writes and reads as much as goes without waiting, and says what has come of it.
    pub fn turn(&mut self) -> impl Iterator<Item = Told> {
        if !self.over {
            let is_open = self.exchange().and_then(|is_open| self.understand().map(|()| is_open));
            self.over = !is_open.unwrap_or(false);
            if self.over {
                self.told.push_back(Told::Ended(self.error.take()));
            }
        }
        self.told.drain(..)
    }

    /// Whether there is something that the socket has not taken yet.
    #[must_use]
    pub fn has_more_to_say(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Whether the connection is still open.
    fn exchange(&mut self) -> io::Result<bool> {
        self.write()?;
        let mut piece = [0; 8_192];
        loop {
            match unless_it_blocks(self.socket.read(&mut piece))? {
                None => return Ok(true),
                Some(0) => return Ok(false),
                Some(read) => {
                    self.arriving.extend_from_slice(piece.get(..read).unwrap_or_default())
                }
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.leaving.is_empty() {
            let Some(written) = unless_it_blocks(self.socket.write(&self.leaving))? else { break };
            let _sent = self.leaving.split_to(written);
        }
        Ok(())
    }

    fn understand(&mut self) -> io::Result<()> {
        while let Some(message) = Message::parse(&mut self.arriving)? {
            self.take(message)?;
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the protocol has many messages")]
    fn take(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::ErrorResponse(body) => {
                self.error = Some(server_error(body.fields())?);
            }
            Message::NotificationResponse(body) => {
                self.told.push_back(Told::Notified(body.message()?.into()));
            }
            Message::ReadyForQuery(_) => self.ready(),
            Message::RowDescription(body) => {
                let types: Vec<u32> = body.fields().map(|field| Ok(field.type_oid())).collect()?;
                self.answer.get_or_insert_default().types = types;
            }
            Message::DataRow(body) => {
                let cell = |range: Option<std::ops::Range<usize>>| {
                    let bytes = range.and_then(|range| body.buffer().get(range));
                    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
                };
                let cells = body.ranges().map(cell).collect()?;
                self.answer.get_or_insert_default().rows.push(cells);
            }
            other => self.authenticate(other)?,
        }
        Ok(())
    }

    fn ready(&mut self) {
        let answer = self.answer.take();
        let told = match self.opening.take() {
            Some(_) => Some(Told::Connected),
            None => answer.map(|answer| Told::Answered(self.error.take().map_or(Ok(answer), Err))),
        };
        self.told.extend(told);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the protocol has many messages")]
    fn authenticate(&mut self, message: Message) -> io::Result<()> {
        let Some(opening) = &mut self.opening else { return Ok(()) };
        let scram = || io::Error::other("an answer to nothing");
        match message {
            Message::AuthenticationSasl(_) => {
                let password = opening.password.as_bytes();
                let scram = ScramSha256::new(password, ChannelBinding::unsupported());
                let first = opening.scram.insert(scram).message();
                frontend::sasl_initial_response(SCRAM_SHA_256, first, &mut self.leaving)
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = opening.scram.as_mut().ok_or_else(scram)?;
                scram.update(body.data())?;
                frontend::sasl_response(scram.message(), &mut self.leaving)
            }
            Message::AuthenticationSaslFinal(body) => {
                opening.scram.as_mut().ok_or_else(scram)?.finish(body.data())
            }
            Message::AuthenticationCleartextPassword | Message::AuthenticationMd5Password(_) => {
                Err(io::Error::other("the server asks for a password in an older way"))
            }
            _ => Ok(()),
        }
    }
}

impl Answer {
    /// As the core wants to be told of it.
    #[must_use]
    pub fn outcome(answer: Result<Self, ServerError>) -> Outcome {
        match answer {
            Ok(Self { types, rows }) => text::rows(&types, &rows),
            Err(error) => Outcome::Failed(error),
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Says good-bye if that takes no time; the server notices in any case.
impl Drop for Connection {
    fn drop(&mut self) {
        let mut farewell = BytesMut::new();
        frontend::terminate(&mut farewell);
        let _unsaid = self.socket.write(&farewell).is_err();
    }
}

/// Nothing if the socket would have to be waited for; before it is connected it has to be, too.
fn unless_it_blocks(done: io::Result<usize>) -> io::Result<Option<usize>> {
    use io::ErrorKind::{Interrupted, NotConnected, WouldBlock};
    match done {
        Ok(length) => Ok(Some(length)),
        Err(e) if matches!(e.kind(), WouldBlock | Interrupted | NotConnected) => Ok(None),
        Err(error) => Err(error),
    }
}

fn server_error(mut fields: ErrorFields<'_>) -> io::Result<ServerError> {
    let (mut severity, mut code, mut message) = (Severity::Error, String::new(), String::new());
    while let Some(field) = fields.next()? {
        let value = String::from_utf8_lossy(field.value_bytes());
        match field.type_() {
            b'V' if value == "FATAL" => severity = Severity::Fatal,
            b'V' if value == "PANIC" => severity = Severity::Panic,
            b'C' => code = value.into_owned(),
            b'M' => message = value.into_owned(),
            _ => {}
        }
    }
    Ok(ServerError { severity, sqlstate: SqlState::new(&code), message })
}
