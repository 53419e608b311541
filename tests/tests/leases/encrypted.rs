//! Connections through TLS.

use pglock_async::Socket;
use pglock_driver::Error;
use pglock_tests::{Certificate, Database, Private, Runtime, connect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::adapter::{Adapter, Locks, blocking};

over_adapters_of_a_url! {
    a_lock_lives_on_encrypted_connections_if_there_is_a_connector,
    a_server_that_cannot_be_trusted_is_told,
    a_server_without_a_name_cannot_be_trusted,
}

const HOST: &str = "localhost";

async fn a_lock_lives_on_encrypted_connections_if_there_is_a_connector(adapter: Adapter) {
    let (server, certificate) = encrypted();
    let (plain, database) = (server.database(), server.database());
    let locks = adapter.locks(&plain).await;
    let lock = locks.acquire("a").await.unwrap();
    assert_eq!(encryption(&plain).await, "false");
    assert!(lock.release().await.unwrap().confirmed);

    let locks = open(adapter, &certificate, &url(&database, HOST)).await.unwrap();
    let lock = locks.acquire("a").await.unwrap();
    lock.heartbeat().await.unwrap();
    assert_eq!(encryption(&database).await, "true");
    assert!(lock.release().await.unwrap().confirmed);
}

async fn a_server_that_cannot_be_trusted_is_told(adapter: Adapter) {
    let (server, certificate) = encrypted();
    let database = server.database();
    let another = Certificate::of(HOST);
    for (root, host) in [(&another, HOST), (&certificate, "127.0.0.1")] {
        let error = open(adapter, root, &url(&database, host)).await.unwrap_err();
        assert!(matches!(&error, Error::Connect(_)), "{error:?}");
        assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    }
}

/// A certificate is one of a name.
async fn a_server_without_a_name_cannot_be_trusted(adapter: Adapter) {
    let (server, certificate) = encrypted();
    let database = server.database();
    let port = database.connect().await.ask("SHOW port").await.unwrap();
    let place = format!("hostaddr=127.0.0.1 port={port} user=postgres dbname={}", database.name());
    let encrypted = format!("{place} sslmode=require");
    let error = open(adapter, &certificate, &encrypted).await.unwrap_err();
    assert!(error.to_string().contains("no hostname provided for TLS handshake"), "{error}");
    open(adapter, &certificate, &format!("{place} sslmode=disable")).await.unwrap();
}

fn encrypted() -> (Private, Certificate) {
    let (server, certificate) = (Private::new(), Certificate::of(HOST));
    server.encrypt(&certificate);
    (server, certificate)
}

fn url(database: &Database, host: &str) -> String {
    database.url().replace("127.0.0.1", host) + "?sslmode=require"
}

/// Trusts this certificate and no other.
async fn open(adapter: Adapter, root: &Certificate, url: &str) -> Result<Locks, Error> {
    let tls = MakeRustlsConnect::new(trusting(root));
    match adapter {
        Adapter::Async(runtime) => encrypt(runtime, tls, url.to_owned()).await.map(Locks::Async),
        Adapter::Postgres => {
            let (builder, url) = (pglock_postgres::Locks::builder().tls(tls), url.to_owned());
            blocking(move || builder.connect(&url)).await.map(Locks::Postgres)
        }
        Adapter::Sqlx => unreachable!("sqlx has its own connectors"),
    }
}

async fn encrypt(
    runtime: Runtime,
    tls: MakeRustlsConnect,
    url: String,
) -> Result<pglock_driver::Locks, Error> {
    let maker = tls.clone();
    let connector =
        move |host: &str| MakeTlsConnect::<Socket>::make_tls_connect(&mut maker.clone(), host);
    match runtime {
        Runtime::Tokio => connect(pglock_tokio::Locks::builder().tls(tls), url).await,
        Runtime::AsyncStd => {
            runtime.run(connect(pglock_async_std::Locks::builder().tls(connector), url)).await
        }
        Runtime::Smol => {
            runtime.run(connect(pglock_smol::Locks::builder().tls(connector), url)).await
        }
    }
}

fn trusting(root: &Certificate) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.pem().as_bytes()).unwrap()).unwrap();
    ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
}

/// Which kinds of connections of the library there are: encrypted, plain, or both.
async fn encryption(database: &Database) -> String {
    let query = "SELECT string_agg(DISTINCT ssl::text, ' ') FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                 WHERE datname = current_database() AND application_name = 'pglock'";
    database.connect().await.ask(query).await.expect("a connection")
}
