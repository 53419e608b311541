//! The core as a module of WebAssembly that imports nothing: no clock, no socket, no randomness. The host pushes a
//! text of JSON byte by byte, has it [handled](turn), and reads the answer byte by byte. See `README.md`.

mod client;
#[path = "../../src/json.rs"]
mod json;
#[path = "../../src/text.rs"]
mod text;

use std::cell::RefCell;

use client::Client;

#[derive(Default)]
struct Host {
    client: Option<Client>,
    input: Vec<u8>,
    output: Vec<u8>,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

/// Adds a byte to the input.
#[allow(unsafe_code, reason = "nothing else has this name")]
#[unsafe(no_mangle)]
pub extern "C" fn push(byte: u8) {
    HOST.with_borrow_mut(|host| host.input.push(byte));
}

/// Handles the input, and says how many bytes the answer has.
#[allow(unsafe_code, reason = "nothing else has this name")]
#[unsafe(no_mangle)]
pub extern "C" fn turn() -> usize {
    HOST.with_borrow_mut(|host| {
        let input = std::mem::take(&mut host.input);
        let output = Client::turn(&mut host.client, &input);
        host.output = output
            .map_or_else(|error| format!("{{\"mistake\":{error:?}}}"), |o| o.to_string())
            .into();
        host.output.len()
    })
}

/// One byte of the answer; zero behind its end.
#[allow(unsafe_code, reason = "nothing else has this name")]
#[unsafe(no_mangle)]
pub extern "C" fn byte(index: usize) -> u8 {
    HOST.with_borrow(|host| host.output.get(index).copied().unwrap_or(0))
}
