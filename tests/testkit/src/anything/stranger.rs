//! What belongs to another client, who has come so far that its ids are none of the first's.

use std::sync::OnceLock;

use pglock_core::{
    Client, Command, Config, Identity, Instant, LockId, LockName, Outcome, Output, Request,
};

/// More than any client in a test asks for.
const FAR: u64 = 10_000;

/// A lock and a command of another client; the command tells its session.
pub(super) struct Stranger {
    pub(super) lock: LockId,
    pub(super) command: Command,
}

impl Stranger {
    pub(super) fn met() -> Result<&'static Self, String> {
        static MET: OnceLock<Option<Stranger>> = OnceLock::new();
        MET.get_or_init(Self::meet).as_ref().ok_or_else(|| "there is no other client".into())
    }

    /// Asks, loses the answer, asks again.
    fn meet() -> Option<Self> {
        let mut client = Client::new(Config::default(), Identity::new([9; 16]), 2).ok()?;
        let name = LockName::new("a").ok()?;
        let mut now = Instant::default();
        loop {
            let lock = client.acquire(Request::new(name.clone()), now).ok()?;
            let command = loop {
                match client.poll_output(now) {
                    Output::Connect(session, _) => client.handle_connected(session, now),
                    Output::Execute(command) => break command,
                    Output::Wait(wake) => now = wake.at?,
                    Output::Disconnect(_) | Output::Event(_) => {}
                }
            };
            let ids = [lock.as_u64(), command.id().as_u64(), command.session().as_u64()];
            if ids.iter().all(|id| *id > FAR) {
                return Some(Self { lock, command });
            }
            client.handle_outcome(command.id(), Outcome::Lost, now);
            client.cancel(lock, now).ok()?;
        }
    }
}
