//! Which server is connected to, where several will do.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use pglock_driver::Error;
use pglock_tests::Private;
use socket2::{Domain, Socket, Type};

use crate::adapter::{Adapter, database, options, run};

over_adapters_of_a_url! {
    the_next_host_is_tried_if_one_refuses,
    the_next_host_is_tried_if_one_does_not_answer_in_time,
    a_host_of_the_wrong_kind_is_refused,
    hosts_and_ports_that_do_not_go_together_are_told,
}

/// The database's URL with another server that is tried first.
fn behind(first: SocketAddr, url: &str) -> String {
    let host = url.find('@').map_or_else(|| url.find("://").unwrap() + 3, |at| at + 1);
    format!("{}{first},{}", &url[..host], &url[host..])
}

async fn the_next_host_is_tried_if_one_refuses(adapter: Adapter) {
    let database = database();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let locks = adapter.open(options(), &behind(closed, database.url())).await.unwrap();
    assert!(locks.acquire("a").await.unwrap().is_held());
}

/// Nobody takes a connection off its queue, which is full.
struct Busy(Socket, Vec<Socket>);

impl Busy {
    fn new() -> Self {
        let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = tcp();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let queued = (0..8).map(|_| {
            let queued = tcp();
            queued.set_nonblocking(true).unwrap();
            queued.connect(&listener.local_addr().unwrap()).unwrap_err();
            queued
        });
        let queued = queued.collect();
        Self(listener, queued)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

async fn the_next_host_is_tried_if_one_does_not_answer_in_time(adapter: Adapter) {
    let database = database();
    let busy = Busy::new();
    let locks = adapter.open(options(), &behind(busy.address(), database.url())).await.unwrap();
    assert!(locks.acquire("a").await.unwrap().is_held());
    assert_eq!(busy.1.len(), 8, "its queue was full all the time");
}

async fn a_host_of_the_wrong_kind_is_refused(adapter: Adapter) {
    let database = database();
    for (read_only, other, refusal) in [
        ("off", "read-only", "database is not read only"),
        ("on", "read-write", "database does not allow writes"),
    ] {
        database.set_default("default_transaction_read_only", read_only);
        let open = async |kind| {
            let url = format!("{}?target_session_attrs={kind}", database.url());
            adapter.open(options().check_table(false), &url).await
        };
        let right = if other == "read-write" { "read-only" } else { "read-write" };
        open(right).await.unwrap();
        open("any").await.unwrap();
        let error = open(other).await.unwrap_err();
        assert!(matches!(&error, Error::Connect(_)), "{error:?}");
        assert!(error.to_string().contains(refusal), "{error}");
    }
}

async fn hosts_and_ports_that_do_not_go_together_are_told(adapter: Adapter) {
    for url in ["user=app", "host=a,b hostaddr=127.0.0.1 user=app", "host=a,b,c port=1,2 user=app"]
    {
        let error = adapter.open(options(), url).await.unwrap_err();
        assert!(matches!(&error, Error::Connect(error) if error.server.is_none()), "{error:?}");
    }
}

/// A server of its own, since that of the other tests may be elsewhere; it serves all adapters.
#[test]
fn a_server_is_found_by_its_socket_and_by_its_address() {
    run(async {
        let server = Private::new();
        let database = server.database();
        let session = database.connect().await;
        let folder = session.ask("SHOW unix_socket_directories").await.unwrap();
        let port = session.ask("SHOW port").await.unwrap();
        let place = format!("user=postgres port={port} dbname={}", database.name());
        for adapter in Adapter::OF_A_URL {
            for host in [
                format!("host={folder}"),
                format!("host=/nowhere,{folder}"),
                "hostaddr=127.0.0.1".into(),
                "host=nowhere.invalid hostaddr=127.0.0.1".into(),
                "host=localhost load_balance_hosts=random".into(),
            ] {
                let url = format!("{host} {place}");
                let locks = adapter.open(options(), &url).await.expect(&host);
                assert!(locks.acquire("a").await.unwrap().release().await.unwrap().confirmed);
            }
        }
    });
}
