//! One client of the core, as JSON. There are no sessions over HTTP, so that one is open as soon as it is wanted.

use std::collections::BTreeMap;

use pglock_core::{
    Client as Core, Command, CommandId, Config, Event, Identity, Instant, LockId, LockName, Output,
    Question, Request,
};
use serde_json::{Value, json};

use crate::json;

pub(crate) struct Client {
    core: Core,
    commands: BTreeMap<u64, CommandId>,
    locks: BTreeMap<u64, LockId>,
}

type Done<T> = Result<T, String>;

impl Client {
    /// Takes one thing in, and answers all that is to be done now and when there will be more.
    pub(crate) fn turn(client: &mut Option<Self>, input: &[u8]) -> Done<Value> {
        let input: Value = serde_json::from_slice(input).map_err(told)?;
        let now = input.get("now").and_then(Value::as_u64).ok_or("no reading of the clock")?;
        let now = Instant::from_nanos(now);
        if let Some(start) = input.get("start") {
            *client = Some(Self::new(start)?);
        }
        let client = client.as_mut().ok_or("there is no client yet")?;
        client.take_in(&input, now)?;
        Ok(client.put_out(now))
    }

    fn new(start: &Value) -> Done<Self> {
        let identity: [u8; 16] = serde_json::from_value(start["identity"].clone()).map_err(told)?;
        let mut config = Config::default();
        config.hints = false;
        let seed = start["seed"].as_u64().ok_or("no seed")?;
        let core = Core::new(config, Identity::new(identity), seed).map_err(told)?;
        Ok(Self { core, commands: BTreeMap::new(), locks: BTreeMap::new() })
    }

    fn take_in(&mut self, input: &Value, now: Instant) -> Done<()> {
        if input.get("createTable").is_some() {
            self.core.ask(Question::CreateTable, now).map_err(told)?;
        }
        if let Some(name) = input["acquire"].as_str() {
            let request = Request::new(LockName::new(name).map_err(told)?);
            let lock = self.core.acquire(request, now).map_err(told)?;
            self.locks.insert(lock.as_u64(), lock);
        }
        if let Some(lock) = input["release"].as_u64().and_then(|lock| self.locks.get(&lock)) {
            self.core.release(*lock, now).map_err(told)?;
        }
        if let Some(command) = input["command"].as_u64().and_then(|id| self.commands.remove(&id)) {
            self.core.handle_outcome(command, json::outcome(&input["answer"]), now);
        }
        Ok(())
    }

    fn put_out(&mut self, now: Instant) -> Value {
        let (mut commands, mut events) = (Vec::new(), Vec::new());
        let wake = loop {
            match self.core.poll_output(now) {
                Output::Connect(session, _) => self.core.handle_connected(session, now),
                Output::Disconnect(_) => {}
                Output::Execute(command) => commands.push(self.send(&command)),
                Output::Event(event) => events.push(tell(&event)),
                Output::Wait(wake) => break wake.at.map(Instant::as_nanos),
            }
        };
        json!({ "commands": commands, "events": events, "wake": wake })
    }

    fn send(&mut self, command: &Command) -> Value {
        self.commands.insert(command.id().as_u64(), command.id());
        json!({ "command": command.id().as_u64(), "statement": json::statement(&command.query()) })
    }
}

fn tell(event: &Event) -> Value {
    let lock = event.lock().map(LockId::as_u64);
    let kind = match event {
        Event::Acquired { .. } => "acquired",
        Event::Waiting { .. } => "waiting",
        Event::Released { .. } => "released",
        Event::Answered { answer: Ok(_), .. } => "answered",
        _ => "other",
    };
    let token =
        if let Event::Acquired { grant, .. } = event { Some(grant.token.as_i64()) } else { None };
    json!({ "event": kind, "lock": lock, "token": token, "words": format!("{event:?}") })
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}
