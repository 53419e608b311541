//! What the examples share; see `README.md` for what they show. None of it is part of the library.
//!
//! [`Connection`] speaks PostgreSQL's protocol over a socket that never blocks; [`text`] turns parameters and rows into
//! PostgreSQL's text format and back, [`json`] into JSON; [`http`] is a proxy that runs statements for whoever sends them as JSON.

mod connection;
pub mod http;
pub mod json;
mod server_url;
pub mod text;

pub use connection::{Answer, Connection, Told};
pub use server_url::ServerUrl;
