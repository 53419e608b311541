//! A server in a container of the official image, if a Docker engine is there.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use super::programs::Account;
use super::watchdog::Watchdog;
use crate::say;

const IMAGE: &str = "postgres:18";
/// How long the server in it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

pub(in crate::demo) struct Container {
    pub(super) url: String,
    _watchdog: Watchdog,
}

impl Container {
    pub(super) async fn start() -> Result<Self, String> {
        docker(&["version", "--format", "{{.Server.Version}}"])?;
        if docker(&["image", "inspect", IMAGE]).is_err() {
            pull()?;
        }
        say::line(&format!("starting a private server in a container of {IMAGE}"));
        let name = format!("pglock-demo-{}", std::process::id());
        let cleanup = r#"docker rm --force --volumes "$1""#;
        let watchdog = Watchdog::new(cleanup, &[OsStr::new(&name)], Account { ids: None })
            .map_err(|error| format!("no shell to clean up: {error}"))?;
        let password = password().map_err(|error| format!("/dev/urandom: {error}"))?;
        let setting = format!("POSTGRES_PASSWORD={password}");
        let publish = ["--publish", "127.0.0.1::5432", "--env", &setting];
        docker(&[&["run", "--detach", "--name", &name][..], &publish, &[IMAGE]].concat())?;
        let address = docker(&["port", &name, "5432"])?;
        let address = address.lines().next().unwrap_or_default();
        let url = format!("postgres://postgres:{password}@{address}/postgres");
        let container = Self { url, _watchdog: watchdog };
        container.answers().await.map(|()| container)
    }

    async fn answers(&self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.to_string()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// Takes long, so docker's own words about it are shown.
fn pull() -> Result<(), String> {
    say::line(&format!("fetching the image {IMAGE}"));
    let status = Command::new("docker").args(["pull", IMAGE]).stdout(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("docker pull {IMAGE}: {status}")),
        Err(error) => Err(format!("docker: {error}")),
    }
}

fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("docker: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn password() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
