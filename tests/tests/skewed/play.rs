//! What proptest draws: how the clocks are wrong, what each client does in its turns, and what goes wrong then.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pglock_testkit::{Account, What};
use pglock_tests::Fault;
use postgres::NoTls;
use proptest::collection;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use crate::client::{Client, DRIFT, Held, rest};
use crate::clock::{Skew, Truth};
use crate::handle::Adapter;

#[derive(Clone, Debug)]
pub(crate) struct Play {
    lease: Duration,
    roles: Vec<Role>,
}

#[derive(Clone, Debug)]
struct Role {
    adapter: Adapter,
    skew: Skew,
    turns: Vec<Turn>,
}

#[derive(Clone, Debug)]
struct Turn {
    /// What strikes a statement while it asks, and while it holds.
    asking: Option<Fault>,
    holding: Option<Fault>,
    hold: Duration,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Release,
    Drop,
    /// Its network falls silent until its belief is over and somebody else has the lock, if anybody wants it.
    Silence,
}

pub(crate) fn play() -> impl Strategy<Value = Play> {
    let lease = ms(500..=900);
    let roles = collection::vec(role(), 2..=3);
    (lease, roles).prop_map(|(lease, roles)| Play { lease, roles })
}

fn role() -> impl Strategy<Value = Role> {
    let adapter = select(&Adapter::ALL);
    let turns = collection::vec(turn(), 1..=3);
    (adapter, skew(), turns).prop_map(|(adapter, skew, turns)| Role { adapter, skew, turns })
}

/// Within what clients count on, and often at its very end.
fn skew() -> impl Strategy<Value = Skew> {
    let most = i64::from(DRIFT);
    let rate = prop_oneof![Just(0), Just(-most), Just(most), -most..=most];
    let offset = any::<u32>().prop_map(|offset| u64::from(offset) << 20);
    let pauses = collection::vec(0..400_u32, 0..=6);
    (rate, offset, pauses, ms(1..=1_200)).prop_map(|(rate, offset, pauses, pause)| Skew {
        rate,
        offset,
        pauses,
        pause,
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    let end = prop_oneof![Just(End::Release), Just(End::Drop), Just(End::Silence)];
    (option::of(fault()), option::of(fault()), ms(0..=400), end)
        .prop_map(|(asking, holding, hold, end)| Turn { asking, holding, hold, end })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        ms(1..=1_500).prop_map(Fault::Late),
        Just(Fault::RequestLost),
        Just(Fault::ReplyLost),
        Just(Fault::Silence),
    ]
}

fn ms(span: RangeInclusive<u64>) -> impl Strategy<Value = Duration> {
    span.prop_map(Duration::from_millis)
}

impl Play {
    /// Everybody takes all its turns, however long it takes.
    pub(crate) fn perform<'a>(&'a self, database: &str) -> Account {
        let truth = Truth::new();
        let open = |(who, role): (usize, &Role)| {
            Client::open(who, role.adapter, role.skew.clone(), self.lease, truth, database)
        };
        let clients: Vec<_> = self.roles.iter().enumerate().map(open).collect();
        let active = AtomicUsize::new(clients.len());
        let mut all = Account::default();
        thread::scope(|scope| {
            let active = &active;
            let perform = |(client, role): (Client, &'a Role)| {
                scope.spawn(move || role.perform(client, database, active))
            };
            let threads: Vec<_> = clients.into_iter().zip(&self.roles).map(perform).collect();
            for thread in threads {
                all.entries.extend(thread.join().expect("a client that ends").entries);
            }
        });
        all.add(truth.now(), What::Over);
        all
    }
}

impl Role {
    fn perform(&self, mut client: Client, database: &str, active: &AtomicUsize) -> Account {
        for turn in &self.turns {
            turn.perform(&mut client, database, active);
        }
        active.fetch_sub(1, Ordering::SeqCst);
        client.shut_down()
    }
}

impl Turn {
    fn perform(&self, client: &mut Client, database: &str, active: &AtomicUsize) {
        self.asking.into_iter().for_each(|fault| client.strike(fault));
        let mut held = client.acquire();
        self.holding.into_iter().for_each(|fault| client.strike(fault));
        client.keep(&mut held, self.hold);
        match self.end {
            End::Release => client.release(held),
            End::Drop => client.drop(held),
            End::Silence => {
                client.proxy().fall_silent();
                let is_wanted = || active.load(Ordering::SeqCst) > 1;
                while client.look(&mut held) || (is_wanted() && stands(database, &held)) {
                    rest();
                }
                client.proxy().cut();
                client.proxy().heal();
                client.release(held);
            }
        }
    }
}

/// Whether the lock's row still shows this grant.
fn stands(database: &str, held: &Held) -> bool {
    let mut direct = postgres::Client::connect(database, NoTls).expect("a connection");
    let row = direct.query_one("SELECT fencing_token FROM locks", &[]).expect("a row");
    row.get::<_, i64>(0) == held.token()
}
