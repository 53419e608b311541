//! A server in a container: the official image if it is here or can be pulled, else one built from the local
//! programs, which answers to the same environment variables.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container as Running, GenericImage, ImageExt};

use crate::watchdog::Watchdog;

const OFFICIAL: (&str, &str) = ("postgres", "18");
const LOCAL: (&str, &str) = ("pglock-tests-postgres", "local");
const PASSWORD: &str = "secret";

/// A running container, removed when dropped, or when the process ends.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) image: String,
    pub(crate) url: String,
    _running: Running<GenericImage>,
    _watchdog: Watchdog,
}

impl Container {
    /// Starts one.
    pub(crate) fn try_new() -> Result<Self, String> {
        if !quiet("docker", &["version"]) {
            return Err("no Docker engine answers".into());
        }
        start(OFFICIAL).or_else(|official| {
            build_local()
                .and_then(|()| start(LOCAL))
                .map_err(|local| format!("{official}; {local}"))
        })
    }
}

fn start((name, tag): (&str, &str)) -> Result<Container, String> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let container = format!("pglock-tests-{}-{number}", std::process::id());
    let watchdog =
        Watchdog::new(r#"docker rm --force --volumes "$1""#, &[OsStr::new(&container)], None);
    let request = GenericImage::new(name, tag)
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::message_on_either_std("ready to accept connections"))
        .with_env_var("POSTGRES_PASSWORD", PASSWORD)
        .with_cmd(["postgres", "-c", "fsync=off", "-c", "max_connections=500"])
        .with_container_name(container);
    // Its blocking calls must not be made from inside a runtime.
    let running = std::thread::scope(|scope| scope.spawn(|| request.start()).join())
        .map_err(|_| String::from("testcontainers panicked"))?
        .map_err(|error| format!("the image {name}:{tag} does not start: {error}"))?;
    let address = || Ok((running.get_host()?, running.get_host_port_ipv4(5432)?));
    let (host, port) = std::thread::scope(|scope| scope.spawn(address).join())
        .map_err(|_| String::from("testcontainers panicked"))?
        .map_err(|error: testcontainers::TestcontainersError| error.to_string())?;
    let url = format!("postgres://postgres:{PASSWORD}@{host}:{port}/postgres");
    Ok(Container { image: format!("{name}:{tag}"), url, _running: running, _watchdog: watchdog })
}

fn build_local() -> Result<(), String> {
    let image = format!("{}:{}", LOCAL.0, LOCAL.1);
    if quiet("docker", &["image", "inspect", &image]) {
        return Ok(());
    }
    let programs = crate::programs::folder().ok_or("no local PostgreSQL programs for an image")?;
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/image/build"))
        .arg(&image)
        .arg(programs)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("tests/image/build: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("tests/image/build: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

fn quiet(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
