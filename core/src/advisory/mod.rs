//! Advisory locks: the server's own, which end with the session that holds them.
//!
//! `key` says where a lock stands, `mapping` how a name gets there, `family` which session serves it, `spot` who of
//! this client has it and who waits, `post` whether the session can be trusted to hold it. `holders` tells who has
//! a lock on the server, `transaction` takes one inside a transaction of the user's own.

pub(crate) mod family;
pub(crate) mod holders;
mod key;
pub(crate) mod locks;
mod mapping;
mod post;
mod request;
mod spot;
mod statement;
mod transaction;
mod waiter;

pub use holders::{AdvisoryClaim, AdvisoryWait};
pub use key::{AdvisoryKey, AdvisoryPlace};
pub use mapping::KeyMapping;
pub(crate) use mapping::fnv1a;
pub use request::{AdvisoryMode, AdvisoryRequest, OwnerId};
pub use statement::{Advisory, Call};
pub(crate) use statement::{CHANNEL, unlocked};
pub use transaction::TransactionLock;
