//! Somebody who was never there before asks for the lock when all else is over. Messages take no time.

use pglock_core::LockName;

use super::books::Books;
use super::message::{Reply, Request, Who};
use super::person::{Person, Touch, Wish};
use super::ticks::{self, Rate};
use super::{Bounds, MOST};
use crate::oracle::{Verdict, broken};

/// Whether it gets the lock within one lease on its clock, which is fast.
pub(super) fn check(mut books: Books, name: &LockName, bounds: &Bounds) -> Verdict {
    let who = Who { client: MOST, life: 0 };
    let config = ticks::config(bounds.lease, false);
    let mut person = Person::new(who, config)?;
    let mut touch = Touch::Ask(name);
    for tick in 0..=bounds.lease {
        let now = Rate::Fast.reading(tick);
        let done = person.touch(touch, now)?;
        person = done.person;
        let mut commands = done.commands;
        while let Some(command) = commands.pop() {
            let request = Request::new(who, &command, books.is_ripe(bounds.lease));
            let outcome = books.run(&request)?;
            let Request { session, command, .. } = request;
            let reply = Reply { who, session, command, outcome };
            let done = person.touch(Touch::Reply(&reply), now)?;
            person = done.person;
            commands.extend(done.commands);
        }
        if matches!(person.wish(), Wish::Holds(_)) {
            return Ok(());
        }
        touch = Touch::Wake;
        books.tick(bounds.lease);
    }
    broken("L3", format!("somebody new waits for more than one lease: {:?}", person.wish()))
}
