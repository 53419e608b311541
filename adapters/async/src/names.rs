//! What every adapter of an async runtime offers beside its own [`Locks`](crate::Locks) and
//! [`Builder`](crate::Builder), so that whoever changes the runtime changes the crate's name only.

pub use crate::xact;

pub use pglock_driver::{
    AdvisoryClaim, AdvisoryHold, AdvisoryKey, AdvisoryLock, AdvisoryMode, AdvisoryOwner,
    AdvisoryPlace, AdvisoryRequest, AdvisoryWait, AskError, Backoff, Belief, Config, ConfigError,
    ConnectError, Counters, Drift, Entry, Error, Failure, Foreign, Heartbeat, Hold, Holder,
    Identity, Instant, KeyMapping, Lock, Loss, NameError, Options, OwnerError, Problem, Released,
    Request, Rvn, ServerError, SessionKind, SqlState, Table, TableError, TableReport, Token, Unfit,
    Wait,
};
