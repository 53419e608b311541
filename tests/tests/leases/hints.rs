//! Who waits is told when the lock is handed over to it, and looks where it cannot be told.

use std::collections::VecDeque;
use std::time::Duration;

use pglock_driver::{Error, Options};
use pglock_tests::{Database, Session, eventually};
use tokio::task::JoinHandle;

use crate::adapter::{Adapter, Lock, Locks, database, ms, options};

over_all_adapters! {
    a_waiter_is_told_of_the_release,
    a_waiter_is_told_of_an_eviction,
    each_waiter_is_told_of_its_own_lock,
    those_in_line_have_the_lock_in_their_order,
    who_leaves_the_line_is_passed_over,
    a_lock_that_nobody_comes_for_goes_to_another,
    the_channel_has_the_name_of_the_table,
    without_hints_nobody_listens,
    behind_a_pooler_nobody_listens,
    who_is_cut_off_listens_again,
    who_cannot_listen_looks,
    nobody_listens_after_a_shut_down,
}

/// Nobody looks again, and no lease passes, before a test has failed.
fn patient() -> Options {
    let hour = Duration::from_secs(3_600);
    options().lease(hour / 6).poll(hour).patience(hour * 2)
}

fn wait_for(locks: &Locks, name: &'static str) -> JoinHandle<Result<Lock, Error>> {
    let locks = locks.clone();
    tokio::spawn(async move { locks.acquire(name).await })
}

/// A session that looks at what the others do.
struct Watcher(Session);

impl Watcher {
    async fn of(database: &Database) -> Self {
        Self(database.connect().await)
    }

    /// Which processes of the server did nothing since they were told to listen.
    async fn listening(&self) -> Option<String> {
        let listening = "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity \
                         WHERE datname = current_database() AND query LIKE 'DO %LISTEN %' AND state = 'idle'";
        self.0.ask(listening).await
    }

    /// How many wait in line.
    async fn waiting(&self) -> usize {
        let waiting = self.0.ask("SELECT count(*) FROM locks, unnest(waiters)").await;
        waiting.unwrap().parse().unwrap()
    }

    async fn until_waiting(&self, clients: usize) {
        eventually("they wait in line", async || self.waiting().await == clients).await;
    }

    async fn cut_off(&self, process: &str) {
        self.0.execute(&format!("SELECT pg_terminate_backend({process})")).await;
    }
}

/// Whoever looks, holds, and waits.
async fn scene(adapter: Adapter, database: &Database) -> (Watcher, [Locks; 2]) {
    let watcher = Watcher::of(database).await;
    let holder = adapter.locks_with(patient(), database).await;
    (watcher, [holder, adapter.locks_with(patient(), database).await])
}

async fn a_waiter_is_told_of_the_release(adapter: Adapter) {
    let database = database();
    let (watcher, [holder, waiter]) = scene(adapter, &database).await;
    for _ in 0..3 {
        let held = holder.acquire("a").await.unwrap();
        let waiting = wait_for(&waiter, "a");
        watcher.until_waiting(1).await;
        held.release().await.unwrap();
        waiting.await.unwrap().unwrap().release().await.unwrap();
    }
}

async fn a_waiter_is_told_of_an_eviction(adapter: Adapter) {
    let database = database();
    let (watcher, [holder, waiter]) = scene(adapter, &database).await;
    let held = holder.acquire("a").await.unwrap();
    let waiting = wait_for(&waiter, "a");
    watcher.until_waiting(1).await;
    waiter.evict("a", held.token()).await.unwrap().unwrap();
    assert!(waiting.await.unwrap().unwrap().is_held());
}

async fn each_waiter_is_told_of_its_own_lock(adapter: Adapter) {
    const NAMES: [&str; 4] = ["a", "a b", "ü 'c\"", "d"];
    let database = database();
    let (watcher, [holder, waiter]) = scene(adapter, &database).await;
    let (mut held, mut waiting) = (Vec::new(), Vec::new());
    for name in NAMES {
        held.push(holder.acquire(name).await.unwrap());
        waiting.push(wait_for(&waiter, name));
    }
    watcher.until_waiting(NAMES.len()).await;
    held.into_iter().for_each(drop);
    for waiting in waiting {
        assert!(waiting.await.unwrap().unwrap().is_held());
    }
}

/// One statement to release and one to acquire, however many wait.
async fn those_in_line_have_the_lock_in_their_order(adapter: Adapter) {
    const WAITERS: usize = 6;
    let database = database();
    let watcher = Watcher::of(&database).await;
    let holder = adapter.locks_with(patient(), &database).await;
    let mut held = holder.acquire("a").await.unwrap();
    let mut waiting = VecDeque::new();
    for number in 1..=WAITERS {
        let waiter = adapter.locks_with(patient(), &database).await;
        waiting.push_back((wait_for(&waiter, "a"), waiter));
        watcher.until_waiting(number).await;
    }
    let before = commands(waiting.iter().map(|(_, waiter)| waiter)).await;
    let mut served = Vec::new();
    while let Some((first, waiter)) = waiting.pop_front() {
        let token = held.token();
        held.release().await.unwrap();
        held = first.await.unwrap().unwrap();
        assert!(held.token() > token);
        assert_eq!(watcher.waiting().await, waiting.len());
        assert!(waiting.iter().all(|(behind, _)| !behind.is_finished()));
        served.push(waiter);
    }
    held.release().await.unwrap();
    let sent = commands(served.iter()).await - before;
    assert_eq!(sent, 2 * u64::try_from(WAITERS).unwrap());
}

async fn commands(clients: impl Iterator<Item = &Locks>) -> u64 {
    let mut commands = 0;
    for client in clients {
        commands += client.counters().await.unwrap().commands;
    }
    commands
}

