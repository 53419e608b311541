//! Statements or replies that are lost on the way: settled by asking again, and never seen by callers.

use pglock_driver::{Heartbeat, Token};
use pglock_tests::{Database, Fault, Proxy};

use crate::adapter::{Adapter, Locks, database, ms, options};

over_all_adapters! {
    an_acquire_without_a_reply_is_granted_once,
    a_first_acquire_without_a_reply_is_granted_once,
    a_try_without_a_reply_is_asked_again,
    a_heartbeat_without_a_reply_is_no_loss,
    a_change_without_a_reply_is_made_once,
    a_release_without_a_reply_frees_the_lock,
    a_question_without_a_reply_is_asked_again,
    one_silent_connection_holds_up_no_other_lock,
}

/// Texts that only one statement has.
const ACQUIRE: &str = "INSERT INTO";
const RENEW: &str = "SKIP LOCKED";
const AMEND: &str = "coalesce($4::int8";
const RELEASE: &str = "l.waiters[1]";
const READ: &str = "WHERE l.name = $1";

const FAULTS: [Fault; 3] = [Fault::RequestLost, Fault::ReplyLost, Fault::Silence];

/// A handle behind a network that fails, with deadlines that are soon over, and one beside it.
struct Scene {
    database: Database,
    proxy: Proxy,
    locks: Locks,
    others: Locks,
}

impl Scene {
    async fn new(adapter: Adapter) -> Self {
        let database = database();
        let proxy = Proxy::new(database.url());
        let hasty = options().reply_deadline(ms(500));
        let locks = adapter.open(hasty, proxy.url()).await.unwrap();
        let others = adapter.locks(&database).await;
        Self { database, proxy, locks, others }
    }

    /// Makes a free row, so that an acquire is granted by its first statement.
    async fn used(&self, name: &str) -> Token {
        let lock = self.others.acquire(name).await.unwrap();
        let token = lock.token();
        lock.release().await.unwrap();
        token
    }

    /// Who holds the lock, by its token.
    async fn holder(&self, name: &str) -> Option<Token> {
        let entry = self.others.get(name).await.unwrap().unwrap();
        entry.token.filter(|_| entry.is_held())
    }

    fn has_struck(&self) {
        assert!(self.proxy.has_struck(), "the fault has waited for another text");
    }
}

async fn an_acquire_without_a_reply_is_granted_once(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    for fault in FAULTS {
        let before = scene.used("a").await;
        scene.proxy.strike(ACQUIRE, fault);
        let lock = scene.locks.acquire("a").await.unwrap();
        scene.has_struck();
        assert!(lock.is_held());
        assert!(lock.token() > before);
        assert_eq!(scene.holder("a").await, Some(lock.token()), "{fault:?}");
        lock.heartbeat().await.unwrap();
        assert!(scene.others.try_acquire("a").await.unwrap().is_none());
        assert!(lock.release().await.unwrap().confirmed);
        assert_eq!(scene.holder("a").await, None);
    }
}

async fn a_first_acquire_without_a_reply_is_granted_once(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    for fault in FAULTS {
        scene.database.execute("DELETE FROM locks");
        scene.proxy.strike(ACQUIRE, fault);
        let lock = scene.locks.acquire("a").await.unwrap();
        scene.has_struck();
        assert_eq!(scene.holder("a").await, Some(lock.token()), "{fault:?}");
        assert!(lock.release().await.unwrap().confirmed);
    }
}

async fn a_try_without_a_reply_is_asked_again(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    for fault in FAULTS {
        scene.used("a").await;
        scene.proxy.strike(ACQUIRE, fault);
        let lock = scene.locks.try_acquire("a").await.unwrap().expect("a free lock");
        scene.has_struck();
        assert_eq!(scene.holder("a").await, Some(lock.token()), "{fault:?}");
        lock.release().await.unwrap();
    }
}

async fn a_heartbeat_without_a_reply_is_no_loss(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    let lock = scene.locks.request("a").heartbeat(Heartbeat::ByHand).acquire().await.unwrap();
    for fault in FAULTS {
        let valid_until = lock.valid_until();
        scene.proxy.strike(RENEW, fault);
        lock.heartbeat().await.unwrap();
        scene.has_struck();
        assert!(lock.valid_until() > valid_until);
        assert_eq!(scene.holder("a").await, Some(lock.token()), "{fault:?}");
        assert!(scene.others.try_acquire("a").await.unwrap().is_none());
    }
    assert!(lock.release().await.unwrap().confirmed);
}

async fn a_change_without_a_reply_is_made_once(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    let lock = scene.locks.acquire("a").await.unwrap();
    for (fault, data) in FAULTS.into_iter().zip([b"one", b"two", b"six"]) {
        scene.proxy.strike(AMEND, fault);
        lock.set_data(data).await.unwrap();
        scene.has_struck();
        let entry = scene.others.get("a").await.unwrap().unwrap();
        assert_eq!(entry.data.as_deref(), Some(&data[..]), "{fault:?}");
        lock.ensure_held().unwrap();
    }
    assert!(lock.release().await.unwrap().confirmed);
}

async fn a_release_without_a_reply_frees_the_lock(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    for fault in FAULTS {
        let lock = scene.locks.acquire("a").await.unwrap();
        scene.proxy.strike(RELEASE, fault);
        assert!(lock.release().await.unwrap().confirmed, "{fault:?}");
        scene.has_struck();
        assert_eq!(scene.holder("a").await, None);
        assert!(scene.others.try_acquire("a").await.unwrap().is_some());
    }
}

async fn a_question_without_a_reply_is_asked_again(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    scene.used("a").await;
    for fault in [Fault::RequestLost, Fault::ReplyLost] {
        scene.proxy.strike(READ, fault);
        assert!(scene.locks.get("a").await.unwrap().is_some(), "{fault:?}");
        scene.has_struck();
    }
}

async fn one_silent_connection_holds_up_no_other_lock(adapter: Adapter) {
    let scene = Scene::new(adapter).await;
    scene.used("stuck").await;
    let request = scene.locks.request("a").lease(ms(8_000));
    let lock = request.acquire().await.unwrap();
    let goal = lock.valid_until().saturating_add(ms(2_000));
    while lock.valid_until() < goal {
        scene.proxy.strike(ACQUIRE, Fault::Silence);
        let stuck = scene.locks.acquire("stuck").await.unwrap();
        scene.has_struck();
        lock.ensure_held().expect("renewals go on beside a connection that hangs");
        stuck.release().await.unwrap();
    }
    lock.release().await.unwrap();
}
