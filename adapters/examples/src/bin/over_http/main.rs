//! A driver for a database that is reached by HTTP, as serverless ones are. See `README.md`.

mod driver;

use std::net::TcpListener;
use std::thread;

use pglock_driver::blocking::Locks;
use pglock_driver::{BootClock, Error, Options};
use pglock_examples::{ServerUrl, http};

use driver::OverHttp;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = ServerUrl::from_environment()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || http::serve(&listener, &server));

    let open = || Locks::open(Options::default().hints(false), OverHttp(address), BootClock);
    let (here, there) = (open()?, open()?);
    let lock = here.acquire("over http")?;
    println!("held under token {}", lock.token());
    println!(
        "others find it {}",
        if there.try_acquire("over http")?.is_some() { "free" } else { "busy" }
    );
    lock.heartbeat()?;
    lock.set_data("so far")?;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| there.acquire("over http"));
        lock.release()?;
        let next = waiting.join().map_err(|_| Error::Closed)??;
        println!("handed over under token {}", next.token());
        next.release()
    })?;
    match here.advisory("over http").acquire() {
        Ok(_) => return Err("an advisory lock without a session".into()),
        Err(error) => println!("no advisory lock: {error}"),
    }
    here.shut_down();
    there.shut_down();
    Ok(())
}
