//! SQL over HTTP, as serverless databases offer it: a statement and its parameters go there as JSON, rows come back.
//! Here is the proxy; each statement gets a connection of its own, so that nothing is left of a session.
//!
//! `POST / {"query": "...", "params": [{"type": 20, "value": "1"}]}` is answered with `{"types": [25], "rows": [["a"]]}`,
//! with `{"error": {"severity": "ERROR", "code": "55P03", "message": "..."}}`, or not at all when nobody knows what has
//! become of the statement.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use pglock_core::{ServerError, Severity};
use rustix::event::{PollFd, PollFlags};
use serde_json::{Value, json};

use crate::connection::{Answer, Connection, Told};
use crate::server_url::ServerUrl;

/// The longest body that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// Serves on a thread for each request, until the program ends.
pub fn serve(listener: &TcpListener, server: &ServerUrl) {
    for stream in listener.incoming().filter_map(Result::ok) {
        let server = server.clone();
        thread::spawn(move || {
            let _whoever_asked_has_gone = answer(&stream, &server).is_err();
        });
    }
}

fn answer(stream: &TcpStream, server: &ServerUrl) -> io::Result<()> {
    let request = serde_json::from_slice(&read_body(stream)?)?;
    write_message(stream, "HTTP/1.1 200 OK", &run(&request, server)?.to_string())
}

fn run(request: &Value, server: &ServerUrl) -> io::Result<Value> {
    let statement = request["query"].as_str().ok_or(io::ErrorKind::InvalidData)?;
    let params = request["params"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = |param: &Value| param["type"].as_u64().and_then(|kind| kind.try_into().ok());
    let kinds = params.iter().map(|param| kind(param).unwrap_or(0));
    let values = params.iter().map(|param| param["value"].as_str().map(String::from));
    let mut connection = Connection::open(server)?;
    loop {
        let told: Vec<Told> = connection.turn().collect();
        for told in told {
            match told {
                Told::Connected => {
                    connection.send_text(statement, kinds.clone(), values.clone())?
                }
                Told::Answered(Ok(Answer { types, rows })) => {
                    return Ok(json!({ "types": types, "rows": rows }));
                }
                Told::Answered(Err(error)) | Told::Ended(Some(error)) => {
                    return Ok(refusal(&error));
                }
                Told::Ended(None) => return Err(io::ErrorKind::ConnectionReset.into()),
                Told::Notified(_) => {}
            }
        }
        let out = if connection.has_more_to_say() { PollFlags::OUT } else { PollFlags::empty() };
        rustix::event::poll(&mut [PollFd::new(&connection, PollFlags::IN | out)], None)?;
    }
}

fn refusal(error: &ServerError) -> Value {
    let severity = match error.severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
        Severity::Panic => "PANIC",
    };
    json!({ "error": { "severity": severity, "code": error.sqlstate.as_str(), "message": error.message } })
}

/// Writes a message of HTTP that has a body of JSON and closes the connection.
///
/// # Errors
/// When the other side does not take it.
pub fn write_message(mut stream: &TcpStream, first_line: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "{first_line}\r\nHost: sql\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes())
}

/// Reads a message of HTTP and answers its body.
///
/// # Errors
/// When the other side sends something else, too much, or nothing.
pub fn read_body(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut stream = BufReader::new(stream);
    let mut length = None;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().ok();
            }
            _ if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let length: u64 =
        length.filter(|length| *length <= LONGEST).ok_or(io::ErrorKind::InvalidData)?;
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    if body.len() as u64 == length { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
