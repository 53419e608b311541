//! Runs statements on the server of `DATABASE_URL` for whoever sends them by HTTP; says at which port of this machine.

use std::io::{self, Write};
use std::net::TcpListener;

use pglock_examples::{ServerUrl, http};

fn main() -> io::Result<()> {
    let server = ServerUrl::from_environment()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    io::stdout().flush()?;
    http::serve(&listener, &server);
    Ok(())
}
