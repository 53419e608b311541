//! Advisory locks: the server's own, which end with the session that holds them.
//!
//! `key` says where a lock stands, `mapping` how a name gets there.

mod key;
mod mapping;

pub use key::{AdvisoryKey, AdvisoryPlace};
pub use mapping::KeyMapping;
pub(crate) use mapping::fnv1a;
