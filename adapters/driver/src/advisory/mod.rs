//! Advisory locks as users get them: the request, the guard, and on whose behalf.

mod hold;
mod lock;
mod owner;
mod request;

pub use hold::AdvisoryHold;
pub use lock::AdvisoryLock;
pub use owner::AdvisoryOwner;
pub use request::AdvisoryRequest;
