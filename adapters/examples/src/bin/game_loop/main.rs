//! The shipped async loop, its guards and a program's own futures on an executor that knows nothing of them, in a loop
//! that draws frames, on one thread. See `README.md`.

mod port;
mod world;

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures::executor::{LocalPool, LocalSpawner};
use futures::future::try_join;
use futures::task::LocalSpawnExt;
use pglock_driver::{Error, Locks, Options};
use pglock_examples::ServerUrl;

use port::Port;
use world::World;

/// Some 60 frames a second.
const FRAME: Duration = Duration::from_millis(16);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut world, port) = World::new(ServerUrl::from_environment()?);
    let mut pool = LocalPool::new();
    let outcome = Rc::new(Cell::new(None));
    let (told, spawner) = (Rc::clone(&outcome), pool.spawner());
    let game = async move {
        let arena = Arena::default();
        let red = play("red", &arena, &port, &spawner);
        let blue = play("blue", &arena, &port, &spawner);
        told.set(Some(try_join(red, blue).await));
    };
    pool.spawner().spawn_local(game)?;

    for frame in 0_u64.. {
        pool.run_until_stalled();
        if let Some(outcome) = outcome.take() {
            outcome?;
            println!("over after {frame} frames");
            break;
        }
        world.turn();
        thread::sleep(FRAME);
    }
    Ok(())
}

/// What the players share. Neither it nor their futures can be sent to another thread, nor need they be.
#[derive(Default)]
struct Arena {
    inside: Rc<Cell<u32>>,
}

/// Three rounds, of which nobody else has one at the same time, in this game or in any other on the same database.
async fn play(name: &str, arena: &Arena, port: &Port, spawner: &LocalSpawner) -> Result<(), Error> {
    let spawn = |drive| {
        let _executor_has_ended = spawner.spawn_local(drive).is_err();
    };
    let locks = Locks::open(Options::default(), port.clone(), port.clone(), spawn).await?;
    for round in 1..=3 {
        let fight = async |_| {
            arena.inside.set(arena.inside.get() + 1);
            port.next_frame().await;
            println!("{name} fights round {round}, {} in the arena", arena.inside.get());
            arena.inside.set(arena.inside.get() - 1);
        };
        locks.run("arena", fight).await?;
    }
    locks.shut_down().await;
    Ok(())
}