async fn who_leaves_the_line_is_passed_over(adapter: Adapter) {
    let database = database();
    let (watcher, [holder, first]) = scene(adapter, &database).await;
    let second = adapter.locks_with(patient(), &database).await;
    let held = holder.acquire("a").await.unwrap();
    let gives_up = wait_for(&first, "a");
    watcher.until_waiting(1).await;
    let waiting = wait_for(&second, "a");
    watcher.until_waiting(2).await;
    first.shut_down().await;
    assert!(matches!(gives_up.await.unwrap(), Err(Error::Closed)));
    watcher.until_waiting(1).await;
    held.release().await.unwrap();
    assert!(waiting.await.unwrap().unwrap().is_held());
}

/// Whoever crashes while it waits in line has the lock handed over to it, and does not come.
async fn a_lock_that_nobody_comes_for_goes_to_another(adapter: Adapter) {
    let database = database();
    let watcher = Watcher::of(&database).await;
    let holder = adapter.locks_with(options(), &database).await;
    let held = holder.acquire("a").await.unwrap();
    let crashed = "UPDATE locks SET waiters = ARRAY[6917529027641081863]";
    watcher.0.execute(crashed).await;
    let waiter = adapter.locks_with(options(), &database).await;
    let waiting = wait_for(&waiter, "a");
    watcher.until_waiting(2).await;
    held.release().await.unwrap();
    let lock = waiting.await.unwrap().unwrap();
    assert!(lock.is_held());
    assert_eq!(watcher.waiting().await, 0);
}

async fn the_channel_has_the_name_of_the_table(adapter: Adapter) {
    let database = database();
    let options = || patient().table("Shop.Lock's \"table\"");
    database.execute("CREATE SCHEMA \"Shop\"");
    let holder = adapter.locks_with(options(), &database).await;
    let waiter = adapter.locks_with(options(), &database).await;
    let held = holder.acquire("a").await.unwrap();
    let waiting = wait_for(&waiter, "a");
    let watcher = database.connect().await;
    let in_line = "SELECT cardinality(waiters) FROM \"Shop\".\"Lock's \"\"table\"\"\"";
    eventually("it waits in line", async || watcher.ask(in_line).await.as_deref() == Some("1"))
        .await;
    held.release().await.unwrap();
    assert!(waiting.await.unwrap().unwrap().is_held());
}

async fn without_hints_nobody_listens(adapter: Adapter) {
    let database = database();
    let waiter = adapter.locks_with(options().hints(false), &database).await;
    waits_without_listening(adapter, &database, &waiter).await;
}

async fn behind_a_pooler_nobody_listens(adapter: Adapter) {
    let database = database();
    let waiter = adapter.unprepared(options(), database.url()).await;
    waits_without_listening(adapter, &database, &waiter).await;
}

async fn waits_without_listening(adapter: Adapter, database: &Database, waiter: &Locks) {
    let watcher = Watcher::of(database).await;
    let held = adapter.locks(database).await.acquire("a").await.unwrap();
    let before = waiter.counters().await.unwrap().commands;
    let waiting = wait_for(waiter, "a");
    eventually("it has looked some times", async || {
        waiter.counters().await.unwrap().commands > before + 5
    })
    .await;
    assert_eq!((watcher.listening().await, watcher.waiting().await), (None, 0));
    held.release().await.unwrap();
    assert!(waiting.await.unwrap().unwrap().is_held());
}

async fn who_is_cut_off_listens_again(adapter: Adapter) {
    let database = database();
    let (watcher, [holder, waiter]) = scene(adapter, &database).await;
    let held = holder.acquire("a").await.unwrap();
    let waiting = wait_for(&waiter, "a");
    watcher.until_waiting(1).await;
    let first = watcher.listening().await.unwrap();
    watcher.cut_off(&first).await;
    eventually("another one listens", async || {
        watcher.listening().await.is_some_and(|now| now != first)
    })
    .await;
    held.release().await.unwrap();
    assert!(waiting.await.unwrap().unwrap().is_held());
}

/// Whoever is connected stays so, and nobody else can connect.
async fn who_cannot_listen_looks(adapter: Adapter) {
    let (database, elsewhere) = (database(), database());
    let allow = |allowed: bool| {
        let name = database.name();
        elsewhere.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"));
    };
    let watcher = Watcher::of(&database).await;
    let holder = adapter.locks_with(options().lease(ms(600_000)), &database).await;
    let waiter = adapter.locks_with(options().lease(ms(600_000)), &database).await;
    let held = holder.acquire("a").await.unwrap();
    let waiting = wait_for(&waiter, "a");
    watcher.until_waiting(1).await;
    let first = watcher.listening().await.unwrap();
    allow(false);
    watcher.cut_off(&first).await;
    eventually("nobody listens", async || watcher.listening().await.is_none()).await;
    held.release().await.unwrap();
    waiting.await.unwrap().unwrap().release().await.unwrap();
    assert_eq!(watcher.listening().await, None);
    allow(true);
    let _held = holder.acquire("a").await.unwrap();
    let _waiting = wait_for(&waiter, "a");
    eventually("somebody listens", async || watcher.listening().await.is_some()).await;
}

async fn nobody_listens_after_a_shut_down(adapter: Adapter) {
    let database = database();
    let (watcher, [holder, waiter]) = scene(adapter, &database).await;
    let _held = holder.acquire("a").await.unwrap();
    let waiting = wait_for(&waiter, "a");
    watcher.until_waiting(1).await;
    waiter.shut_down().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
    eventually("nobody listens", async || watcher.listening().await.is_none()).await;
}
