//! Who takes part in a rehearsal.

use std::fmt::Display;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use pglock_driver::{Error, Options};

use super::client::Client;
use super::process::Role;

/// Takes in the programs of a rehearsal.
#[derive(Default)]
pub struct Stage {
    parts: Vec<Part>,
}

pub(super) struct Part {
    pub(super) role: Role,
    program: Box<dyn Fn(Client) -> LocalBoxFuture<'static, Result<(), String>>>,
}

impl Stage {
    /// A program that comes to its end, at the latest some time after the last fault.
    pub fn client<E: Display, F: Future<Output = Result<(), E>> + 'static>(
        &mut self,
        program: impl Fn(Client) -> F + 'static,
    ) {
        self.add(Role::Client, program);
    }

    /// A program that goes on until all others have come to their end.
    pub fn service<E: Display, F: Future<Output = Result<(), E>> + 'static>(
        &mut self,
        program: impl Fn(Client) -> F + 'static,
    ) {
        self.add(Role::Service, program);
    }

    /// All who take part, and one who comes last.
    pub(super) fn into_parts(mut self) -> Vec<Part> {
        self.add(Role::Last, asks_for_every_lock);
        self.parts
    }

    fn add<E: Display, F: Future<Output = Result<(), E>> + 'static>(
        &mut self,
        role: Role,
        program: impl Fn(Client) -> F + 'static,
    ) {
        let program = move |client| {
            let ended = program(client);
            ended.map(|ended| ended.map_err(|error| error.to_string())).boxed_local()
        };
        self.parts.push(Part { role, program: Box::new(program) });
    }
}

impl Part {
    pub(super) fn play(&self, client: Client) -> LocalBoxFuture<'static, ()> {
        let (house, who) = (client.house().clone(), client.who());
        let program = (self.program)(client);
        program.map(move |ended| house.scene().ended(who, ended)).boxed_local()
    }
}

async fn asks_for_every_lock(client: Client) -> Result<(), Error> {
    let locks = client.connect(Options::default()).await?;
    for name in client.names() {
        client.note(format_args!("asks for {name}"));
        locks.acquire(name.as_str()).await?.release().await?;
    }
    Ok(())
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("parts", &self.parts.len()).finish()
    }
}
